import type { Scenario } from "../scenario.ts";
import { IN_SEQUENCE, ON_CIFAR, WRN_32_8 } from "./paper.ts";

/**
 * S2: CIFAR-10, then CIFAR-100 without the images of CIFAR-10, on two units (certain). Table 5 of the
 * paper, top-1 %: 93.1 / 78.0 for single units, 93.4 / 78.7 for all (certain: the text says which column
 * is which).
 */
export const s2: Scenario = {
  name: "S2",
  description: "CIFAR-10, then CIFAR-100",
  ...ON_CIFAR,
  ...WRN_32_8,
  ...IN_SEQUENCE,
  units: 2,
  levels: [1, 2],
  unitShares: "even",
  orders: "rule",
  tasks: [
    { name: "cifar-10", dataset: "cifar-10" },
    { name: "cifar-100", dataset: "cifar-100" },
  ],
};
