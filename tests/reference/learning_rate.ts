import type { Scenario } from "../../dvn/scenario.ts";

/**
 * Learning rate of one step: the scenario's rate times a warm-up times a decay.
 *
 * - Warm-up from 0: step 0 has 1 / warmupSteps of the rate, step warmupSteps - 1 all of it.
 * - Step decay: `factor` once for each milestone passed. Milestone m is passed after m whole
 *   epochs, so step `m * stepsPerEpoch` is the first with the lower rate.
 * - Cosine decay: half a period from the first step after the warm-up (all of the rate) to the
 *   step that would follow the last (none of it).
 *
 * @param step Updates made before this one, in `[0, epochs * stepsPerEpoch)`.
 */
export function learningRate(
  step: number,
  stepsPerEpoch: number,
  { learningRate, warmupSteps, schedule, epochs }: Scenario["training"],
): number {
  let rate = learningRate;
  if (step < warmupSteps) rate *= (step + 1) / warmupSteps;
  if (schedule.kind === "step") {
    for (const milestone of schedule.milestones) {
      if (step >= milestone * stepsPerEpoch) rate *= schedule.factor;
    }
  } else if (step >= warmupSteps) {
    const fraction = (step - warmupSteps) /
      (epochs * stepsPerEpoch - warmupSteps);
    rate *= Math.cos(Math.PI / 2 * fraction) ** 2;
  }
  return rate;
}
