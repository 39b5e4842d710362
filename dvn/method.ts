import type { Param } from "../nn/params.ts";
import type { Scenario } from "./scenario.ts";

/** One loss of an update: what a network answers to a batch of images, against a target. */
export interface LossTerm {
  /** Index from 0. */
  task: number;
  /** From 1. */
  level: number;
  /** Factor of the loss; the paper's sums have 1. */
  weight: number;
  /** Task whose images are shown, index from 0. Default: `task`. */
  images?: number;
  /** Default: the labels. */
  target?: Target;
  /**
   * What the loss changes: all that the network is made of, or only what follows its pooled features,
   * which are then computed as at inference. Default: all.
   */
  learns?: "all" | "head";
}

/** What an output is compared with. */
export type Target =
  /** Cross-entropy. */
  | { kind: "labels" }
  /**
   * Distillation from a level of the same task of the network as it was when the phase began, on the
   * same images: eq. (6).
   */
  | { kind: "old-network"; level: number; temperature: number }
  /** Distillation from a higher level of the same task in the same update, which does not learn from it. */
  | { kind: "level"; level: number; temperature: number };

/** One change of the weights. */
export interface Update {
  /** The losses of one of these are summed; drawn at each step, from the seed, where there are several. */
  variants: LossTerm[][];
}

/** A stretch of training. */
export interface Phase {
  /** For progress and results. */
  name: string;
  /** The learning rate's schedule is stretched over them. Momentum begins at zero. */
  epochs: number;
  /** Done one after another at each step; all use the step's one batch of each task. */
  updates: Update[];
  /** Blocks that keep their bits, momentum and decay included. */
  frozen?: (param: Param, block: number) => boolean;
  /**
   * Done before the phase: stem and batch norm of all levels of task `to` become those of a network of
   * another task, as far as it has the units; heads stay.
   */
  copies?: { from: { task: number; level: number }; to: number }[];
}

/** One set of weights, and how it is trained. */
export interface Run {
  /** Name of the method. */
  method: string;
  /** Tells the runs of a method apart: a task's name, or "all". */
  name: string;
  /** Of the network that is made; methods change the scenario that is asked for. */
  scenario: Scenario;
  /** Done one after another. */
  phases: Phase[];
}

/** How a deep virtual network, or one of those it is compared with, is trained: data, and no code in the trainer. */
export interface Method {
  /** What commands know it by. */
  name: string;
  /** One line, for help texts. */
  description: string;
  /**
   * What is to be trained. Task names are the scenario's.
   *
   * @throws {RangeError} If the method is not for such a scenario; the message says why.
   */
  runs(scenario: Scenario): Run[];
}
