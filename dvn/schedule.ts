import type { Scenario } from "./scenario.ts";

/** What the rate depends on. */
export type RateSpec = Pick<
  Scenario["training"],
  "epochs" | "learningRate" | "warmupSteps" | "schedule"
>;

/**
 * Learning rate of one optimiser step: the base rate, times the warm-up, times the decay.
 *
 * - Warm-up: `min(1, (step + 1) / warmupSteps)`, so that no step is wasted at rate 0.
 * - Step decay: `factor` for each milestone `m` (in epochs) with `step >= m * stepsPerEpoch`.
 * - Cosine decay: `(1 + cos(pi * t)) / 2` with `t` the part of the steps after the warm-up that is done.
 *
 * @param step Steps done before this one, from 0; after the run's last step the cosine stays at 0.
 * @param stepsPerEpoch Optimiser steps in an epoch, at least 1.
 */
export function learningRate(
  step: number,
  stepsPerEpoch: number,
  training: RateSpec,
): number {
  const { warmupSteps } = training;
  const warmup = step < warmupSteps ? (step + 1) / warmupSteps : 1;
  return training.learningRate * warmup * decay(step, stepsPerEpoch, training);
}

function decay(
  step: number,
  stepsPerEpoch: number,
  training: RateSpec,
): number {
  const { schedule, warmupSteps, epochs } = training;
  switch (schedule.kind) {
    case "step": {
      const passed = schedule.milestones.filter((epoch) => step >= epoch * stepsPerEpoch);
      return schedule.factor ** passed.length;
    }
    case "cosine": {
      // A warm-up as long as the run leaves no step to decay over.
      const length = Math.max(1, epochs * stepsPerEpoch - warmupSteps);
      const done = Math.min(1, Math.max(0, step - warmupSteps) / length);
      return (1 + Math.cos(Math.PI * done)) / 2;
    }
  }
}
