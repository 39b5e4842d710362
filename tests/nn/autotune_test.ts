import { assert, assertEquals, assertRejects } from "@std/assert";
import {
  autotune,
  type AutotuneOptions,
  type Trial,
  type TuningRecord,
} from "../../nn/gpu/autotune.ts";
import { readTunedChoices } from "../../nn/gpu/choice_store.ts";
import type { ConvShape } from "../../nn/gpu/chooser.ts";
import { DeviceLostError, OutOfMemoryError } from "../../nn/gpu/errors.ts";
import { Gpu } from "../../nn/gpu/gpu.ts";
import { Plan } from "../../nn/gpu/plan.ts";
import { type Choice, describeChoice, multiplyAccumulates, shapeKey } from "../../nn/gpu/tuning.ts";
import { conv2d } from "../../nn/ops/conv2d.ts";
import { zeros } from "../../nn/init.ts";
import { ParamStore } from "../../nn/params.ts";
import { Tape } from "../../nn/tape.ts";
import { testGpu } from "../gpu.ts";

const SHAPE: ConvShape = {
  pass: "forward",
  ...{ n: 2, h: 8, w: 8, ci: 8, co: 8 },
  ...{ kernel: 3, stride: 1, padding: 1 },
};

const shapeOf = (change: Partial<ConvShape>): ConvShape => ({ ...SHAPE, ...change });

async function fresh(): Promise<Gpu> {
  await testGpu(); // loads the driver
  return await Gpu.open({ limits: "default" });
}

/** Tunes with made-up times, and gives all memory back. */
async function tune(
  gpu: Gpu,
  shapes: ConvShape[],
  milliseconds: (choice: Choice, trial: Trial) => number,
  options: AutotuneOptions = {},
) {
  const held = gpu.bytesHeld;
  const measure = (trial: Trial) => {
    trial.plan.run();
    return Promise.resolve(milliseconds(trial.choice, trial));
  };
  const records = await Array.fromAsync(autotune(gpu, shapes, { measure, ...options }));
  await gpu.settle();
  assertEquals(gpu.bytesHeld, held);
  return records;
}

/** What a convolution records, forward and backward. */
async function recorded(gpu: Gpu, { n, h, w, ci, co, kernel, stride, padding }: ConvShape) {
  const taps = kernel ** 2;
  const store = new ParamStore(gpu, 1);
  const layout = { taps, inWidths: [ci], outWidths: [co] };
  const weight = store.param("w", [taps, ci, co], zeros, { decay: false, layout });
  await store.allocate();
  const tape = new Tape(gpu);
  const x = tape.input("x", [n, h, w, ci], true);
  const y = conv2d(tape, store, x, weight, { kernel, stride, padding });
  const forward = tape.dispatches.length;
  tape.setGradient(y, tape.input("dy", y.shape));
  tape.backward();
  store.destroy();
  return { forward: tape.dispatches.slice(0, forward), all: tape.dispatches };
}

for (const pass of ["forward", "dx", "dw"] as const) {
  Deno.test(`the fastest way is found, pinned and used: ${pass}`, async () => {
    const gpu = await fresh();
    const shape = shapeOf({ pass });
    const standard = gpu.tuning.standard(shape);
    let wanted: Choice | undefined;
    const [record, ...others] = await tune(gpu, [shape, shape], (choice) => {
      if (choice.algorithm === "winograd") wanted ??= choice;
      return choice === wanted ? 1 : 2;
    });
    assertEquals(others, []);
    assertEquals(record!.key, shapeKey(shape));
    assertEquals(record!.choice, wanted);
    assertEquals(record!.milliseconds, 1);
    assertEquals(record!.standard, { choice: standard, milliseconds: 2 });
    assertEquals(record!.failed, []);
    assert(record!.candidates.length > 3);
    assertEquals(gpu.tuning.shapes, [], "trials are no use");
    const { forward, all } = await recorded(gpu, shape);
    const part = pass === "forward" ? forward : all.slice(forward.length);
    const isWinograd = part.some(({ label }) => label.startsWith("winograd"));
    assert(standard.algorithm === "direct" && isWinograd);
    assertEquals(gpu.tuning.choices[shapeKey(shape)], wanted);
    gpu.destroy();
  });
}

