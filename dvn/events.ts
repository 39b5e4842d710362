import type { NetworkCost } from "./costs.ts";
import type { Scenario } from "./scenario.ts";

/** Mean loss and accuracy of one (task, level) over some images. */
export interface NetworkScore {
  /** Its name. */
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

/** What `train()` yields, in order: start, (phase | step | evaluation | epoch | checkpoint)*, end. All are JSON-able but the checkpoint's bytes. */
export type TrainEvent =
  | {
    type: "start";
    scenario: Scenario;
    method: string;
    /** Which of the method's runs, see `Run.name`. */
    run: string;
    /** The adapter in one line. */
    adapter: string;
    /** Optimiser steps in the whole run, and the one this run starts from (0, or the resumed one). */
    steps: number;
    firstStep: number;
    epochs: number;
    networks: NetworkCost[];
    /** GPU memory held by the run's first phase, in bytes. */
    bytesHeld: number;
    pipelines: number;
    /** Convolution passes whose kernels were measured or pinned, not chosen by default. */
    tunedShapes?: number;
    /** Seconds spent building plans and pipelines. */
    buildSeconds: number;
  }
  | {
    /** A phase of the run begins; a resumed run tells the one it is in. */
    type: "phase";
    /** Steps done. */
    step: number;
    name: string;
    /** From 1, and how many there are. */
    index: number;
    count: number;
    /** GPU memory held in this phase, in bytes. */
    bytesHeld: number;
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
    /**
     * Where activations are stored in 16 bits: updates of the run so far whose gradients overflowed, and
     * which changed no weights, but the scale of the losses.
     */
    skippedUpdates?: number;
    /** Training images a second, each task's images counted once a step. */
    imagesPerSecond: number;
    seconds: number;
    secondsLeft: number;
  }
  | {
    type: "evaluation";
    step: number;
    epoch: number;
    /** On which images; a run that keeps its best epoch looks at the test images once, at its end. */
    images: "test" | "validation";
    /** Those that the phases so far have trained. */
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
