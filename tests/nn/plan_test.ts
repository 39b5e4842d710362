import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { GpuError } from "../../nn/gpu/errors.ts";
import type { Gpu } from "../../nn/gpu/gpu.ts";
import { rows, xavier } from "../../nn/init.ts";
import { batchNorm } from "../../nn/ops/batch_norm.ts";
import { conv2d } from "../../nn/ops/conv2d.ts";
import { crossEntropy } from "../../nn/ops/cross_entropy.ts";
import { relu } from "../../nn/ops/elementwise.ts";
import { globalAveragePool } from "../../nn/ops/global_average_pool.ts";
import { linear } from "../../nn/ops/linear.ts";
import { sgd } from "../../nn/optim/sgd.ts";
import { ParamStore } from "../../nn/params.ts";
import { Tape } from "../../nn/tape.ts";
import { testGpu } from "../gpu.ts";
import { random } from "../reference/mod.ts";

/** A training step of a small network: convolution, batch norm, pool, linear, loss, update. */
async function trainingStep(gpu: Gpu) {
  const store = new ParamStore(gpu, 1);
  const taps = 9, widths = [8];
  const weight = store.param("weight", [taps * 4 * 8], xavier(36, 72), {
    decay: true,
    layout: { taps, inWidths: [4], outWidths: widths },
  });
  const affine = store.param("affine", [2, 8], rows(1, 0), { decay: true });
  const running = store.state("running", [2, 8], rows(0, 1));
  const head = store.param("head", [8, 3], xavier(8, 3), { decay: true });
  const bias = store.param("bias", [3], rows(0, 0), { decay: true });
  const counters = store.state("counters", [3], rows(0, 0));
  await store.allocate();
  const tape = new Tape(gpu);
  const images = tape.input("images", [16, 8, 8, 4]);
  const labels = tape.input("labels", [16]);
  const hyper = tape.input("hyper", [3]);
  const geometry = { kernel: 3, stride: 1, padding: 1 };
  const options = { training: true, momentum: 0.9, epsilon: 1e-5, relu: true };
  const y = conv2d(tape, store, images, weight, geometry);
  const z = batchNorm(tape, store, y, affine, running, options);
  const logits = linear(tape, store, globalAveragePool(tape, z), head, bias);
  crossEntropy(tape, logits, labels, { counters: tape.state(store, counters) });
  tape.backward();
  sgd(tape, store, hyper);
  tape.output(logits);
  const plan = await tape.compile("training step");
  plan.input(images, Float32Array).set(random([16, 8, 8, 4], 1));
  plan.input(labels, Uint32Array).set(
    Uint32Array.from({ length: 16 }, (_, i) => i % 3),
  );
  plan.input(hyper, Float32Array).set([0.1, 0.9, 5e-4]);
  return { tape, plan, store, logits, labels };
}

Deno.test("the same step from the same state gives the same bits", async () => {
  const gpu = await testGpu();
  const results = [];
  for (let time = 0; time < 2; time++) {
    const { plan, store, logits } = await trainingStep(gpu);
    for (let step = 0; step < 5; step++) plan.run();
    results.push({
      logits: await plan.read(logits),
      values: await store.read(),
      momentum: await store.read("momentum"),
    });
    plan.destroy();
    store.destroy();
  }
  assertEquals(results[0], results[1]);
  const [seen] = [...results[0]!.values.get("counters")!].slice(2);
  assertEquals(seen, 5 * 16);
});

Deno.test("profile() runs the step once, and tells the time of each kernel", async () => {
  const gpu = await testGpu();
  const { tape, plan, store } = await trainingStep(gpu);
  if (!gpu.device.features.has("timestamp-query")) {
    const message = "profile training step: this adapter has no timestamp-query feature";
    await assertRejects(() => plan.profile(), GpuError, message);
    return;
  }
  const before = gpu.bytesHeld;
  const { kernels: times, scratchBytes, bytesHeld } = await plan.profile();
  assertEquals([bytesHeld, scratchBytes], [before, plan.scratchBytes]);
  assertEquals(gpu.bytesHeld, before);
  assertEquals((await store.read()).get("counters")![2], 16);
  const dispatches = times.reduce((sum, { dispatches }) => sum + dispatches, 0);
  assertEquals(dispatches, plan.dispatchCount);
  assertEquals(dispatches, tape.dispatches.length);
  const kernels = new Set(tape.dispatches.map(({ kernel }) => kernel.label));
  assertEquals(new Set(times.map(({ kernel }) => kernel)), kernels);
  assert(times.every(({ milliseconds }) => milliseconds >= 0));
  assert(times.some(({ milliseconds }) => milliseconds > 0));
  const sorted = times.toSorted((a, b) => b.milliseconds - a.milliseconds);
  assertEquals(times, sorted);
  plan.destroy();
  store.destroy();
});

Deno.test("time() runs the step once, and tells how long it took", async () => {
  const gpu = await testGpu();
  const { plan, store } = await trainingStep(gpu);
  if (gpu.device.features.has("timestamp-query")) {
    const before = gpu.bytesHeld;
    const milliseconds = await plan.time();
    assert(milliseconds > 0 && milliseconds < 10_000, `${milliseconds} ms`);
    assertEquals((await store.read()).get("counters")![2], 16);
    assertEquals(gpu.bytesHeld, before);
  } else {
    await assertRejects(() => plan.time(), GpuError, "no timestamp-query");
  }
  plan.destroy();
  store.destroy();
});

