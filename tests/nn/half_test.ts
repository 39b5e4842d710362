/** Activations in 16 bits: every op that has maps, a step, and training. */
import { assert, assertEquals, assertThrows } from "@std/assert";
import { AdapterError } from "../../nn/gpu/errors.ts";
import { type Gpu, has16Bit } from "../../nn/gpu/gpu.ts";
import { batchNorm } from "../../nn/ops/batch_norm.ts";
import { add, relu } from "../../nn/ops/elementwise.ts";
import { globalAveragePool } from "../../nn/ops/global_average_pool.ts";
import { shortcut } from "../../nn/ops/shortcut.ts";
import { Tape } from "../../nn/tape.ts";
import { checkDense, DENSE, TILED, tiledTolerance } from "../ops/conv2d_cases.ts";
import { fill } from "../ops/fill.ts";
import { randomMap, stored } from "../ops/formats.ts";
import { preferring, runOp } from "../ops/harness.ts";
import { testGpu } from "../gpu.ts";
import * as reference from "../reference/mod.ts";

const { assertClose, f32Tolerance, random } = reference;

const mapFormat = "f16";
const ignore = !has16Bit(await testGpu());

/** As the adapter runs it, through textures on software; and as GPUs do, through buffers. */
function test(name: string, run: (gpu: Gpu) => Promise<void>): void {
  Deno.test({ name, ignore, fn: async () => await run(await testGpu()) });
  const fn = async () => await run(await testGpu("gpu"));
  Deno.test({ name: `${name}, as tuned for GPUs`, ignore, fn });
}

const half = (values: Float64Array) => Float64Array.from(new Float16Array(values));

for (const [shape, co, kernel, stride, padding] of DENSE) {
  for (const algorithm of ["direct", "shared"] as const) {
    test(
      `conv2d() of 16-bit maps, ${algorithm}, agrees with float64 for k${kernel} s${stride} ` +
        `p${padding} [${shape}] to ${co}`,
      (gpu) =>
        preferring(
          gpu,
          algorithm,
          () => checkDense(gpu, shape, { co, kernel, stride, padding }, f32Tolerance, mapFormat),
        ),
    );
  }
}

for (const [shape, co] of TILED) {
  test(
    `conv2d() of 16-bit maps, by tiles, agrees with float64 for [${shape}] to ${co}`,
    (gpu) =>
      preferring(gpu, "winograd", () => {
        const same = { kernel: 3, stride: 1, padding: 1 };
        return checkDense(gpu, shape, { co, ...same }, tiledTolerance, mapFormat);
      }),
  );
}

for (const shape of [[1, 3, 5, 5], [4, 7, 9, 21], [3, 19, 21, 5]] as reference.Shape4[]) {
  const c = shape[3], pixels = reference.size(shape) / c;
  const dy = randomMap(shape, 2, mapFormat);
  test(`batchNorm() with ReLU of 16-bit maps agrees with float64 for [${shape}]`, async (gpu) => {
    const options = { momentum: 0.9, epsilon: 1e-5, relu: true };
    const x = randomMap(shape, 1, mapFormat);
    const affine = random([2, c], 3, { offZero: 0.25 }), running = random([2, c], 4);
    const got = await runOp(gpu, {
      inputs: { x: { shape, values: x } },
      declare: (store) => ({
        affine: store.param("affine", [2, c], fill(affine), { decay: false }),
        running: store.state("running", [2, c], fill(running)),
      }),
      record: (tape, { x }, { affine, running }, store) =>
        batchNorm(tape, store, x, affine, running, { training: true, ...options }),
      dy: { shape, values: dy },
      mapFormat,
    });
    const want = reference.batchNormTraining(x, shape, affine, running, options);
    const { dx, daffine } = reference.batchNormGrad(dy, x, shape, affine, options);
    const tolerance = f32Tolerance(2 * pixels, 4);
    assertClose(got.y, want.y, stored(tolerance, mapFormat));
    assertClose(got.dx.x, dx, stored(tolerance, mapFormat));
    // Sums, and what outlives a step, are not rounded.
    assertClose(got.gradients.get("affine")!, daffine, tolerance);
    assertClose(got.values.get("running")!, want.running, tolerance);
  });
  test(`relu(), add() and globalAveragePool() round once for [${shape}]`, async (gpu) => {
    const a = randomMap(shape, 1, mapFormat), b = randomMap(shape, 5, mapFormat);
    const inputs = { a: { shape, values: a }, b: { shape, values: b } };
    const sum = await runOp(gpu, {
      inputs,
      record: (tape, { a, b }) => add(tape, relu(tape, a), b),
      dy: { shape, values: dy },
      mapFormat,
    });
    assertEquals(Float64Array.from(sum.y), half(reference.add(reference.relu(a), b)));
    assertEquals(Float64Array.from(sum.dx.a), reference.reluGrad(dy, a));
    assertEquals(Float64Array.from(sum.dx.b), dy);
    const features = [shape[0], c] as const;
    const pooled = await runOp(gpu, {
      inputs: { a: inputs.a },
      record: (tape, { a }) => globalAveragePool(tape, a),
      dy: { shape: features, values: random(features, 6), padded: true },
      mapFormat,
    });
    // What a pool makes is no map.
    const want = reference.globalAveragePool(a, shape);
    assertClose(pooled.y, want, f32Tolerance(shape[1] * shape[2], 1 / (shape[1] * shape[2])));
    const dx = reference.globalAveragePoolGrad(random(features, 6), shape);
    assertClose(pooled.dx.a, dx, stored(f32Tolerance(1), mapFormat));
  });
}

