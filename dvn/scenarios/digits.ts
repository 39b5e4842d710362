import type { Scenario } from "../scenario.ts";

/**
 * The built-in scenario: three tasks over the handwritten digits that the project ships, small enough
 * to train on a CPU. Two tasks have five classes each, as in the paper's split of CIFAR-10, and one
 * has all ten; they are trained jointly, eq. (4). Level 1 reads an eighth of the parameters.
 */
export const digitsScenario: Scenario = {
  name: "digits",
  description: "Handwritten digits: 0 to 4, 5 to 9, and all ten",
  seed: 1,
  backbone: { kind: "custom", widths: [12, 24, 48], blocks: 1 },
  stem: { kernel: 3, channels: 12, outputSize: 8, sharing: "task" },
  units: 3,
  levels: [1, 2, 3],
  unitShares: "even",
  orders: "rule",
  tasks: [
    { name: "low", dataset: "digits", classes: [0, 1, 2, 3, 4] },
    { name: "high", dataset: "digits", classes: [5, 6, 7, 8, 9] },
    { name: "digits", dataset: "digits" },
  ],
  batchNorm: {
    affine: "private",
    statistics: "private",
    momentum: 0.9,
    epsilon: 1e-5,
  },
  training: {
    epochs: 8,
    batchSize: 64,
    learningRate: 0.1,
    momentum: 0.9,
    weightDecay: 5e-4,
    decayAll: true,
    mixing: "sum",
    levelSampling: "all",
    lowerLevels: "labels",
    warmupSteps: 10,
    schedule: { kind: "cosine" },
    activations: "f32",
  },
  // A mirrored digit is another sign, so no flip.
  augmentation: { pad: 1, flip: false },
  normalization: "mean-std",
  reportedEpoch: "last",
};
