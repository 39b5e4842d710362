import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { recordImages, recordInput } from "../../dvn/batch_input.ts";
import { Counters } from "../../dvn/counters.ts";
import { DeepVirtualNetwork } from "../../dvn/network.ts";
import { digitsScenario } from "../../dvn/scenarios/digits.ts";
import { OutOfMemoryError } from "../../nn/gpu/errors.ts";
import { assignSlots, Plan } from "../../nn/gpu/plan.ts";
import { crossEntropy } from "../../nn/ops/cross_entropy.ts";
import { encodeSafeTensors, SafeTensorsError } from "../../nn/safetensors.ts";
import { Tape } from "../../nn/tape.ts";
import { testGpu } from "../gpu.ts";
import { tinyData, tinyScenario, tinyTask } from "./tiny.ts";

async function tinyNetwork(
  scenario = tinyScenario(),
): Promise<DeepVirtualNetwork> {
  return await DeepVirtualNetwork.create(await testGpu(), scenario, tinyData);
}

/** Bytes of scratch memory that a training step of some (task, level) pairs takes. */
function scratchBytes(
  net: DeepVirtualNetwork,
  pairs: [number, number][],
  batch: number,
): number {
  const tape = new Tape(net.gpu);
  const counters = new Counters(net.gpu, [{ task: "any", level: 1 }]);
  for (const task of new Set(pairs.map(([task]) => task))) {
    const input = recordInput(tape, net.tasks[task]!, batch);
    const labels = tape.input("labels", [batch]);
    const images = recordImages(tape, input, net.tasks[task]!);
    const stem = net.stem(tape, task, images, "training");
    for (const [, level] of pairs.filter(([owner]) => owner === task)) {
      const mark = tape.mark();
      const logits = net.forward(tape, task, level, stem, "training");
      crossEntropy(tape, logits, labels, {
        counters: counters.tensor(tape, 0),
      });
      tape.backward(mark);
    }
    tape.backward();
  }
  counters.destroy();
  return assignSlots(tape.dispatches).sizes.reduce(
    (total, bytes) => total + bytes,
    0,
  );
}

Deno.test("a step of all networks needs the memory of its largest one, not the sum", async () => {
  const gpu = await testGpu();
  const data = { ...tinyTask(1), height: 8, width: 8 };
  const names = digitsScenario.tasks.map(({ name }) => [name, data]);
  const net = await DeepVirtualNetwork.create(
    gpu,
    digitsScenario,
    Object.fromEntries(names),
  );
  const all: [number, number][] = [0, 1, 2].flatMap((task) =>
    [1, 2, 3].map((level): [number, number] => [task, level])
  );
  const alone = all.map((pair) => scratchBytes(net, [pair], 64));
  const together = scratchBytes(net, all, 64);
  const largest = Math.max(...alone);
  assert(together <= 1.2 * largest, `${together} bytes against ${largest}`);
  net.destroy();
});

Deno.test("predict() gives the same for one image and for many, in any number", async () => {
  const net = await tinyNetwork();
  const count = 35; // more than a batch, and not a multiple of it
  const images = new Uint8Array(count * 16);
  const indices = Uint32Array.from({ length: count }, (_, i) => i);
  tinyData.a!.train.read(indices, images, new Uint32Array(count));
  const virtual = net.virtual("a", { level: 2 });
  const many = await virtual.predict(images);
  assertEquals(many.length, count * 3);
  for (const i of [0, 31, 32, 34]) {
    const one = await virtual.predict(images.subarray(16 * i, 16 * i + 16));
    for (let c = 0; c < 3; c++) {
      assert(Math.abs(one[c]! - many[3 * i + c]!) < 1e-5);
    }
    assert(Math.abs(one.reduce((sum, p) => sum + p, 0) - 1) < 1e-6);
  }
  await assertRejects(
    () => virtual.predict(new Uint8Array(17)),
    RangeError,
    "predict: images must be whole pictures of 4x4x1 = 16 bytes, got 17",
  );
  net.destroy();
});

Deno.test("predict() works again once what it lacked is there; measure() keeps nothing", async () => {
  const net = await tinyNetwork();
  const { gpu } = net;
  const network = net.virtual("a", { level: 1 });
  const image = new Uint8Array(4 * 4);
  const refuse = () => {
    throw new OutOfMemoryError("here", "made up");
  };
  Object.defineProperty(gpu, "buffer", { value: refuse, configurable: true });
  try {
    await assertRejects(() => network.predict(image), OutOfMemoryError, "made up");
  } finally {
    Reflect.deleteProperty(gpu, "buffer"); // the class's own shows again
  }
  assertEquals((await network.predict(image)).length, 3);
  const held = gpu.bytesHeld;
  assert((await network.measure(8)).msPerImage > 0);
  assertEquals(gpu.bytesHeld, held);
  net.destroy();
});

