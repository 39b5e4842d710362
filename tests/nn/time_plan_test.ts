import { assert, assertEquals } from "@std/assert";
import { enoughRuns, LEAST_MILLISECONDS, timePlan } from "../../nn/gpu/time_plan.ts";
import type { Gpu } from "../../nn/gpu/gpu.ts";
import type { Plan } from "../../nn/gpu/plan.ts";

/** A device whose timestamps are multiples of `quantum` milliseconds; Infinity: it writes none. */
function fake(quantum: number, milliseconds: number) {
  let clock = 0;
  const submissions: number[] = [];
  const gpu = { device: { features: new Set(["timestamp-query"]) } } as unknown as Gpu;
  const plan = {
    gpu,
    time: (runs: number) => {
      submissions.push(runs * milliseconds);
      clock += 11 + runs * milliseconds;
      const ticks = Math.floor(runs * milliseconds / quantum);
      return Promise.resolve(ticks ? ticks * quantum / runs : 0);
    },
  } as unknown as Plan;
  return { plan, now: () => clock, submissions };
}

async function time({ plan, now }: ReturnType<typeof fake>): Promise<number> {
  for (let runs = 1;;) {
    const milliseconds = await timePlan(plan, runs, { now });
    const enough = enoughRuns(runs, milliseconds, LEAST_MILLISECONDS);
    if (enough === runs) return milliseconds;
    runs = enough;
  }
}

Deno.test("coarse timestamps tell short plans to 1 %", async () => {
  for (const quantum of [1e-6, 0.1]) {
    for (const milliseconds of [0.003, 0.047, 0.5, 3.3, 40]) {
      const seen = await time(fake(quantum, milliseconds));
      assert(Math.abs(seen / milliseconds - 1) < 0.01, `${seen} for ${milliseconds} ms`);
    }
  }
});

Deno.test("where timestamps are missing the clock tells, before a submission takes long", async () => {
  for (const milliseconds of [0.003, 0.3, 20, 300]) {
    const device = fake(Infinity, milliseconds);
    const seen = await time(device);
    assert(seen >= milliseconds && seen < 1.5 * milliseconds, `${seen} for ${milliseconds} ms`);
    assert(Math.max(...device.submissions) < 1000, `${device.submissions}`);
  }
});

Deno.test("runs grow to what takes long enough, by steps", () => {
  assertEquals(enoughRuns(1, 10, 10), 1);
  assertEquals(enoughRuns(1, 4, 10), 3);
  assertEquals(enoughRuns(4, 0.1, 10), 40);
  assertEquals(enoughRuns(1, 0, 10), 10);
  assertEquals(enoughRuns(9999, 0, 10), 10_000);
  assertEquals(enoughRuns(10_000, 0, 10), 10_000);
});
