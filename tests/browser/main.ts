/** The script of the test page. */
import { Gpu } from "../../nn/gpu/gpu.ts";
import { browserCases } from "../ops/cases.ts";
import { matches, type OpCase, runCase } from "../ops/harness.ts";

/** What the page tells the driver. */
export type Report =
  | { type: "adapter"; line: string }
  | { type: "start"; name: string }
  | { type: "end"; milliseconds: number; error?: string };

/** Runs all cases that the filter picks, one after another; those of one tuning on one device. */
async function runCases(
  filter: string,
  report: (report: Report) => Promise<void>,
) {
  const asked = browserCases.filter(({ name }) => matches(filter, name));
  for (const driver of new Set(asked.map(({ driver }) => driver))) {
    const gpu = await Gpu.open({ limits: "default", driver });
    const line = gpu.describe() + (driver ? `; tuned as ${driver}` : "");
    await report({ type: "adapter", line });
    await runOn(gpu, asked.filter((opCase) => opCase.driver === driver), report);
    gpu.destroy();
  }
}

async function runOn(
  gpu: Gpu,
  cases: readonly OpCase[],
  report: (report: Report) => Promise<void>,
) {
  for (const opCase of cases) {
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
}

declare global {
  /** Called by the driver, which offers `report`. */
  var start: (filter: string) => Promise<void>;
  var report: (report: Report) => Promise<void>;
}
globalThis.start = (filter) => runCases(filter, globalThis.report);