for (const prefer of ["direct", "winograd"] as const) {
  Deno.test(`the three passes are timed apart, and together they are all: ${prefer}`, async () => {
    const gpu = await fresh();
    gpu.tuning.prefer = prefer;
    const { all } = await recorded(gpu, SHAPE);
    const counts: number[] = [];
    for (const pass of ["forward", "dx", "dw"] as const) {
      const shape = shapeOf({ pass });
      const standard = describeChoice(gpu.tuning.standard(shape));
      await tune(gpu, [shape], (choice, { plan }) => {
        if (describeChoice(choice) === standard) counts.push(plan.dispatchCount);
        return 1;
      }, { candidates: () => [] });
    }
    assertEquals(counts.length, 18);
    const perPass = [counts[0]!, counts[6]!, counts[12]!];
    assert(perPass.every((count) => count > 1));
    assertEquals(perPass.reduce((sum, count) => sum + count), all.length);
    gpu.destroy();
  });
}

Deno.test("the standard choice stays unless another is faster by 3 %", async () => {
  const gpu = await fresh();
  const standard = gpu.tuning.standard(SHAPE);
  const isStandard = (choice: Choice) => describeChoice(choice) === describeChoice(standard);
  const [near] = await tune(gpu, [SHAPE], (choice) => isStandard(choice) ? 100 : 97.5);
  assertEquals(near!.choice, standard);
  assertEquals(near!.milliseconds, 100);
  const [far] = await tune(gpu, [SHAPE], (choice) => isStandard(choice) ? 100 : 96.5);
  assert(!isStandard(far!.choice));
  assertEquals(far!.milliseconds, 96.5);
  gpu.destroy();
});

Deno.test("candidates take turns; the least of their times counts, but not of the first", async () => {
  const gpu = await fresh();
  const turns: string[] = [];
  const times = new Map<string, number[]>();
  const [record] = await tune(gpu, [SHAPE], (choice) => {
    const name = describeChoice(choice);
    turns.push(name);
    const mine = times.get(name) ?? [];
    times.set(name, mine);
    const milliseconds = mine.length === 0 ? 0.1 : 10 + turns.length % 3;
    mine.push(milliseconds);
    return milliseconds;
  });
  const count = record!.candidates.length;
  assertEquals(turns.slice(0, count), turns.slice(count, 2 * count));
  assertEquals(turns.length, 6 * count);
  for (const { choice, milliseconds } of record!.candidates) {
    assertEquals(milliseconds, Math.min(...times.get(describeChoice(choice))!.slice(1)));
  }
  gpu.destroy();
});

Deno.test("hopeless candidates are not run to the end; the standard one is", async () => {
  const gpu = await fresh();
  const runs = new Map<string, number>();
  const standard = describeChoice(gpu.tuning.standard(SHAPE));
  let best = "";
  await tune(gpu, [SHAPE], (choice) => {
    const name = describeChoice(choice);
    if (name !== standard) best ||= name;
    runs.set(name, (runs.get(name) ?? 0) + 1);
    return name === best ? 1 : 3;
  });
  for (const [name, count] of runs) {
    assertEquals(count, name === standard || name === best ? 6 : 2, name);
  }
  gpu.destroy();
});

Deno.test("of long passes the first run tells already which are hopeless", async () => {
  const gpu = await fresh();
  const runs = new Map<string, number>();
  const [best, ...slow] = [1, 2, 4, 8].map((rows): Choice => ({
    algorithm: "direct",
    tile: { rows, columns: 1 },
  }));
  const [record] = await tune(gpu, [SHAPE], (choice) => {
    const name = describeChoice(choice);
    runs.set(name, (runs.get(name) ?? 0) + 1);
    // The fastest takes its time to compile, and is not known before it is run again.
    return choice === best ? 900 : 2500;
  }, { candidates: () => [best!, ...slow] });
  assertEquals(record!.choice, best);
  assertEquals(runs.get(describeChoice(best!)), 6);
  for (const choice of slow) assertEquals(runs.get(describeChoice(choice)), 2);

  runs.clear();
  await tune(gpu, [SHAPE], (choice) => {
    const name = describeChoice(choice);
    runs.set(name, (runs.get(name) ?? 0) + 1);
    return choice === best ? 1100 : 2500;
  }, { candidates: () => [best!, ...slow] });
  for (const choice of slow) assertEquals(runs.get(describeChoice(choice)), 1);
  gpu.destroy();
});

Deno.test("short passes are run many times in a row, long ones once", async () => {
  const gpu = await fresh();
  for (const [milliseconds, runs] of [[0, 10_000], [0.01, 1000], [0.5, 24], [12, 1]] as const) {
    const seen: number[] = [];
    await tune(gpu, [SHAPE], (_, { runs }) => {
      seen.push(runs);
      return milliseconds;
    });
    assertEquals([seen[0], seen.at(-1)], [1, runs]);
  }
  gpu.destroy();
});

