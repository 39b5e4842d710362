/**
 * What the engine is to reach, and whether it did: pure functions of the measurements.
 *
 * @module
 */
import { formatBytes, formatMilliseconds } from "../cli/format.ts";
import type { Measurement, Runtime } from "./record.ts";
import { BESIDE, dvnId, groups, levelId, LEVELS, SUB_NETWORKS } from "./workloads.ts";

export interface Verdict {
  bar: string;
  /** undefined: it was not measured. */
  met?: boolean;
  /** What was measured; empty if nothing. */
  measured: string;
}

/** What is measured in a process of its own: see `startup.ts`. */
export const COLD = "first step WRN-16-2 batch 32, cold cache";
export const WARM = "first step WRN-16-2 batch 32, warm cache";
export const HALVES = "first step WRN-16-2 batch 32, f16";
export const FIRST_J1 = "first step J1";
export const FIRST_WIDE_J1 = "first step J1, WRN-32-4";
export const GROWTH = "memory after 100 steps";
export const GROWN = "memory after 1,000 steps";

/** Growth of the process's own memory that is no leak: what is left of a heap that was swept moves. */
const HEAP_SLACK = 8e6;

/** How the runtimes are called. */
const NAMES: Record<Runtime, string> = { deno: "Deno", chromium: "Chromium", python: "Python" };

/** All verdicts, whatever was measured. */
export function verdicts(all: readonly Measurement[]): Verdict[] {
  const find = (workload: string, contender = "ours", runtime: Runtime = "deno") =>
    all.find((it) =>
      it.workload === workload && it.contender === contender && it.runtime === runtime
    );
  const ms = (...which: Parameters<typeof find>) => find(...which)?.ms;

  const training = ([["deno", 5], ["chromium", 3]] as const).flatMap(([runtime, least]) =>
    ["WRN-16-1", "WRN-16-2"].map((net): Verdict => {
      const bar = `${NAMES[runtime]}: a training step of ${net}, batch 32, at least ${least}x as ` +
        "fast as the best WebGPU peer's";
      const [best] = againstPeers(all, runtime, (id) => id === `train ${net} batch 32`);
      return atLeast(bar, best?.ratio, least, (ratio) => `${times(ratio)} (${best!.peer})`);
    })
  );

  const ops = (["deno", "chromium"] as const).map((runtime): Verdict => {
    const ids = new Set(opIds());
    const ratios = againstPeers(all, runtime, (id) => ids.has(id));
    const [worst] = ratios;
    const measured = new Set(ratios.map(({ workload }) => workload)).size;
    return atLeast(
      `${NAMES[runtime]}: no single op slower than any WebGPU peer's`,
      worst?.ratio,
      1,
      (ratio) =>
        `${measured} of ${ids.size} measured, the worst ${times(ratio)}: ${worst!.workload}, ` +
        worst!.peer,
    );
  });

  const CONV = "conv 3x3 64 ch 32 px";
  const ceiling = find(BESIDE + CONV)?.gflops;
  const convolutions = ([["forward", 0.4], ["dx", 0.3], ["dw", 0.3]] as const).map((
    [pass, least],
  ) => {
    const rate = find(`${CONV} ${pass}`)?.gflops;
    return atLeast(
      `3x3 convolution of 64 channels, ${pass}, at least ${100 * least} % of the FMA ceiling`,
      rate && ceiling && rate / ceiling,
      least,
      (part) =>
        `${(100 * part).toFixed(0)} % (${rate!.toFixed(1)} of ${ceiling!.toFixed(1)} GFLOP/s)`,
    );
  });

  const full = ms(dvnId({ task: 0, level: 2 }));
  const step = ms(dvnId());
  const densities = SUB_NETWORKS.reduce((total, { density }) => total + density, 0);
  const dvn = atMost(
    "a J1 step at most 1.10x the sum of density x full step alone",
    step && full && step / (densities * full),
    1.1,
    (ratio) =>
      `${ratio.toFixed(2)}x (${formatMilliseconds(step!)} for ${densities} x ${
        formatMilliseconds(full!)
      })`,
  );

  const levels = [1, 32].map((batch): Verdict => {
    const measured = LEVELS.map((level) => ms(levelId(level, batch)));
    const complete = measured.every((time) => time !== undefined) ? measured : undefined;
    const falls = complete?.every((time, i) => i === 0 || time > complete[i - 1]!);
    return {
      bar: `inference time falls with the level's density, batch ${batch}`,
      met: falls,
      measured: complete ? complete.map(formatMilliseconds).join(" < ") : "",
    };
  });
  const [thinnest, whole] = [LEVELS[0]!, LEVELS.at(-1)!].map((level) => ms(levelId(level, 32)));
  const speedUp = atLeast(
    "16x fewer parameters, batch 32: more than 5.8x as fast",
    thinnest && whole && whole / thinnest,
    5.8,
    times,
  );

  const starts = ([[COLD, 5], [WARM, 2]] as const).map(([id, seconds]) =>
    atMost(
      `${id}: within ${seconds} s of the process's start`,
      ms(id),
      1000 * seconds,
      formatMilliseconds,
    )
  );
  const pipelines = [FIRST_J1, FIRST_WIDE_J1]
    .map((id) => find(id)?.facts?.pipelines).filter((count) => count !== undefined);
  const fewPipelines = atMost(
    "a J1 step compiles at most 40 pipelines",
    pipelines.length ? Math.max(...pipelines) : undefined,
    40,
    String,
  );

  const memory = [WARM, HALVES, FIRST_J1, FIRST_WIDE_J1].map((id): Verdict => {
    const { bytesHeld, bytesNeeded } = find(id)?.facts ?? {};
    return atMost(
      `${id}: bytes held at most 1.2x weights, gradients, momentum and the largest segment`,
      bytesHeld && bytesNeeded && bytesHeld / bytesNeeded,
      1.2,
      (ratio) =>
        `${ratio.toFixed(2)}x (${formatBytes(bytesHeld!)} for ${formatBytes(bytesNeeded!)})`,
    );
  });
  const [before, after] = [GROWTH, GROWN].map((id) => find(id)?.facts);
  const growth: Verdict = {
    bar: "no growth over 1,000 steps",
    met: before && after && after.bytesHeld! <= before.bytesHeld! &&
      after.residentBytes! - before.residentBytes! <= HEAP_SLACK,
    measured: before && after
      ? `device memory ${signed(after.bytesHeld! - before.bytesHeld!)}, process ` +
        signed(after.residentBytes! - before.residentBytes!)
      : "",
  };

  const wide = all.find(({ workload, contender }) =>
    contender === "ours" && /^train WRN-32-4 batch \d+$/.test(workload)
  );
  const torch = wide && find(wide.workload, "torch", "python");
  const onCuda = torch && !torch.adapter.startsWith("processor");
  const cuda = atLeast(
    "NVIDIA: WRN-32-4 training against PyTorch eager, f32 (aim: 1.0x)",
    onCuda && wide.ms && torch.ms ? torch.ms / wide.ms : undefined,
    1,
    (ratio) => `${ratio.toFixed(2)}x`,
  );

  return [
    ...training,
    ...ops,
    ...convolutions,
    dvn,
    ...levels,
    speedUp,
    ...starts,
    fewPipelines,
    ...memory,
    growth,
    cuda,
  ];
}

