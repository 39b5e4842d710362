import { assertEquals, assertMatch } from "@std/assert";
import { interleave, type Timing } from "../../bench/interleave.ts";
import type { RemoteJob } from "../../bench/remote.ts";

/** A job whose run takes `ms`, and what a wait takes on top; it writes down what it is asked. */
function fakeJob(
  { name, ms, wait = 0, losses, failsAt = Infinity, log }: {
    name: string;
    ms: number;
    wait?: number;
    losses?: number[];
    failsAt?: number;
    log: string[];
  },
): RemoteJob {
  let runs = 0;
  return {
    run(times) {
      log.push(`${name} ${times}`);
      if (++runs >= failsAt) return Promise.reject(new Error("device lost"));
      return Promise.resolve(times * ms + wait);
    },
    check: () => Promise.resolve(losses ? null : runs && 2), // of the last run
    loss: () => Promise.resolve(losses?.shift() ?? null),
    facts: () => Promise.resolve(null),
    release: () => Promise.resolve(),
  };
}

const OPTIONS = { samples: 4, least: 10, limit: 1000 };

Deno.test("interleave() takes samples in turn after each job's warm-ups", async () => {
  const log: string[] = [];
  const jobs = [
    fakeJob({ name: "a", ms: 20, log }),
    fakeJob({ name: "b", ms: 30, log }),
  ];
  const [a, b] = await interleave(jobs, OPTIONS) as [Timing, Timing];
  const warmUps = ["a 1", "a 1", "b 1", "b 1"];
  assertEquals(log, [...warmUps, ...Array.from({ length: 4 }, () => ["a 1", "b 1"]).flat()]);
  assertEquals(a, { samples: [20, 20, 20, 20], repeats: 1, check: 2, losses: [] });
  assertEquals(b.samples, [30, 30, 30, 30]);
});

Deno.test("interleave() repeats short work, however long a wait is, and divides by the repeats", async () => {
  const log: string[] = [];
  const [timing] = await interleave([fakeJob({ name: "a", ms: 0.5, wait: 4, log })], OPTIONS) as [
    Timing,
  ];
  const { repeats, samples } = timing;
  assertEquals(repeats * 0.5 + 4 >= OPTIONS.least, true);
  assertEquals(repeats < 40, true);
  assertEquals(samples, new Array(4).fill((repeats * 0.5 + 4) / repeats));
});

Deno.test("interleave() takes fewer samples where time lacks, but three", async () => {
  const samplesOf = async (ms: number) => {
    const jobs = [fakeJob({ name: "a", ms, log: [] }), fakeJob({ name: "b", ms, log: [] })];
    const [timing] = await interleave(jobs, { ...OPTIONS, samples: 9, limit: 1 }) as [Timing];
    return timing.samples.length;
  };
  assertEquals(await samplesOf(50), 9);
  assertEquals(await samplesOf(100), 5);
  assertEquals(await samplesOf(300), 3);
});

Deno.test("interleave() leaves out what alone would take too long", async () => {
  const log: string[] = [];
  const jobs = [fakeJob({ name: "a", ms: 20, log }), fakeJob({ name: "b", ms: 400, log })];
  const [a, b] = await interleave(jobs, { ...OPTIONS, limit: 1 });
  assertEquals((a as Timing).samples.length, 4);
  assertMatch((b as Error).message, /too long for 3 of them within 1 s/);
  assertEquals(log.filter((line) => line.startsWith("b")).length, 2); // its warm-ups
});

Deno.test("interleave() notes the losses of the first step, the second and the last", async () => {
  const log: string[] = [];
  const job = fakeJob({ name: "a", ms: 20, losses: [3, 2, 1], log });
  const [timing] = await interleave([job], OPTIONS) as [Timing];
  assertEquals(timing.losses, [3, 2, 1]);
  assertEquals(timing.check, null);
  assertEquals(log.length, 1 + OPTIONS.samples); // two losses and a run warm it up
});

Deno.test("interleave() goes on without a job that fails", async () => {
  const log: string[] = [];
  const failed: string[] = [];
  const jobs = [
    fakeJob({ name: "a", ms: 20, failsAt: 4, log }),
    fakeJob({ name: "b", ms: 20, log }),
  ];
  const [a, b] = await interleave(jobs, {
    ...OPTIONS,
    onSample: (job) => failed.push(job === jobs[0] ? "a" : "b"),
  });
  assertEquals((a as Error).message, "device lost");
  assertEquals((b as Timing).samples.length, 4);
  assertEquals(log.filter((line) => line === "a 1").length, 4);
  assertEquals(failed.filter((name) => name === "a").length, 2); // its warm-up and one sample
});
