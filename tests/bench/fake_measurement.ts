import type { Measurement, Runtime } from "../../bench/record.ts";

/** A measurement of this project in Deno, but for what is changed. */
export function fake(
  workload: string,
  change: Partial<Measurement> & { runtime?: Runtime } = {},
): Measurement {
  return {
    runtime: "deno",
    contender: "ours",
    version: "here",
    adapter: "made up",
    workload,
    ...change,
  };
}
