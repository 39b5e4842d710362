/**
 * What was measured, as it is printed, judged and saved.
 *
 * @module
 */
import type { About, Facts } from "./contender.ts";
import type { Timing } from "./interleave.ts";
import { median, quantile } from "./statistics.ts";
import { bytesMoved, flops, imagesOf, type Work } from "./workloads.ts";

/** Where a contender runs. */
export type Runtime = "deno" | "chromium" | "python";

/** One contender at one workload. */
export interface Measurement {
  runtime: Runtime;
  contender: string;
  version: string;
  adapter: string;
  workload: string;
  /** Milliseconds of one run: the median, then the quartiles around it. */
  ms?: number;
  quartiles?: [number, number];
  samples?: number;
  /** Runs in each sample. */
  repeats?: number;
  /** Of the median run. */
  gflops?: number;
  imagesPerSecond?: number;
  /** Read and written, in GB/s. */
  bandwidth?: number;
  /** Root mean square of the result. */
  check?: number;
  /** At the first step, the second and the last. */
  losses?: number[];
  facts?: Facts;
  /** Why there is no time. */
  failure?: string;
}

/** Describes how a job did. */
export function measurement(
  runtime: Runtime,
  { contender, version, adapter }: About,
  workload: string,
  work: Work,
  timing: Timing | Error,
): Measurement {
  const whose = { runtime, contender, version, adapter, workload };
  if (timing instanceof Error) return { ...whose, failure: timing.message };
  const ms = median(timing.samples);
  const perSecond = (amount: number | undefined) => amount && amount / ms * 1e3;
  const giga = (amount: number | undefined) => amount && amount / 1e9;
  return {
    ...whose,
    ms,
    quartiles: [quantile(timing.samples, 1 / 4), quantile(timing.samples, 3 / 4)],
    samples: timing.samples.length,
    repeats: timing.repeats,
    gflops: giga(perSecond(flops(work))),
    imagesPerSecond: perSecond(imagesOf(work)),
    bandwidth: giga(perSecond(bytesMoved(work))),
    check: timing.check ?? undefined,
    losses: timing.losses.length ? timing.losses : undefined,
  };
}

/** How much two contenders' results may differ, relatively: rounding of float32 in other orders. */
const CHECK_TOLERANCE = 1e-3;
/** The second loss comes after an update, which makes more of the rounding. */
const LOSS_TOLERANCE = 1e-2;

/**
 * What speaks against a measurement: results or losses other than the first contender's, a loss that
 * does not fall.
 *
 * @param ours The same workload done by this project.
 */
export function objection(it: Measurement, ours: Measurement | undefined): string | undefined {
  const differs = (a: number, b: number, tolerance: number) =>
    !(Math.abs(a - b) <= tolerance * Math.abs(b));
  if (it.losses) {
    const [first, second, last] = it.losses as [number, number, number];
    if (!(last < first)) return `its loss does not fall: ${first} to ${last}`;
    const [ourFirst, ourSecond] = ours?.losses ?? [first, second];
    if (
      differs(first, ourFirst!, LOSS_TOLERANCE) || differs(second, ourSecond!, LOSS_TOLERANCE)
    ) {
      return `its losses, ${first} and ${second}, are not ours, ${ourFirst} and ${ourSecond}`;
    }
  }
  if (it.check !== undefined && differs(it.check, ours?.check ?? it.check, CHECK_TOLERANCE)) {
    return `its result, of root mean square ${it.check}, is not ours, ${ours!.check}`;
  }
}
