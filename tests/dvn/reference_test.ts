import { assert, assertEquals } from "@std/assert";
import { DeepVirtualNetwork } from "../../dvn/network.ts";
import { LossScale } from "../../nn/optim/loss_scale.ts";
import { Tape } from "../../nn/tape.ts";
import { f32Bits } from "../../shaders/kernel.ts";
import { type Gpu, has16Bit } from "../../nn/gpu/gpu.ts";
import { testGpu } from "../gpu.ts";
import { preferring } from "../ops/harness.ts";
import * as reference from "../reference/mod.ts";
import { assertAllClose } from "./against_reference.ts";
import {
  type Arrays,
  BATCHES,
  DATA,
  DVN,
  libraryStep,
  NAMES,
  padded,
  referenceStep,
  SCENARIO,
} from "./reference_step.ts";

const { assertClose } = reference;

const float32 = (arrays: Arrays) =>
  new Map(Object.entries(arrays).map(([name, values]) => [name, Float32Array.from(values)]));
const float64 = (arrays: Arrays) =>
  new Map(Object.entries(arrays).map(([name, values]) => [name, Float64Array.from(values)]));

Deno.test("a step of all networks agrees with float64: losses, gradients, statistics, update", async () => {
  const vectors = referenceStep();
  const want = vectors.result;
  const got = await libraryStep(await testGpu(), vectors);
  for (const [name, loss] of Object.entries(want.losses)) {
    assertClose(got.losses[name]!, loss, { rtol: 1e-5, atol: 0 });
    assertClose(got.logits[name]!, want.logits[name]!, { rtol: 1e-4, atol: 1e-4 });
  }
  assertAllClose(float32(got.gradients), float64(want.gradients));
  assertAllClose(float32(got.weights), float64(want.weights));
  assertAllClose(float32(got.running), float64(want.running));
});

/** Beside the adapter's own kernels those of GPUs, and of these all through workgroup memory. */
const HALVES = [[undefined, undefined], ["gpu", undefined], ["gpu", "shared"]] as const;
for (const [driver, algorithm] of HALVES) {
  Deno.test({
    name: "a step of all networks with 16-bit activations: gradients within 2 % of float64's" +
      `${driver ? ", as tuned for GPUs" : ""}${algorithm ? ", through workgroup memory" : ""}`,
    ignore: !has16Bit(await testGpu()),
    fn: async () => {
      const gpu = await testGpu(driver);
      if (algorithm) await preferring(gpu, algorithm, () => checkHalves(gpu));
      else await checkHalves(gpu);
    },
  });
}

async function checkHalves(gpu: Gpu): Promise<void> {
  const vectors = referenceStep();
  const want = vectors.result;
  const scaling = new LossScale(gpu);
  const got = await libraryStep(gpu, vectors, scaling);
  const [scale, clean] = await scaling.read();
  scaling.destroy();
  assertEquals([scale, clean], [f32Bits(65536), 1]); // none has overflown
  for (const [name, [loss]] of Object.entries(want.losses)) {
    assertClose(got.losses[name]!, [loss!], { rtol: 2e-3, atol: 0 });
  }
  const norm = (values: number[]) => Math.hypot(...values);
  const errors = Object.entries(want.gradients).map(([name, values]) => {
    const apart = norm(values.map((value, i) => got.gradients[name]![i]! / 65536 - value));
    return { apart, size: norm(values), relative: apart / norm(values) };
  });
  // A value that rounds to the other side of a ReLU moves a few sums of small maps by several percent.
  const whole = norm(errors.map(({ apart }) => apart)) / norm(errors.map(({ size }) => size));
  const relative = errors.map((error) => error.relative).sort((x, y) => x - y);
  assert(whole < 0.02, `all gradients: ${whole}`);
  assert(relative[relative.length >> 1]! < 0.003, `in the middle: ${relative}`);
  assert(relative[0]! > 1e-6, `as of 32 bits: ${relative}`);
  for (const [name, values] of Object.entries(want.weights)) {
    const apart = values.map((value, i) => got.weights[name]![i]! - value);
    const error = norm(apart) / norm(values);
    assert(error < 0.005, `${name}: ${error}`);
  }
}

Deno.test("inference agrees with float64", async () => {
  const gpu = await testGpu();
  const parameters = NAMES.randomParameters(100);
  const statistics = NAMES.randomStatistics(1000);
  const net = await DeepVirtualNetwork.create(gpu, SCENARIO, DATA);
  const networks = net.hierarchies.flatMap((hierarchy, task) =>
    SCENARIO.levels.map((_, i) => ({ task, units: [...hierarchy.activeUnits(i + 1)] }))
  );
  assertEquals(networks, DVN.networks);
  const start = [...NAMES.parameters(parameters), ...NAMES.statistics(statistics)];
  for (const [name, values] of start) {
    net.store.write(name, Float32Array.from(values));
  }
  for (const [index, { task }] of DVN.networks.entries()) {
    const { shape } = DVN.tasks[task]!, { images } = BATCHES[task]!;
    const tape = new Tape(gpu);
    const [n, h, w, channels] = shape;
    const x = tape.input("images", [n, h, w, 4]);
    const stem = net.stem(tape, task, x, "inference");
    const level = index % SCENARIO.levels.length + 1;
    const logits = tape.output(net.forward(tape, task, level, stem, "inference"));
    const plan = await tape.compile("inference");
    plan.input(x, Float32Array).set(padded(images, channels));
    plan.run();
    const want = reference.residualNetworkInference(
      reference.cutNetwork(DVN, index),
      reference.cutParameters(DVN, parameters, index),
      statistics[index]!,
      images,
    );
    const most = want.reduce((a, b) => Math.max(a, Math.abs(b)), 0);
    assertClose(await plan.read(logits), want, {
      rtol: 1e-4,
      atol: 1e-5 * most,
    });
    plan.destroy();
  }
  net.destroy();
});
