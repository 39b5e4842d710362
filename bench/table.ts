/**
 * Measurements as text.
 *
 * @module
 */
import { formatBytes, formatMilliseconds, formatPercent } from "../cli/format.ts";
import { alignColumns } from "../cli/table.ts";
import { times, type Verdict } from "./bars.ts";
import type { Facts } from "./contender.ts";
import type { Measurement, Runtime } from "./record.ts";
import { BESIDE } from "./workloads.ts";

/**
 * Workloads down, contenders across: this project's time, its spread and rate, and for each other
 * contender its time and how many times as fast this project is.
 */
export function renderMeasurements(
  all: readonly Measurement[],
  runtimes: readonly Runtime[],
): string {
  const here = all.filter(({ runtime }) => runtimes.includes(runtime));
  const others = [...new Set(here.map(({ contender }) => contender))]
    .filter((contender) => contender !== "ours");
  const titles = [
    "workload",
    "ours",
    "spread",
    "rate",
    "of FMA",
    ...others.flatMap((name) => [name, "ratio"]),
  ];
  const rows = [...new Set(here.map(({ workload }) => workload))].map((workload) => {
    const of = (contender: string) =>
      here.find((it) => it.contender === contender && it.workload === workload);
    const ours = of("ours");
    return [
      workload,
      cell(ours),
      spread(ours),
      ours ? rate(ours) : "",
      ours ? ofCeiling(ours, here) : "",
      ...others.flatMap((name) => {
        const other = of(name);
        const ratio = other?.ms && ours?.ms ? times(other.ms / ours.ms) : "";
        return [cell(other), ratio];
      }),
    ];
  });
  return alignColumns([titles, ...rows], 1);
}

function cell(it: Measurement | undefined): string {
  if (!it) return "";
  return it.ms === undefined ? "failed" : formatMilliseconds(it.ms);
}

/** Half the distance of the quartiles, and of how many samples. */
function spread(it: Measurement | undefined): string {
  if (!it?.ms || !it.quartiles) return "";
  const [low, high] = it.quartiles;
  return it.samples === 1 ? "once" : `±${formatPercent((high - low) / 2 / it.ms)} of ${it.samples}`;
}

/** Part of the rate of multiply-adds that was measured in turn with it. */
function ofCeiling({ workload, gflops }: Measurement, all: readonly Measurement[]): string {
  const ceiling = all.find((it) =>
    it.contender === "ours" && it.workload.startsWith(BESIDE) &&
    workload.startsWith(it.workload.slice(BESIDE.length))
  )?.gflops;
  return gflops && ceiling ? formatPercent(gflops / ceiling) : "";
}

function rate({ gflops, imagesPerSecond, bandwidth }: Measurement): string {
  const three = (value: number) => String(Number(value.toPrecision(3)));
  if (imagesPerSecond) return `${three(imagesPerSecond)} images/s`;
  if (gflops) return `${three(gflops)} GFLOP/s`;
  return bandwidth ? `${three(bandwidth)} GB/s` : "";
}

/** What failed or does not count, a line each. */
export function renderFailures(all: readonly Measurement[]): string {
  return all.filter(({ failure }) => failure).map(({ contender, runtime, workload, failure }) =>
    `${contender} (${runtime}), ${workload}: ${failure!.split("\n")[0]}`
  ).join("\n");
}

/**
 * Where the time of one run goes.
 *
 * @param total Milliseconds of the whole run.
 * @param bandwidth Of a copy by shader, in GB/s, if measured.
 */
export function renderKernels(
  kernels: NonNullable<Facts["kernels"]>,
  total: number,
  bandwidth?: number,
): string {
  const rest = total - kernels.reduce((sum, { milliseconds }) => sum + milliseconds, 0);
  const rows = kernels.map(({ kernel, dispatches, milliseconds, bytes }) => {
    const rate = bytes / milliseconds / 1e6;
    return [
      kernel,
      String(dispatches),
      formatMilliseconds(milliseconds),
      formatPercent(milliseconds / total),
      formatBytes(bytes),
      `${rate.toFixed(2)} GB/s`,
      bandwidth ? formatPercent(rate / bandwidth) : "",
    ];
  });
  const titles = ["kernel", "dispatches", "time", "share", "bound", "bound / time", "of a copy"];
  const last = ["copies, gaps", "", formatMilliseconds(rest), formatPercent(rest / total)];
  return alignColumns([titles, ...rows, [...last, "", "", ""]], 1);
}

/** A line for each bar. */
export function renderVerdicts(verdicts: readonly Verdict[]): string {
  return verdicts.map(({ bar, met, measured }) => {
    const word = met === undefined ? "not measured" : met ? "met" : "MISSED";
    return `${word.padEnd(12)}  ${bar}${measured ? `: ${measured}` : ""}`;
  }).join("\n");
}
