import {
  formatBytes,
  formatCount,
  formatLarge,
  formatMilliseconds,
  formatPercent,
  formatRatio,
} from "./format.ts";
import type { ResultRow } from "./run_record.ts";

/** A column of the table of results, in the terminal and in the report. */
export interface Column {
  title: string;
  /** What the figure is, for those who wonder. */
  about: string;
  cell: (row: ResultRow) => string;
}

export const COLUMNS: readonly Column[] = [
  { title: "task", about: "", cell: (row) => row.task },
  {
    title: "level",
    about: "1 is the task's own unit; each level adds units",
    cell: (row) => String(row.level),
  },
  {
    title: "accuracy",
    about: "on the test images",
    cell: (row) => formatPercent(row.accuracy),
  },
  {
    title: "parameters",
    about: "numbers read at inference: trunk, stem, head and batch norm",
    cell: (row) => formatCount(row.parameters.total),
  },
  {
    title: "memory",
    about: "of the parameters, 4 bytes each; 1 kB = 1000 bytes",
    cell: (row) => formatBytes(row.bytes),
  },
  {
    title: "MACs",
    about: "multiply-accumulates of convolutions and head, for one image",
    cell: (row) => formatLarge(row.macs),
  },
  {
    title: "density",
    about: "trunk weights in use, of all",
    cell: (row) => formatPercent(row.density),
  },
  {
    title: "GPU time",
    about: "to classify one image of a batch",
    cell: (row) => formatMilliseconds(row.msPerImage),
  },
  {
    title: "speed-up",
    about: "over the task's top level",
    cell: (row) => formatRatio(row.speedUp),
  },
];

/** How the times were taken, in words. */
export function describeTiming(rows: readonly ResultRow[]): string {
  const [{ batch, timeSource }] = rows as [ResultRow];
  return `in batches of ${batch}, ${
    timeSource === "timestamp-query"
      ? "by the adapter's timestamps"
      : "by the wall clock, as the adapter has no timestamps"
  }`;
}

/** Task x level as text; a task's name stands at its first level only. */
export function renderTable(rows: readonly ResultRow[]): string {
  const cells = rows.map((row, i) =>
    COLUMNS.map((column, c) => c === 0 && rows[i - 1]?.task === row.task ? "" : column.cell(row))
  );
  return alignColumns([COLUMNS.map(({ title }) => title), ...cells], 1);
}

/**
 * Columns of text under a rule.
 *
 * @param table Titles, then rows.
 * @param left Columns that are aligned to the left; those after them, to the right.
 */
export function alignColumns(table: readonly (readonly string[])[], left: number): string {
  const widths = table[0]!.map((_, c) => Math.max(...table.map((row) => row[c]!.length)));
  const lines = table.map((row) =>
    row.map((cell, c) => c < left ? cell.padEnd(widths[c]!) : cell.padStart(widths[c]!)).join("  ")
      .trimEnd()
  );
  const rule = widths.map((width) => "─".repeat(width)).join("  ");
  return [lines[0], rule, ...lines.slice(1)].join("\n");
}
