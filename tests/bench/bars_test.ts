import { assert, assertEquals, assertMatch } from "@std/assert";
import {
  COLD,
  FIRST_J1,
  FIRST_WIDE_J1,
  GROWN,
  GROWTH,
  type Verdict,
  verdicts,
  WARM,
} from "../../bench/bars.ts";
import type { Measurement } from "../../bench/record.ts";
import { dvnId, levelId } from "../../bench/workloads.ts";
import { fake } from "./fake_measurement.ts";

/** The only bar whose text has this part. */
function judge(part: string, ...all: Measurement[]): Verdict {
  const found = verdicts(all).filter(({ bar }) => bar.includes(part));
  assertEquals(found.length, 1, part);
  return found[0]!;
}

Deno.test("verdicts() invents nothing", () => {
  for (const { bar, met, measured } of verdicts([])) {
    assertEquals([met, measured], [undefined, ""], bar);
  }
});

Deno.test("verdicts() compares training with the best peer of the runtime", () => {
  const id = "train WRN-16-2 batch 32";
  const peer = (contender: string, ms: number) => fake(id, { contender, ms });
  const all = [fake(id, { ms: 100 }), peer("jax-js", 700), peer("tensorflow.js", 499)];
  const bar = "Deno: a training step of WRN-16-2";
  assertEquals(judge(bar, ...all).met, false);
  assertMatch(judge(bar, ...all).measured, /4\.99x \(tensorflow\.js\)/);
  assertEquals(judge(bar, all[0]!, all[1]!).met, true);
  assertEquals(judge(bar, all[0]!).met, undefined);
  assertEquals(judge("Chromium: a training step of WRN-16-2", ...all).met, undefined);
  const inChromium = all.map((it) => ({ ...it, runtime: "chromium" as const }));
  assertEquals(judge("Chromium: a training step of WRN-16-2", ...inChromium).met, true);
});

Deno.test("verdicts() takes PyTorch for no WebGPU peer", () => {
  const id = "train WRN-16-2 batch 32";
  const torch = fake(id, { runtime: "python", contender: "torch", ms: 10 });
  assertEquals(
    judge("Deno: a training step of WRN-16-2", fake(id, { ms: 100 }), torch).met,
    undefined,
  );
});

Deno.test("verdicts() names the op that is worst against any peer", () => {
  const pair = (workload: string, ours: number, peer: number) => [
    fake(workload, { ms: ours }),
    fake(workload, { ms: peer, contender: "jax-js" }),
  ];
  const conv = pair("conv 3x3 64 ch 32 px dw", 10, 40);
  const matmul = pair("matmul 1024", 10, 9);
  const training = pair("train WRN-16-1 batch 32", 10, 1); // no op
  const bar = "Deno: no single op slower";
  assertEquals(judge(bar, ...conv, ...training).met, true);
  const { met, measured } = judge(bar, ...conv, ...matmul);
  assertEquals(met, false);
  assertMatch(measured, /2 of 18 measured, the worst 0\.90x: matmul 1024, jax-js/);
});

Deno.test("verdicts() relates convolutions to the multiply-adds beside them", () => {
  const ceiling = fake("fma beside conv 3x3 64 ch 32 px", { gflops: 100 });
  const rates = { forward: 41, dx: 29, dw: 30 };
  const all = Object.entries(rates).map(([pass, gflops]) => {
    return fake(`conv 3x3 64 ch 32 px ${pass}`, { gflops });
  });
  assertEquals(judge("channels, forward", ceiling, ...all).met, true);
  assertEquals(judge("channels, dx", ceiling, ...all).met, false);
  assertEquals(judge("channels, dw", ceiling, ...all).met, true);
  assertEquals(judge("channels, dw", ...all).met, undefined);
});

Deno.test("verdicts() holds a J1 step to the densities of its networks", () => {
  const full = fake(dvnId({ task: 0, level: 2 }), { ms: 100 });
  const bar = "sum of density";
  assertEquals(judge(bar, full, fake(dvnId(), { ms: 274 })).met, true); // 2.5 * 100 * 1.10
  assertEquals(judge(bar, full, fake(dvnId(), { ms: 276 })).met, false);
});

Deno.test("verdicts() wants each level faster than the next, and the lowest 5.8 times as fast", () => {
  const levels = (...times: number[]) => times.map((ms, i) => fake(levelId(i + 1, 32), { ms }));
  const falls = "density, batch 32";
  assertEquals(judge(falls, ...levels(10, 20, 40, 60)).met, true);
  assertEquals(judge(falls, ...levels(10, 30, 20, 60)).met, false);
  assertEquals(judge(falls, ...levels(10, 20)).met, undefined);
  assertEquals(judge("5.8x as fast", ...levels(10, 20, 40, 60)).met, true);
  assertEquals(judge("5.8x as fast", ...levels(10, 20, 40, 57)).met, false);
});

Deno.test("verdicts() judges starts, pipelines and memory", () => {
  assertEquals(judge("within 5 s", fake(COLD, { ms: 4900 })).met, true);
  assertEquals(judge("within 2 s", fake(WARM, { ms: 2100 })).met, false);
  const narrow = fake(FIRST_J1, { facts: { pipelines: 30, bytesHeld: 110, bytesNeeded: 100 } });
  const wide = fake(FIRST_WIDE_J1, { facts: { pipelines: 41 } });
  assertEquals(judge("40 pipelines", narrow).met, true);
  assertEquals(judge("40 pipelines", narrow, wide).met, false);
  assertEquals(judge(`${FIRST_J1}: bytes`, narrow).met, true);
  const fat = fake(WARM, { facts: { bytesHeld: 121, bytesNeeded: 100 } });
  assertEquals(judge(`${WARM}: bytes`, fat).met, false);
});

Deno.test("verdicts() takes any growth of device memory for a leak", () => {
  const growth = (bytesHeld: number, residentBytes: number) =>
    judge(
      "no growth",
      fake(GROWTH, { facts: { bytesHeld: 1000, residentBytes: 100e6 } }),
      fake(GROWN, { facts: { bytesHeld, residentBytes } }),
    ).met;
  assert(growth(1000, 105e6));
  assertEquals(growth(1001, 100e6), false);
  assertEquals(growth(1000, 110e6), false);
});

Deno.test("verdicts() holds WRN-32-4 against PyTorch on CUDA alone", () => {
  const id = "train WRN-32-4 batch 128";
  const torch = (adapter: string) =>
    fake(id, { runtime: "python", contender: "torch", ms: 90, adapter });
  const ours = fake(id, { ms: 100 });
  assertEquals(judge("PyTorch", ours, torch("NVIDIA H200")).met, false);
  assertEquals(judge("PyTorch", ours, torch("processor, 2 threads")).met, undefined);
});