Deno.test("timestamps that are rounded to 0.1 ms tell passes of 46 and 48 us apart", async () => {
  const gpu = await fresh();
  const [fast, slow] = [1, 2].map((rows): Choice => ({
    algorithm: "direct",
    tile: { rows, columns: 1 },
  }));
  const truth = (choice: Choice) => choice === fast ? 0.046 : choice === slow ? 0.0465 : 0.048;
  const warm = new Set<Choice>();
  const [record] = await tune(gpu, [SHAPE], (choice, { runs }) => {
    if (!warm.has(choice)) {
      warm.add(choice);
      return 3; // what is cold takes longer, and says little of how many runs will do
    }
    return Math.floor(runs * truth(choice) / 0.1) * 0.1 / runs;
  }, { candidates: () => [slow!, fast!] });
  for (const { choice, milliseconds } of record!.candidates) {
    const error = Math.abs(milliseconds / truth(choice) - 1);
    assert(error < 0.01, `${describeChoice(choice)}: ${milliseconds} ms`);
  }
  assertEquals(record!.choice, fast);
  gpu.destroy();
});

Deno.test("a measurement takes 2 ms where timestamps are exact, and 10 ms where they are rounded", async () => {
  const { time } = Plan.prototype;
  for (const [quantum, least] of [[0.000_001, 2], [0.1, 10], [0.065_536, 10]] as const) {
    const gpu = await fresh();
    Object.defineProperty(gpu.device, "features", { value: new Set(["timestamp-query"]) });
    const taken: number[] = [];
    Plan.prototype.time = (runs = 1) => {
      taken.push(0.0427 * runs);
      return Promise.resolve(Math.floor(0.0427 * runs / quantum) * quantum / runs);
    };
    try {
      const [{ candidates }] = await Array.fromAsync(autotune(gpu, [SHAPE])) as [TuningRecord];
      for (const milliseconds of taken.slice(-candidates.length)) {
        assert(milliseconds >= least && milliseconds < 1.5 * least, `${milliseconds} ms`);
      }
    } finally {
      Plan.prototype.time = time;
      gpu.destroy();
    }
  }
});

/**
 * Tunes by the clock, on a device without timestamps where each wait takes 11 ms longer than the work.
 *
 * @param cost Milliseconds that a plan takes, by its label.
 */
async function tuneByClock(cost: (label: string) => number, seconds: number) {
  const gpu = await fresh();
  Object.defineProperty(gpu.device, "features", { value: new Set() });
  let clock = 0, submitted = 0, waits = 0, runs = 0;
  const { run } = Plan.prototype;
  Plan.prototype.run = function (times = 1) {
    runs += times;
    submitted += times * cost(this.label);
  };
  gpu.settle = () => {
    clock += submitted + 11 + waits++ % 3 / 4;
    submitted = 0;
    return Promise.resolve();
  };
  try {
    const options = { seconds, now: () => clock / 1000 };
    const [record] = await Array.fromAsync(autotune(gpu, [SHAPE], options));
    return { record: record!, runs, taken: clock / 1000 };
  } finally {
    Plan.prototype.run = run;
    gpu.destroy();
  }
}

Deno.test("without timestamps the work is timed, and not the wait for it", async () => {
  const times = { direct: 0.1, winograd: 0.08 };
  const { record, taken } = await tuneByClock(
    (label) => label.includes(": direct") ? times.direct : times.winograd,
    60,
  );
  assertEquals(record.choice.algorithm, "winograd");
  for (const { choice: { algorithm }, milliseconds } of record.candidates) {
    const error = Math.abs(milliseconds / times[algorithm as keyof typeof times] - 1);
    assert(error < 0.01, `${algorithm}: ${milliseconds} ms`);
  }
  assert(taken < 60, `${taken} s`);
  // Long ones are not run more often than they must be.
  const long = await tuneByClock(() => 500, 1000);
  assertEquals(long.runs, 6 * long.record.candidates.length);
});

Deno.test("without timestamps, too, a shape takes no more time than there is, or little more", async () => {
  for (const seconds of [3, 10]) {
    const { taken } = await tuneByClock(() => 0.1, seconds);
    assert(taken < 1.5 * seconds, `${taken} of ${seconds} s`);
  }
});

Deno.test("the budget ends between two shapes, the largest first", async () => {
  const gpu = await fresh();
  const shapes = [4, 16, 8].map((ci) => shapeOf({ ci }));
  let clock = 100;
  let runs = 0;
  const records = await tune(gpu, shapes, () => {
    clock++;
    runs++;
    return 1;
  }, { seconds: 12, now: () => clock });
  // The first takes more than all there is, and is decided; no other is begun.
  assertEquals(records.map(({ shape }) => shape.ci), [16]);
  assertEquals(runs, 3 * records[0]!.candidates.length);
  assertEquals(Object.keys(gpu.tuning.state.pinned), [shapeKey(shapes[1]!)]);
  const all = await tune(gpu, shapes, () => 1, { seconds: 12, now: () => clock });
  assertEquals(all.map(({ shape }) => shape.ci), [16, 8, 4]);
  assert(multiplyAccumulates(shapes[1]!) === 2 * 64 * 9 * 16 * 8);
  assertEquals(await tune(gpu, shapes, () => 1, { seconds: 0, now: () => clock }), []);
  gpu.destroy();
});

