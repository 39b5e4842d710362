import type { Scenario } from "../scenario.ts";
import { ON_CIFAR, WRN_32_4 } from "./paper.ts";

/**
 * H1: the coarse and the fine classes of CIFAR-100, on the same pictures and two units (certain). Table
 * 3 of the paper, top-1 %: 84.1 / 74.9 for single units of 1.8M weights, 86.1 / 76.9 for all 7.4M.
 *
 * With a `limit`, or with images held out for validation, each task has pictures balanced over its own
 * classes, so not the same ones.
 */
export const h1: Scenario = {
  name: "H1",
  description: "CIFAR-100: 20 coarse and 100 fine classes",
  ...ON_CIFAR,
  ...WRN_32_4,
  units: 2,
  levels: [1, 2],
  unitShares: "even",
  orders: "rule",
  // Table 3 has NestedNet at 1.8M and 7.4M (certain).
  nestedDensities: [1 / 4, 1],
  tasks: [
    { name: "coarse", dataset: "cifar-100-coarse" },
    { name: "fine", dataset: "cifar-100" },
  ],
};