/** Names of the workloads that are single ops. */
function opIds(): string[] {
  const isOp = (op: string) => op === "matmul" || op === "conv" || op === "batchNorm";
  return groups(false).flatMap(({ workloads }) => workloads)
    .filter(({ work }) => isOp(work.op)).map(({ id }) => id);
}

/** How many times as fast this project is as each WebGPU peer, the least first. */
function againstPeers(
  all: readonly Measurement[],
  runtime: Runtime,
  wanted: (workload: string) => boolean,
): { workload: string; peer: string; ratio: number }[] {
  const here = all.filter((it) => it.runtime === runtime && it.ms && wanted(it.workload));
  return here.filter(({ contender }) => contender !== "ours").flatMap((peer) => {
    const ours = here.find((it) => it.contender === "ours" && it.workload === peer.workload);
    if (!ours) return [];
    return [{ workload: peer.workload, peer: peer.contender, ratio: peer.ms! / ours.ms! }];
  }).sort((a, b) => a.ratio - b.ratio);
}

function atLeast(
  bar: string,
  value: number | undefined,
  least: number,
  format: (value: number) => string,
): Verdict {
  if (!value) return { bar, measured: "" };
  return { bar, met: value >= least, measured: format(value) };
}

function atMost(
  bar: string,
  value: number | undefined,
  most: number,
  format: (value: number) => string,
): Verdict {
  if (!value) return { bar, measured: "" };
  return { bar, met: value <= most, measured: format(value) };
}

/** 0.5 -> "0.50x"; 12.3 -> "12x". */
export function times(ratio: number): string {
  return `${ratio.toFixed(ratio < 10 ? 2 : 0)}x`;
}

function signed(bytes: number): string {
  return `${bytes < 0 ? "-" : "+"}${formatBytes(Math.abs(bytes))}`;
}