Deno.test("what does not compile or has no memory is left out", async () => {
  const gpu = await fresh();
  const good: Choice = { algorithm: "direct", tile: { rows: 2, columns: 1 } };
  const full: Choice = { algorithm: "direct", tile: { rows: 3, columns: 1 } };
  const bad: Choice = { algorithm: "direct", tile: { rows: 2, columns: 0 } };
  const [record] = await tune(gpu, [SHAPE], (choice) => {
    if (choice === full) throw new OutOfMemoryError("scratch", "full");
    return choice === good ? 1 : 2;
  }, { candidates: () => [bad, full, good] });
  assertEquals(record!.choice, good);
  assertEquals(record!.candidates.map(({ choice }) => choice), [
    good,
    gpu.tuning.standard(SHAPE),
  ]);
  const failed = record!.failed.map(({ choice, error }) => [choice, error.name]);
  assertEquals(failed, [[bad, "ShaderError"], [full, "OutOfMemoryError"]]);
  gpu.destroy();
});

Deno.test("where the standard choice cannot run, the best of the others is taken", async () => {
  const gpu = await fresh();
  const standard = gpu.tuning.standard(SHAPE);
  const [record] = await tune(gpu, [SHAPE], (choice) => {
    if (describeChoice(choice) === describeChoice(standard)) {
      throw new OutOfMemoryError("scratch", "full");
    }
    return 5;
  });
  assertEquals(record!.standard, { choice: standard });
  assertEquals(record!.milliseconds, 5);
  gpu.destroy();
});

Deno.test("a shape that the adapter cannot hold is left as it is, and the next is tuned", async () => {
  const gpu = await fresh();
  const huge = shapeOf({ n: 2 ** 14, h: 64, w: 64 }); // 2 GiB
  const records = await tune(gpu, [huge, SHAPE], () => 1);
  assertEquals(records.map(({ key }) => key), [shapeKey(SHAPE)]);
  assertEquals(Object.keys(gpu.tuning.state.pinned), [shapeKey(SHAPE)]);
  gpu.destroy();
});

Deno.test("a lost device ends it, and what was tried then is told, with the standard choice kept", async () => {
  const larger = shapeOf({ ci: 16 });
  for (const lethalRun of [1, 2, 20, 30]) {
    const gpu = await fresh();
    const standard = gpu.tuning.standard(larger);
    const lost = new DeviceLostError("device", "lost");
    let runs = 0;
    let lethal: Choice | undefined;
    const records = autotune(gpu, [SHAPE, larger], {
      measure: ({ choice }) => {
        if (++runs === lethalRun) {
          lethal = choice;
          gpu.destroy();
          throw lost;
        }
        return Promise.resolve(describeChoice(choice) === describeChoice(standard) ? 20 : 10);
      },
    });
    const { value: record } = await records.next();
    assertEquals(record!.key, shapeKey(larger), "the costlier one comes first");
    assertEquals(record!.choice, standard);
    assertEquals(record!.failed, [{ choice: lethal, error: lost }]);
    assertEquals(record!.milliseconds, lethalRun < 20 ? 0 : 20);
    const kept = { choice: record!.choice, milliseconds: record!.milliseconds };
    const { standard: usual } = record!;
    const stored = JSON.parse(JSON.stringify({ one: { ...kept, standard: usual } }));
    assertEquals(Object.keys(readTunedChoices(stored)), ["one"], "so that it can be remembered");
    await assertRejects(() => records.next(), DeviceLostError);
  }
});

Deno.test("a device that was lost before anything was tried says nothing of a shape", async () => {
  const gpu = await fresh();
  gpu.destroy();
  await assertRejects(() => autotune(gpu, [SHAPE]).next(), DeviceLostError);
});

Deno.test("an algorithm that is preferred is tuned, and not left", async () => {
  const gpu = await fresh();
  gpu.tuning.prefer = "direct";
  const [record] = await tune(gpu, [SHAPE], ({ algorithm }) => algorithm === "winograd" ? 1 : 2);
  assert(record!.candidates.every(({ choice }) => choice.algorithm === "direct"));
  gpu.destroy();
});
