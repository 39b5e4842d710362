/** What an experiment says in the terminal. */
import { formatBytes, formatPercent, formatSeconds } from "../format.ts";
import { alignColumns } from "../table.ts";
import type { CellNetwork, CellResult } from "./cell.ts";
import type { Cell } from "./grid.ts";

/**
 * A cell that is done, in one line: each task's accuracy at its lowest and its highest level, and time.
 *
 * @param cells All there are; for the widths.
 * @param done How many of them are done by now.
 */
export function describeResult(
  { method, seed, seconds, tasks, networks }: CellResult,
  cells: readonly Cell[],
  done: number,
): string {
  const accuracies = tasks.map(({ name }) => {
    const ofTask = networks.filter(({ task }) => task === name)
      .toSorted((a, b) => a.parameters.total - b.parameters.total);
    const ends = new Set([ofTask[0]!, ofTask.at(-1)!]);
    return `${name} ${[...ends].map(({ accuracy }) => formatPercent(accuracy)).join(" to ")}`;
  });
  const width = Math.max(...cells.map((cell) => cell.method.name.length));
  return [
    `${`${done}`.padStart(`${cells.length}`.length)}/${cells.length}`,
    method.padEnd(width),
    `seed ${seed}`,
    ...accuracies,
    formatSeconds(seconds),
  ].join("  ");
}

/** Mean and spread over the seeds of each network's accuracy, by method, task and level. */
export function renderSummary(results: readonly CellResult[], methods: readonly string[]): string {
  const rows = methods.flatMap((method) => {
    const cells = results.filter((result) => result.method === method);
    const [first] = cells;
    return first?.networks.map((network) => {
      const accuracies = cells.map(({ networks }) => networks.find(isSame(network))!.accuracy);
      return [
        method,
        network.task,
        `${network.level}`,
        formatBytes(network.bytes),
        describeSpread(accuracies),
        `${cells.length}`,
      ];
    }) ?? [];
  });
  const titles = ["method", "task", "level", "memory", "accuracy", "seeds"];
  // What a row has from the one above is not said again.
  const brief = rows.map((row, i) =>
    row.map((cell, c) =>
      c < 2 && row.slice(0, c + 1).join() === rows[i - 1]?.slice(0, c + 1).join() ? "" : cell
    )
  );
  return alignColumns([titles, ...brief], 2);
}

function isSame({ run, task, level }: CellNetwork) {
  return (other: CellNetwork) => other.run === run && other.task === task && other.level === level;
}

/** Mean and standard deviation, the latter of a sample; 0.942 and 0.948 -> "94.5 ± 0.4 %". */
function describeSpread(values: readonly number[]): string {
  const mean = sum(values) / values.length;
  if (values.length === 1) return formatPercent(mean);
  const variance = sum(values.map((value) => (value - mean) ** 2)) / (values.length - 1);
  return `${(100 * mean).toFixed(1)} ± ${(100 * Math.sqrt(variance)).toFixed(1)} %`;
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
