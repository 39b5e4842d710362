import type { ConvShape } from "../nn/gpu/chooser.ts";
import { type ConvUse, shapeKey } from "../nn/gpu/tuning.ts";
import { COUNTER_LENGTH } from "../nn/ops/cross_entropy.ts";
import { Tape } from "../nn/tape.ts";
import { recordImages, recordInput } from "./batch_input.ts";
import { taskLevels } from "./hierarchy.ts";
import type { LossTerm, Phase, Run } from "./method.ts";
import type { DeepVirtualNetwork } from "./network.ts";
import { recordUpdate } from "./update_plan.ts";
import { PREDICT_BATCH } from "./virtual_network.ts";

/** What a network convolves at one go, with the kernels that would be chosen now. */
export interface ConvolutionWork {
  /** Such as "a training step" or "inference of all levels, batch 1". */
  what: string;
  uses: ConvUse[];
}

/** Batches that `VirtualNetwork.predict()` takes. */
const BATCHES = [1, PREDICT_BATCH];

/**
 * What a run's training steps and its networks' inference convolve, to be tuned before: it is recorded
 * and neither compiled nor run.
 *
 * @param net Made for the run's scenario; of the tasks' images only the sizes count.
 * @returns Of each phase a step, with the mean of what is drawn at each; then, of each batch that is
 *   classified at once, all networks together.
 */
export function convolutionWork(net: DeepVirtualNetwork, run: Run): ConvolutionWork[] {
  const { tuning } = net.gpu;
  const steps = run.phases.map((phase) => ({
    what: run.phases.length > 1 ? `a training step, ${phase.name}` : "a training step",
    uses: phase.updates.flatMap(({ variants }) =>
      variants.flatMap((losses) =>
        tuning.collect(() => recordStep(net, losses, phase))
          .map((use) => ({ ...use, count: use.count / variants.length }))
      )
    ),
  }));
  const inference = BATCHES.map((batch) => ({
    what: `inference of all levels, batch ${batch}`,
    uses: tuning.collect(() => recordInference(net, batch)),
  }));
  return [...steps, ...inference];
}

function recordStep(net: DeepVirtualNetwork, losses: LossTerm[], { frozen }: Phase): void {
  recordUpdate(new Tape(net.gpu), net, losses, {
    old: net,
    frozen,
    counters: (tape) => tape.input("counters", [COUNTER_LENGTH]),
  });
}

function recordInference(net: DeepVirtualNetwork, batch: number): void {
  net.tasks.forEach((info, task) => {
    for (const level of taskLevels(net.scenario, task)) {
      const tape = new Tape(net.gpu);
      const images = recordImages(tape, recordInput(tape, info, batch), info);
      const stem = net.stem(tape, task, images, "inference");
      net.forward(tape, task, level, stem, "inference");
    }
  });
}

/** The shapes of some work, each once: for `autotune()`. */
export function shapesOf(work: readonly ConvolutionWork[]): ConvShape[] {
  const shapes = work.flatMap(({ uses }) => uses.map(({ shape }) => shape));
  return [...new Map(shapes.map((shape) => [shapeKey(shape), shape])).values()];
}
