/**
 * Prints how far the numbers of one training step in Deno and in Chromium are from float64 and from each
 * other, as Markdown.
 *
 *     deno task same-numbers [file]
 *
 * The file receives all of it as JSON, every number included.
 *
 * @module
 */
import { prepareAdapter } from "../../cli/adapter.ts";
import { findChromium } from "../browser/chromium.ts";
import { QUANTITIES, sameNumbers } from "./compare.ts";

const TITLES: Record<typeof QUANTITIES[number], string> = {
  losses: "losses",
  logits: "logits",
  gradients: "gradients",
  weights: "updated weights",
  running: "running statistics",
};

const chromium = await findChromium();
if (!chromium) console.error("no Chromium found (set CHROMIUM_PATH): only Deno is compared");
await prepareAdapter();
const all = await sameNumbers(chromium);
console.log("# One training step in Deno, in Chromium and in float64\n");
console.log(
  "Two tasks at three levels each; the largest difference within an array over the array's largest\n" +
    "number, of all arrays the worst. Printed by `deno task same-numbers`.\n",
);
for (const [runtime, runs] of Object.entries(all.runs)) {
  console.log(`- ${runtime}: ${runs[0]!.adapter}`);
}
for (const limits of ["default", "max"]) {
  console.log(
    `\n## ${limits === "default" ? "WebGPU's default limits" : "The adapter's limits"}\n`,
  );
  const comparisons = all.comparisons.filter((comparison) => comparison.limits === limits);
  printTable([
    ["quantity", "numbers", ...comparisons.map(({ between }) => between.join(" to "))],
    ...QUANTITIES.map((quantity) => [
      TITLES[quantity],
      `${all.counts[quantity]}`,
      ...comparisons.map(({ differences }) => differences[quantity].largest.toExponential(1)),
    ]),
  ]);
}
const [file] = Deno.args;
if (file) await Deno.writeTextFile(file, JSON.stringify(all, undefined, 1) + "\n");

/** Prints rows, the first of which has the titles; all columns but the first are aligned to the right. */
function printTable(rows: string[][]): void {
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)));
  const print = (cells: string[]) => console.log(`| ${cells.join(" | ")} |`);
  rows.forEach((row, i) => {
    print(row.map((cell, column) => {
      return column === 0 ? cell.padEnd(widths[column]!) : cell.padStart(widths[column]!);
    }));
    if (i > 0) return;
    print(widths.map((width, column) => {
      return column === 0 ? "-".repeat(width) : `${"-".repeat(width - 1)}:`;
    }));
  });
}