Deno.test("a plan runs so many times in a row as it is told", async () => {
  const gpu = await testGpu();
  const { plan, store } = await trainingStep(gpu);
  plan.run(3);
  let runs = 3;
  if (gpu.device.features.has("timestamp-query")) {
    const [one, ten] = [await plan.time(), await plan.time(10)];
    runs += 11;
    assert(ten > one / 10 && ten < 10 * one, `${one} ms, of ten ${ten} ms`);
  }
  assertEquals((await store.read()).get("counters")![2], runs * 16);
  plan.destroy();
  store.destroy();
});

Deno.test("timestamps are of passes that compute", async () => {
  const gpu = await testGpu("gpu"); // no copies come between
  if (!gpu.device.features.has("timestamp-query")) return;
  const { plan, store } = await trainingStep(gpu);
  const { createCommandEncoder } = gpu.device;
  const stamped: { writes: string[]; dispatches: number }[] = [];
  gpu.device.createCommandEncoder = (descriptor) => {
    const encoder = createCommandEncoder.call(gpu.device, descriptor);
    const { beginComputePass } = encoder;
    encoder.beginComputePass = (descriptor) => {
      const pass = beginComputePass.call(encoder, descriptor);
      const { querySet: _, ...writes } = descriptor?.timestampWrites ?? {};
      const entry = { writes: Object.keys(writes), dispatches: 0 };
      stamped.push(entry);
      const { dispatchWorkgroups } = pass;
      pass.dispatchWorkgroups = (...groups) => {
        entry.dispatches++;
        dispatchWorkgroups.apply(pass, groups);
      };
      return pass;
    };
    return encoder;
  };
  const [first, last] = ["beginningOfPassWriteIndex", "endOfPassWriteIndex"];
  try {
    await plan.time();
    const dispatches = plan.dispatchCount;
    assertEquals(stamped.splice(0), [{ writes: [first, last], dispatches }]);
    await plan.time(3);
    assertEquals(stamped, [
      { writes: [first], dispatches },
      { writes: [], dispatches },
      { writes: [last], dispatches },
    ]);
  } finally {
    gpu.device.createCommandEncoder = createCommandEncoder;
  }
  plan.destroy();
  store.destroy();
});

Deno.test("timestamps that do not go forward are no time", async () => {
  const gpu = await testGpu();
  if (!gpu.device.features.has("timestamp-query")) return;
  const { plan, store } = await trainingStep(gpu);
  const { read } = gpu;
  for (const stamps of [[0n, 0n], [5n, 5n], [7n, 5n]]) {
    gpu.read = () => Promise.resolve(BigUint64Array.from(stamps).buffer);
    assertEquals(await plan.time(), 0);
  }
  gpu.read = read;
  plan.destroy();
  store.destroy();
});

Deno.test("runs take no memory, and destroy() gives back all there was", async () => {
  const gpu = await testGpu();
  const start = gpu.bytesHeld;
  const { plan, store, logits } = await trainingStep(gpu);
  const held = gpu.bytesHeld;
  assert(held > start + plan.scratchBytes);
  for (let step = 0; step < 30; step++) {
    plan.run();
    if (step % 10 === 0) await plan.read(logits);
  }
  assertEquals(gpu.bytesHeld, held);
  plan.destroy();
  plan.destroy(); // twice is once
  store.destroy();
  assertEquals(gpu.bytesHeld, start);
});

Deno.test("plans share scratch memory, and keep each other's right", async () => {
  const gpu = await testGpu();
  const start = gpu.bytesHeld;
  const record = async (length: number) => {
    const tape = new Tape(gpu);
    const x = tape.input("x", [length]);
    const y = tape.output(relu(tape, relu(tape, relu(tape, x))));
    const plan = await tape.compile(`of ${length}`);
    const values = random([length], length);
    plan.input(x, Float32Array).set(values);
    const want = Float32Array.from(values, (value) => Math.max(value, 0));
    return { plan, y, want };
  };
  const large = await record(1 << 16);
  const held = gpu.bytesHeld;
  const small = await record(1 << 10);
  // An input and an output; constants there are none, extents neither.
  assertEquals(gpu.bytesHeld - held, 2 * 4 * (1 << 10));
  for (const { plan } of [large, small, large]) plan.run();
  for (const { plan, y, want } of [small, large]) {
    assertEquals(await plan.read(y), want);
  }
  large.plan.destroy();
  small.plan.run();
  assertEquals(await small.plan.read(small.y), small.want);
  small.plan.destroy();
  assertEquals(gpu.bytesHeld, start);
});

Deno.test("input() and read() refuse tensors that are not the plan's or not kept", async () => {
  const gpu = await testGpu();
  const { plan, store, labels } = await trainingStep(gpu);
  const other = new Tape(gpu);
  const stranger = other.input("stranger", [4]);
  const hidden = relu(other, stranger);
  assertEquals(
    assertThrows(() => plan.input(stranger, Float32Array), RangeError).message,
    "plan training step: stranger is not an input of it",
  );
  const { message } = await assertRejects(() => plan.read(hidden), RangeError);
  assertEquals(
    message,
    "plan training step: elementwise: y is not kept; mark it with tape.output() before compile()",
  );
  assertEquals(plan.input(labels, Uint8Array).length, 64);
  plan.destroy();
  store.destroy();
});

Deno.test("a destroyed plan says so", async () => {
  const { plan, store, logits } = await trainingStep(await testGpu());
  plan.destroy();
  store.destroy();
  assertEquals(
    assertThrows(() => plan.run(), GpuError).message,
    "run training step: the plan is destroyed",
  );
  await assertRejects(
    () => plan.profile(),
    GpuError,
    "profile training step: the plan is destroyed",
  );
  await assertRejects(
    () => plan.read(logits),
    GpuError,
    "read training step: the plan is destroyed",
  );
});
