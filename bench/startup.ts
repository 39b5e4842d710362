/**
 * What only a fresh process can tell: the time to its first finished step, and what it holds then.
 *
 * @module
 */
import { join } from "node:path";
import { COLD, FIRST_J1, FIRST_WIDE_J1, GROWN, GROWTH, HALVES, WARM } from "./bars.ts";
import type { Entrant } from "./entrants.ts";
import type { Measurement } from "./record.ts";
import { Remote } from "./remote.ts";
import { dvnWork, J1, type Work } from "./workloads.ts";
import { type Wrn, wrn16 } from "./wrn.ts";

/** Small enough that a thousand steps take a minute; wide enough for the kernels that large ones run. */
const SMALL: Wrn = {
  widths: [32, 32, 32],
  blocks: 1,
  stem: { kernel: 3, channels: 32 },
  classes: 10,
};
const STEPS = { before: 100, all: 1000, inFlight: 10 };

/**
 * Starts a contender again and again, and measures the time from each start to a finished step: first
 * without compiled shaders on disk, then with those of the first start.
 *
 * @param quick Leave out what takes long: a wide J1 on software, a thousand steps.
 * @param limit Seconds that an answer may take.
 */
export async function* measureStarts(
  entrant: Entrant,
  { software, quick, limit }: { software: boolean; quick: boolean; limit: number },
): AsyncGenerator<Measurement, void, void> {
  const cache = await Deno.makeTempDir({ prefix: "bench-shaders-" });
  try {
    const train: Work = { op: "train", net: wrn16(2), batch: 32 };
    const works: [string, Work][] = [[COLD, train], [WARM, train]];
    if (entrant.contender === "ours") {
      works.push([HALVES, { ...train, activations: "f16" }], [FIRST_J1, dvnWork(software)]);
      // Few images: this one is for its pipelines.
      if (software && !quick) works.push([FIRST_WIDE_J1, { op: "dvn", net: J1, batch: 2 }]);
    }
    for (const [workload, work] of works) {
      const measurement = await measureStart(entrant, workload, work, cache, limit);
      if (measurement) yield measurement;
    }
    if (entrant.contender === "ours" && !quick) yield* measureGrowth(entrant, cache, limit);
  } finally {
    await Deno.remove(cache, { recursive: true });
  }
}

/** Has drivers keep compiled shaders in a folder: Mesa's and NVIDIA's. */
function environment(cache: string): Record<string, string> {
  return {
    MESA_SHADER_CACHE_DIR: join(cache, "mesa"),
    __GL_SHADER_DISK_CACHE_PATH: join(cache, "nvidia"),
  };
}

function whose({ runtime }: Entrant, { about: { contender, version, adapter } }: Remote) {
  return { runtime, contender, version, adapter };
}

/** @returns undefined if the contender has no such op. */
async function measureStart(
  entrant: Entrant,
  workload: string,
  work: Work,
  cache: string,
  limit: number,
): Promise<Measurement | undefined> {
  for (const folder of Object.values(environment(cache))) {
    await Deno.mkdir(folder, { recursive: true });
  }
  const start = performance.now();
  const remote = await Remote.connect(await entrant.start(environment(cache)), limit);
  try {
    const job = await remote.prepare(work);
    if (!job) return undefined;
    await job.run(1);
    const ms = performance.now() - start;
    const facts = await job.facts() ?? undefined;
    return { ...whose(entrant, remote), workload, ms, quartiles: [ms, ms], samples: 1, facts };
  } finally {
    await remote.close();
  }
}

async function* measureGrowth(
  entrant: Entrant,
  cache: string,
  limit: number,
): AsyncGenerator<Measurement, void, void> {
  const remote = await Remote.connect(await entrant.start(environment(cache)), limit);
  try {
    const job = (await remote.prepare({ op: "train", net: SMALL, batch: 4 }))!;
    let done = 0;
    for (const [workload, steps] of [[GROWTH, STEPS.before], [GROWN, STEPS.all]] as const) {
      // As in training, few steps wait for the GPU.
      for (; done < steps; done += STEPS.inFlight) await job.run(STEPS.inFlight);
      const facts = await job.facts() ?? undefined;
      yield { ...whose(entrant, remote), workload, facts };
    }
  } finally {
    await remote.close();
  }
}
