/** The script of the test page. */
import { Gpu } from "../../nn/gpu/gpu.ts";
import { cases } from "../ops/cases.ts";
import { matches, runCase } from "../ops/harness.ts";

/** What the page tells the driver. */
export type Report =
  | { type: "adapter"; line: string }
  | { type: "start"; name: string }
  | { type: "end"; milliseconds: number; error?: string };

/** Runs all cases that the filter picks, one after another on one device. */
async function runCases(
  filter: string,
  report: (report: Report) => Promise<void>,
) {
  const gpu = await Gpu.open({ limits: "default" });
  await report({ type: "adapter", line: gpu.describe() });
  for (const opCase of cases.filter(({ name }) => matches(filter, name))) {
    await report({ type: "start", name: opCase.name });
    const start = performance.now();
    let error: string | undefined;
    try {
      await runCase(opCase, gpu);
    } catch (thrown) {
      error = thrown instanceof Error ? thrown.stack ?? thrown.message : String(thrown);
    }
    await report({
      type: "end",
      milliseconds: performance.now() - start,
      error,
    });
  }
  gpu.destroy();
}

declare global {
  /** Called by the driver, which offers `report`. */
  var start: (filter: string) => Promise<void>;
  var report: (report: Report) => Promise<void>;
}
globalThis.start = (filter) => runCases(filter, globalThis.report);
