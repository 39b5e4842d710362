import { assertEquals } from "@std/assert";
import type { ResultRow } from "../../cli/run_record.ts";
import { describeTiming, renderTable } from "../../cli/table.ts";

const ROW: ResultRow = {
  task: "digits",
  level: 1,
  units: [1],
  parameters: {
    trunk: 9000,
    stem: 72,
    head: 100,
    batchNorm: 1173,
    total: 10_345,
  },
  bytes: 41_380,
  macs: 250_000,
  density: 0.25,
  accuracy: 0.93116,
  loss: 0.2,
  msPerImage: 0.009,
  timeSource: "timestamp-query",
  batch: 32,
  speedUp: 2.667,
};

Deno.test("renderTable() aligns task x level and names each task once", () => {
  const top = {
    ...ROW,
    level: 2,
    accuracy: 1,
    bytes: 165_520,
    macs: 1e6,
    density: 1,
    msPerImage: 0.024,
    speedUp: 1,
  };
  assertEquals(
    renderTable([ROW, top]),
    `\
task    level  accuracy  parameters   memory    MACs  density  GPU time  speed-up
──────  ─────  ────────  ──────────  ───────  ──────  ───────  ────────  ────────
digits      1    93.1 %      10,345  41.4 kB   250 k   25.0 %   9.00 µs      2.7x
            2   100.0 %      10,345   166 kB  1.00 M  100.0 %   24.0 µs      1.0x`,
  );
});

Deno.test("describeTiming() tells a GPU's clock from the wall clock", () => {
  assertEquals(
    describeTiming([ROW]),
    "in batches of 32, by the adapter's timestamps",
  );
  assertEquals(
    describeTiming([{ ...ROW, timeSource: "wall clock" }]),
    "in batches of 32, by the wall clock, as the adapter has no timestamps",
  );
});