Deno.test("measure() runs for long enough, by rounded timestamps and by the clock", async () => {
  const net = await tinyNetwork();
  const virtual = net.virtual("a", { level: 1 });
  const { device } = net.gpu;
  const { run, time } = Plan.prototype;
  const seen: number[] = [];
  Plan.prototype.time = (runs = 1) => {
    seen.push(runs);
    return Promise.resolve(Math.floor(0.047 * runs / 0.1) * 0.1 / runs);
  };
  Plan.prototype.run = function (times = 1) {
    seen.push(times);
    run.call(this, times);
  };
  try {
    Object.defineProperty(device, "features", {
      value: new Set(["timestamp-query"]),
      configurable: true,
    });
    const byTimestamps = await virtual.measure(64);
    assertEquals(byTimestamps.source, "timestamp-query");
    assert(Math.abs(64 * byTimestamps.msPerImage / 0.047 - 1) < 0.01, `${seen}`);
    seen.length = 0;
    Object.defineProperty(device, "features", { value: new Set(), configurable: true });
    const byClock = await virtual.measure(64);
    assertEquals(byClock.source, "wall clock");
    assert(byClock.msPerImage > 0);
    const last = seen.at(-1)!;
    assert(64 * byClock.msPerImage * last > 50, `${last} runs of ${64 * byClock.msPerImage} ms`);
  } finally {
    Object.assign(Plan.prototype, { run, time });
    Reflect.deleteProperty(device, "features");
  }
  net.destroy();
});

Deno.test("virtual() picks the highest level that fits, and names the smallest budget", async () => {
  const net = await tinyNetwork();
  const [one, two] = [1, 2].map((level) => net.virtual("b", { level }).cost.bytes);
  assertEquals(net.virtual("b", { budget: one! }).level, 1);
  assertEquals(net.virtual("b", { budget: two! - 1 }).level, 1);
  assertEquals(net.virtual("b", { budget: two! }).level, 2);
  assertEquals(net.virtual("b", { budget: Infinity }).level, 2);
  assertThrows(
    () => net.virtual("b", { budget: one! - 1 }),
    RangeError,
    `no level of task b fits a budget of ${
      one! - 1
    } bytes: level 1, the smallest, needs ${one} bytes`,
  );
  assertThrows(
    () => net.virtual("c", { level: 1 }),
    RangeError,
    "no task is named c; there are a, b",
  );
  assertThrows(
    () => net.virtual("a", { level: 3 }),
    RangeError,
    "task a has levels 1, 2, got 3",
  );
  net.destroy();
});

Deno.test("the parameters that a level costs are those the store holds for it", async () => {
  const net = await tinyNetwork();
  const { store } = net;
  const length = (name: string) => (store.params.get(name) ?? store.states.get(name))!.length;
  const top = net.virtual("a", { level: 2 }).cost.parameters;
  const names = [...store.params.keys(), ...store.states.keys()];
  const sum = (pattern: RegExp) =>
    names.filter((name) => pattern.test(name)).reduce(
      (total, name) => total + length(name),
      0,
    );
  assertEquals(top.trunk, sum(/^stage/));
  assertEquals(top.stem, sum(/^stem\.a\.conv/));
  assertEquals(top.head, sum(/^a\.level2\.head/));
  assertEquals(
    top.batchNorm,
    sum(/^(stem\.a\.bn|a\.level2\..*(affine|running))/),
  );
  net.destroy();
});

Deno.test("load() restores what weights() saved; foreign files are refused", async () => {
  const gpu = await testGpu();
  const net = await tinyNetwork();
  const weights = await net.weights();
  const loaded = await DeepVirtualNetwork.load(gpu, weights);
  assertEquals(loaded.scenario, net.scenario);
  assertEquals(loaded.tasks, net.tasks);
  assertEquals(await loaded.store.read(), await net.store.read());
  await assertRejects(
    () => DeepVirtualNetwork.load(gpu, weights.subarray(0, weights.length - 4)),
    SafeTensorsError,
  );
  const foreign = encodeSafeTensors({ tensors: new Map(), metadata: {} });
  await assertRejects(
    () => DeepVirtualNetwork.load(gpu, foreign),
    RangeError,
    "metadata must say format deep-virtual-network/1",
  );
  loaded.destroy();
  net.destroy();
});

Deno.test("a task without data is refused", async () => {
  const gpu = await testGpu();
  await assertRejects(
    () => DeepVirtualNetwork.create(gpu, tinyScenario(), { a: tinyData.a! }),
    RangeError,
    "DeepVirtualNetwork.create: no data for task b; got a",
  );
});
