import type { Gpu } from "./gpu.ts";
import type { Plan } from "./plan.ts";

/** A measurement by timestamps should take so long: browsers round them to 0.1 ms. */
export const LEAST_MILLISECONDS = 10;

/** Runs of a measurement; none is so short that it needs more. */
const MOST_RUNS = 10_000;

/** Whether plans are timed by the adapter's timestamps; else by the clock. */
export function hasTimestamps({ device }: Gpu): boolean {
  return device.features.has("timestamp-query");
}

/**
 * Runs a plan.
 *
 * @param clock Milliseconds on any.
 * @returns Milliseconds of one run, of so many in a row; 0 if they are too short to be told.
 */
export async function timePlan(
  plan: Plan,
  runs: number,
  clock: { now(): number } = performance,
): Promise<number> {
  const start = clock.now();
  if (hasTimestamps(plan.gpu)) {
    const milliseconds = await plan.time(runs);
    // Timestamps that say nothing of 0.1 s are missing.
    if (milliseconds > 0 || clock.now() - start < 100 && runs < MOST_RUNS) return milliseconds;
  } else {
    plan.run(runs);
    await plan.gpu.settle();
  }
  return (clock.now() - start) / runs;
}

/**
 * Runs in a row that may take `least` milliseconds.
 *
 * @param runs So many took too little or just enough, of which
 * @param milliseconds each took so long.
 * @returns More, unless they took enough, or are as many as there may be.
 */
export function enoughRuns(runs: number, milliseconds: number, least: number): number {
  const taken = runs * milliseconds;
  if (taken >= least) return runs;
  // By steps, as one run may have waited for what a thousand would wait for together.
  return Math.min(MOST_RUNS, Math.ceil(runs * Math.min(10, 1.2 * least / taken)));
}