const SHORTCUTS: [shape: reference.Shape4, sources: number[], stride: 1 | 2][] = [
  [[2, 3, 5, 3], [0, 1, 2, -1, -1], 1],
  [[3, 6, 4, 5], [0, 1, -1, 2, 3, 4, -1, -1], 2],
  [[2, 4, 6, 8], [4, 5, 6, 7, -1, -1, -1, -1, 0, 1, 2, 3], 2], // in fours
];
for (const [shape, sources, stride] of SHORTCUTS) {
  test(`shortcut() of 16-bit maps agrees with float64 for s${stride} [${shape}]`, async (gpu) => {
    const map = Int32Array.from(sources);
    const outShape = reference.shortcutShape(shape, map, stride);
    const x = randomMap(shape, 1, mapFormat), dy = randomMap(outShape, 2, mapFormat);
    const got = await runOp(gpu, {
      inputs: { x: { shape, values: x } },
      record: (tape, { x }) => shortcut(tape, x, sources, stride),
      dy: { shape: outShape, values: dy },
      mapFormat,
    });
    const want = reference.shortcut(x, shape, map, stride);
    assertClose(got.y, want, stored(f32Tolerance(4), mapFormat));
    const dx = reference.shortcutGrad(dy, shape, map, stride);
    assertClose(got.dx.x, dx, stored(f32Tolerance(4), mapFormat));
  });
}

Deno.test("16-bit maps are refused where the adapter has none", async () => {
  const gpu = await testGpu();
  const without = { ...gpu, device: { features: new Set() }, describe: () => "old GPU, gpu" };
  const error = assertThrows(() => new Tape(without as unknown as Gpu, "f16"), AdapterError);
  assertEquals(
    error.message,
    "Tape: old GPU, gpu: this adapter has no shader-f16 feature; keep activations in 32 bits",
  );
});

test("what overflows in 16 bits is stored as infinite, not as the largest number", async (gpu) => {
  const shape: reference.Shape4 = [1, 2, 2, 4];
  const x = new Float64Array(16).fill(65504);
  x[3] = -65504;
  const { y } = await runOp(gpu, {
    inputs: { x: { shape, values: x } },
    record: (tape, { x }) => add(tape, x, x),
    dy: { shape, values: x },
    backward: false,
    mapFormat,
  });
  assertEquals([...y], Array.from(x, (value) => Math.sign(value) * Infinity));
});

Deno.test({
  name: "16-bit maps take half the memory, and parts of them begin where WebGPU can bind them",
  ignore,
  fn: async () => {
    const gpu = await testGpu("gpu"); // without textures
    const scratch = async (format: "f32" | "f16") => {
      const tape = new Tape(gpu, format);
      const x = tape.input("x", [2, 16, 16, 8]);
      const y = relu(tape, relu(tape, x));
      tape.output(globalAveragePool(tape, y));
      const held = await tape.compile("sums");
      const { scratchBytes } = held;
      held.destroy();
      const part = () => tape.part(y, 0, 1);
      assert(part().format === format);
      return scratchBytes;
    };
    assertEquals([await scratch("f32"), await scratch("f16")], [4 * 2 * 4096, 2 * 2 * 4096]);
    const tape = new Tape(gpu, "f16");
    const map = tape.scratch("map", [3, 1, 16, 4], "f16");
    const error = assertThrows(() => tape.part(map, 1, 1));
    assertEquals(
      (error as Error).message,
      "part: rows 1 to 2 of map [3,1,16,4] must be there, and begin at a multiple of 128 elements, " +
        "got 64",
    );
  },
});
