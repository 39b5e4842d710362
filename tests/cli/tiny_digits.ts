import { digitsScenario } from "../../dvn/scenarios/digits.ts";

/** A scenario for `train` and its like, as a file has it: two tasks on the digits that train in seconds. */
export const TINY_DIGITS = {
  ...digitsScenario,
  name: "tiny",
  backbone: { kind: "custom", widths: [4, 8], blocks: 1 },
  stem: { kernel: 3, channels: 4, outputSize: 8 },
  units: 2,
  levels: [1, 2],
  tasks: [
    { name: "first", dataset: "digits", classes: [0, 1] },
    { name: "second", dataset: "digits", classes: [2, 3] },
  ],
  training: { ...digitsScenario.training, epochs: 6, batchSize: 48 },
};
