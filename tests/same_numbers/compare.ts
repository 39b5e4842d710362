import * as esbuild from "esbuild";
import { join } from "node:path";
import { denoPackages } from "../../tools/esbuild_plugin.ts";
import { openPage } from "../browser/open_page.ts";
import { serveFolder } from "../browser/serve_folder.ts";
import { type Arrays, referenceStep, type StepResult } from "../dvn/reference_step.ts";
import { runVectors, type VectorRun } from "./run_vectors.ts";

/** What is compared, in the order of the table. */
export const QUANTITIES = ["losses", "logits", "gradients", "weights", "running"] as const;

/** The largest difference of each quantity, and the array that has it. */
export type Differences = Record<typeof QUANTITIES[number], { largest: number; array: string }>;

/** Two results beside each other. */
export interface Comparison {
  limits: VectorRun["limits"];
  /** Such as "Deno" and "float64". */
  between: [string, string];
  differences: Differences;
}

/** All runs of the one file of vectors, and the differences between them. */
export interface SameNumbers {
  /** Numbers in an array of each quantity, together. */
  counts: Record<typeof QUANTITIES[number], number>;
  runs: Record<string, VectorRun[]>;
  comparisons: Comparison[];
}

/**
 * Writes the float64 step to a file, runs it in Deno and in Chromium from there, and compares.
 *
 * @param chromium Without one, only Deno is compared with float64.
 */
export async function sameNumbers(chromium?: string): Promise<SameNumbers> {
  const folder = await Deno.makeTempDir({ prefix: "dvn_vectors_" });
  try {
    const file = join(folder, "vectors.json");
    await Deno.writeTextFile(file, JSON.stringify(referenceStep()));
    const vectors = JSON.parse(await Deno.readTextFile(file));
    const want: StepResult = vectors.result;
    const runs: Record<string, VectorRun[]> = { Deno: await runVectors(vectors) };
    if (chromium) runs.Chromium = await runInChromium(chromium, folder);
    const comparisons: Comparison[] = [];
    runs.Deno!.forEach(({ limits, result }, i) => {
      const add = (a: string, b: string, got: StepResult, want: StepResult) =>
        comparisons.push({ limits, between: [a, b], differences: compare(got, want) });
      add("Deno", "float64", result, want);
      const other = runs.Chromium?.[i]?.result;
      if (!other) return;
      add("Chromium", "float64", other, want);
      add("Chromium", "Deno", other, result);
    });
    const count = (arrays: Arrays) =>
      Object.values(arrays).reduce((total, { length }) => total + length, 0);
    const counts = Object.fromEntries(
      QUANTITIES.map((quantity) => [quantity, count(want[quantity])]),
    );
    return { counts: counts as SameNumbers["counts"], runs, comparisons };
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/** Runs the page that reads the vectors of a folder, through an esbuild bundle. */
async function runInChromium(chromium: string, folder: string): Promise<VectorRun[]> {
  const entry = join(import.meta.dirname!, "page.ts");
  try {
    await esbuild.build({
      entryPoints: [entry],
      outdir: folder,
      bundle: true,
      splitting: true,
      format: "esm",
      platform: "browser",
      logLevel: "silent",
      plugins: [denoPackages([entry])],
    });
  } finally {
    await esbuild.stop();
  }
  await Deno.writeTextFile(
    join(folder, "index.html"),
    `<!DOCTYPE html><link rel="icon" href="data:,"><script type="module" src="page.js"></script>`,
  );
  const server = serveFolder(folder);
  try {
    return await openPage(chromium, `http://127.0.0.1:${server.addr.port}/index.html`);
  } finally {
    await server.shutdown();
  }
}

/**
 * The largest difference within an array, over the largest number in that array of `want`; of all
 * arrays of a quantity the worst.
 *
 * @throws {Error} If the two have other arrays, or a number is none.
 */
export function compare(got: StepResult, want: StepResult): Differences {
  const worst = (got: Arrays, want: Arrays) => {
    const names = Object.keys(want);
    if (Object.keys(got).sort().join() !== names.toSorted().join()) {
      throw new Error(`arrays differ: ${Object.keys(got)} and ${names}`);
    }
    return names.map((array) => ({ array, largest: difference(array, got[array]!, want[array]!) }))
      .reduce((a, b) => a.largest >= b.largest ? a : b);
  };
  return Object.fromEntries(
    QUANTITIES.map((quantity) => [quantity, worst(got[quantity], want[quantity])]),
  ) as Differences;
}

function difference(array: string, got: number[], want: number[]): number {
  if (got.length !== want.length || got.length === 0) {
    throw new Error(`${array}: ${got.length} numbers beside ${want.length}`);
  }
  let scale = 0, largest = 0;
  for (const [i, value] of want.entries()) {
    scale = Math.max(scale, Math.abs(value));
    largest = Math.max(largest, Math.abs(got[i]! - value)); // which is NaN from the first NaN on
  }
  if (!Number.isFinite(largest) || scale === 0) throw new Error(`${array}: ${got} beside ${want}`);
  return largest / scale;
}
