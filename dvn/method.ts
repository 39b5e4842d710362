import type { Param } from "../nn/params.ts";
import type { Scenario } from "./scenario.ts";

/** One loss of a step: a network on a batch of its own task. */
export interface LossTerm {
  /** Index from 0. */
  task: number;
  /** From 1. */
  level: number;
  /** Factor of the loss; the paper's sums have 1. */
  weight: number;
}

/** A stretch of training with one set of losses. */
export interface Phase {
  name: string;
  epochs: number;
  /** Summed; all are computed at each step, each task's on one batch. */
  losses: LossTerm[];
  /** Blocks that keep their bits, momentum and decay included. */
  frozen?: (param: Param, block: number) => boolean;
}

/** How a deep virtual network, or one of those it is compared with, is trained: data, and no code in the trainer. */
export interface Method {
  name: string;
  phases(scenario: Scenario): Phase[];
}

/** Joint training of all tasks and levels, eq. (4): the plain sum of their cross-entropies. */
export const dvnMethod: Method = {
  name: "dvn",
  phases: ({ tasks, levels, training }) => [{
    name: "joint",
    epochs: training.epochs,
    losses: tasks.flatMap((_, task) =>
      levels.map((_, index) => ({ task, level: index + 1, weight: 1 }))
    ),
  }],
};
