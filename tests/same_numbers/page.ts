/** The script of the page: the same step as in Deno, from the same file. */
import { runVectors, type VectorRun } from "./run_vectors.ts";

/** Offered by the driver, tests/browser/open_page.ts. */
const { report } = globalThis as unknown as { report: (runs: VectorRun[]) => Promise<void> };
const vectors = await fetch("vectors.json");
await report(await runVectors(await vectors.json()));
