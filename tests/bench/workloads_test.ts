import { assert, assertEquals } from "@std/assert";
import { estimatedFlops, flops, groups, isOurs } from "../../bench/workloads.ts";
import { networkCost } from "../../dvn/costs.ts";
import { j1 } from "../../dvn/scenarios/j1.ts";

for (const software of [true, false]) {
  const all = groups(software);
  const adapter = software ? "software" : "a GPU";
  const workloads = all.flatMap(({ workloads }) => workloads);

  Deno.test(`workloads on ${adapter} have names of their own and something to count`, () => {
    assertEquals(new Set(workloads.map(({ id }) => id)).size, workloads.length);
    for (const { id, work } of workloads) {
      const moves = work.op === "copy" || work.op === "batchNorm";
      assert(moves || estimatedFlops(work) > 1e6, id);
    }
  });

  Deno.test(`peers are given ops, training and inference on ${adapter}`, () => {
    const given = new Set(workloads.filter(({ work }) => !isOurs(work)).map(({ work }) => work.op));
    assertEquals([...given].sort(), ["batchNorm", "conv", "infer", "matmul", "train"]);
  });
}

Deno.test("flops() counts a convolution as its definition does", () => {
  const conv = { op: "conv", pass: "dx", batch: 32, kernel: 3 } as const;
  assertEquals(flops({ ...conv, size: 32, ci: 64, co: 64, stride: 1 }), 2415919104); // 2.42 GFLOP
  assertEquals(flops({ ...conv, size: 32, ci: 64, co: 128, stride: 2 }), 2415919104 / 2);
});

Deno.test("a J1 step is guessed at the sum of its networks", () => {
  const dvn = groups(false).find(({ name }) => name === "dvn")!.workloads[0]!.work;
  const labels = { channels: 3, classes: Array.from({ length: 10 }, String) };
  const macs = [0, 1].flatMap((task) =>
    [1, 2].map((level) => networkCost(j1, task, level, labels).macs)
  );
  const exact = 6 * 128 * macs.reduce((a, b) => a + b);
  assert(Math.abs(estimatedFlops(dvn) / exact - 1) < 0.03);
});
