import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import {
  renderFailures,
  renderKernels,
  renderMeasurements,
  renderVerdicts,
} from "../../bench/table.ts";
import { fake } from "./fake_measurement.ts";

Deno.test("renderMeasurements() puts each contender beside this project", () => {
  const quartiles = (ms: number): [number, number] => [0.9 * ms, 1.1 * ms];
  const all = [
    fake("fma beside conv", { ms: 10, quartiles: quartiles(10), samples: 7, gflops: 100 }),
    fake("conv forward", { ms: 100, quartiles: quartiles(100), samples: 7, gflops: 25 }),
    fake("conv forward", { ms: 650, contender: "jax-js" }),
    fake("conv dw", { ms: 50, quartiles: [50, 50], samples: 1, gflops: 50 }),
    fake("conv dw", { contender: "jax-js", failure: "no memory" }),
    fake("conv dw", { ms: 1, contender: "elsewhere", runtime: "chromium" }),
  ];
  const lines = renderMeasurements(all, ["deno"]).split("\n");
  const cells = (line: number) => lines[line]!.trim().split(/\s{2,}/);
  assertEquals(cells(0), ["workload", "ours", "spread", "rate", "of FMA", "jax-js", "ratio"]);
  assertEquals(cells(3), [
    "conv forward",
    "100 ms",
    "±10.0 % of 7",
    "25 GFLOP/s",
    "25.0 %",
    "650 ms",
    "6.50x",
  ]);
  assertEquals(cells(4), ["conv dw", "50.0 ms", "once", "50 GFLOP/s", "50.0 %", "failed"]);
  assertEquals(lines.length, 5);
});

Deno.test("renderFailures() says who failed at what, in one line", () => {
  const all = [
    fake("conv", { contender: "jax-js", failure: "no memory\n  at allocate" }),
    fake("conv", { ms: 1 }),
  ];
  assertEquals(renderFailures(all), "jax-js (deno), conv: no memory");
});

Deno.test("renderKernels() relates a kernel's bytes to a copy", () => {
  const kernels = [
    { kernel: "conv2d", dispatches: 2, milliseconds: 3, bytes: 6e6 },
    { kernel: "sgd", dispatches: 1, milliseconds: 1, bytes: 1e6 },
  ];
  const text = renderKernels(kernels, 12, 4);
  assertStringIncludes(text, "25.0 %");
  assertMatch(text, /copies, gaps +8\.00 ms +66\.7 %/);
  assertStringIncludes(text, "2.00 GB/s");
  assertStringIncludes(text, "50.0 %");
  assertEquals(renderKernels(kernels, 12).includes("50.0 %"), false);
});

Deno.test("renderVerdicts() tells missed bars from those that were not measured", () => {
  const lines = renderVerdicts([
    { bar: "fast", met: true, measured: "6x" },
    { bar: "small", met: false, measured: "2x" },
    { bar: "elsewhere", measured: "" },
  ]).split("\n");
  assertEquals(lines.map((line) => line.replace(/\s+/g, " ")), [
    "met fast: 6x",
    "MISSED small: 2x",
    "not measured elsewhere",
  ]);
});
