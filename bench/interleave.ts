/**
 * Times jobs in turn, A B A B, so that what else the machine does hits all alike.
 *
 * @module
 */
import type { RemoteJob } from "./remote.ts";

export interface InterleaveOptions {
  /** Rounds wanted. */
  samples: number;
  /** Milliseconds a sample should take at least: shorter work is repeated within it. */
  least: number;
  /**
   * Seconds that the rounds of all jobs together may take. 3 rounds are run whatever they take, without
   * jobs that alone would take longer.
   */
  limit: number;
  /** Told after each warm-up and each sample. */
  onSample?: (job: RemoteJob) => void;
}

/** How one job did. */
export interface Timing {
  /** Milliseconds of one run: a mean over the repeats in each sample. */
  samples: number[];
  /** Runs in a sample. */
  repeats: number;
  /** Root mean square of the result; null where it cannot be told. */
  check: number | null;
  /** Of training: the loss at the first step, the second and the last. */
  losses: number[];
}

/** Fewer samples than this have no median worth the name. */
export const LEAST_SAMPLES = 3;

/** Runs that one sample holds at most. */
const MOST_REPEATS = 10_000;

/**
 * Warms each job up by three runs or more, then runs rounds of all. A job that fails is left out from
 * there on.
 *
 * @returns For each job how it did, or why it did not.
 */
export async function interleave(
  jobs: readonly RemoteJob[],
  { samples, least, limit, onSample }: InterleaveOptions,
): Promise<(Timing | Error)[]> {
  const results: (Timing | Error)[] = [];
  const attempt = async (index: number, work: () => Promise<void>) => {
    try {
      await work();
      onSample?.(jobs[index]!);
    } catch (error) {
      results[index] = error as Error;
    }
  };
  let roundMs = 0;
  for (const [index, job] of jobs.entries()) {
    await attempt(index, async () => {
      const timing = await warmUp(job, least, limit);
      results[index] = timing;
      roundMs += timing.repeats * timing.samples.pop()!;
    });
  }
  const affordable = Math.floor(1000 * limit / roundMs);
  const rounds = Math.max(LEAST_SAMPLES, Math.min(samples, affordable));
  for (let round = 0; round < rounds; round++) {
    for (const [index, job] of jobs.entries()) {
      const timing = results[index]!;
      if (timing instanceof Error) continue;
      await attempt(index, async () => {
        timing.samples.push(await job.run(timing.repeats) / timing.repeats);
      });
    }
  }
  for (const [index, job] of jobs.entries()) {
    const timing = results[index]!;
    if (timing instanceof Error || timing.losses.length === 0) continue;
    await attempt(index, async () => {
      timing.losses.push((await job.loss())!);
    });
  }
  return results;
}

/** @returns With one sample, that of the last warm-up. */
async function warmUp(job: RemoteJob, least: number, limit: number): Promise<Timing> {
  const losses: number[] = [];
  for (let step = 0; step < 2; step++) {
    const loss = await job.loss();
    if (loss !== null) losses.push(loss);
  }
  if (losses.length === 0) await job.run(1);
  const check = await job.check();
  let repeats = 1;
  while (true) {
    const ms = await job.run(repeats);
    if (LEAST_SAMPLES * ms > 1000 * limit) {
      throw new Error(
        `a run takes ${(ms / 1000).toFixed(0)} s, too long for ${LEAST_SAMPLES} of them within ` +
          `${limit} s (--limit)`,
      );
    }
    if (ms >= least || repeats === MOST_REPEATS) {
      return { samples: [ms / repeats], repeats, check, losses };
    }
    // By steps, as what a single run waits for may be the same for a thousand.
    const wanted = Math.ceil(repeats * Math.min(8, 1.2 * least / ms));
    repeats = Math.min(MOST_REPEATS, wanted);
  }
}
