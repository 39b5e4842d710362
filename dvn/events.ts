import type { NetworkCost } from "./costs.ts";
import type { Scenario } from "./scenario.ts";

/** Mean loss and accuracy of one (task, level) over some images. */
export interface NetworkScore {
  task: string;
  /** From 1. */
  level: number;
  /** Mean cross-entropy, nats. */
  loss: number;
  /** In [0, 1]. */
  accuracy: number;
  /** Images counted. */
  count: number;
}

/** What `train()` yields, in order: start, (step | evaluation | epoch | checkpoint)*, end. All are JSON-able but the checkpoint's bytes. */
export type TrainEvent =
  | {
    type: "start";
    scenario: Scenario;
    method: string;
    /** The adapter in one line. */
    adapter: string;
    /** Optimiser steps in the whole run, and the one this run starts from (0, or the resumed one). */
    steps: number;
    firstStep: number;
    epochs: number;
    networks: NetworkCost[];
    /** GPU memory held by the run, in bytes. */
    bytesHeld: number;
    pipelines: number;
    /** Seconds spent building plans and pipelines. */
    buildSeconds: number;
  }
  | {
    /** Every few steps; scores are means since the last step event, over training images. */
    type: "step";
    /** Steps done. */
    step: number;
    /** From 1. */
    epoch: number;
    learningRate: number;
    /** Mean over all networks. */
    loss: number;
    /** Mean over all networks. */
    accuracy: number;
    networks: NetworkScore[];
    /** Training images a second, each task's images counted once a step. */
    imagesPerSecond: number;
    seconds: number;
    secondsLeft: number;
  }
  | {
    type: "evaluation";
    step: number;
    epoch: number;
    networks: NetworkScore[];
    seconds: number;
  }
  | { type: "epoch"; step: number; epoch: number; seconds: number }
  | {
    type: "checkpoint";
    step: number;
    epoch: number;
    reason: "interval" | "interrupt" | "end";
    /** safetensors: weights and batch-norm state, and metadata. */
    weights: Uint8Array;
    /** safetensors: momentum, counters and step; with `weights` it resumes the run bit for bit. */
    state: Uint8Array;
  }
  | { type: "end"; step: number; interrupted: boolean; seconds: number };
