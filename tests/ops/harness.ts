import type { Gpu } from "../../nn/gpu/gpu.ts";

/** A test of an op that runs in Deno and in a browser alike: it may use web standards only. */
export interface OpCase {
  name: string;
  run: (gpu: Gpu) => Promise<void>;
}

/** Runs a case, and fails it for what WebGPU found wrong but did not throw. */
export async function runCase({ run }: OpCase, gpu: Gpu): Promise<void> {
  await run(gpu);
  await gpu.settle();
}

/** Whether `deno test --filter` would pick a test of this name: a part of it, or a `/pattern/`. */
export function matches(filter: string, name: string): boolean {
  const pattern = /^\/(.*)\/$/.exec(filter);
  return pattern ? new RegExp(pattern[1]!).test(name) : name.includes(filter);
}
