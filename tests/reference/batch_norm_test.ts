import { assert, assertEquals, assertThrows } from "@std/assert";
import { assertClose } from "./assert_close.ts";
import { batchNormGrad, batchNormInference, batchNormTraining } from "./batch_norm.ts";
import { assertGradient, dot } from "./numerical_grad.ts";
import { random } from "./random.ts";
import type { Shape4 } from "./shape.ts";

const ROUNDING = { rtol: 1e-12, atol: 1e-12 };
const OPTIONS = { epsilon: 1e-5, momentum: 0.9 };

const CASES: Shape4[] = [
  [1, 1, 1, 3],
  [2, 1, 1, 1],
  [3, 1, 1, 5],
  [2, 3, 5, 3],
  [1, 4, 7, 1],
];
for (const shape of CASES) {
  for (const relu of [false, true]) {
    const name = `[${shape}]${relu ? " with ReLU" : ""}`;
    Deno.test(`batchNormTraining() gradients agree with differences for ${name}`, () => {
      const c = shape[3], options = { ...OPTIONS, relu };
      const x = random(shape, 1).map((value) => 3 * value + 2);
      const affine = random([2, c], 2, { offZero: 0.05 });
      const running = new Float64Array(2 * c), dy = random(shape, 3);
      const y = (x: Float64Array, affine: Float64Array) =>
        batchNormTraining(x, shape, affine, running, options).y;
      const { dx, daffine } = batchNormGrad(dy, x, shape, affine, options);
      if (relu && x.length > 3) {
        const zeros = y(x, affine).filter((value) => value === 0).length;
        assert(zeros > 0 && zeros < x.length, "the case must cross the kink");
      }
      assertGradient(dx, (x) => dot(y(x, affine), dy), x);
      assertGradient(daffine, (affine) => dot(y(x, affine), dy), affine);
    });
  }
}

Deno.test("batchNormTraining() gives each channel mean shift and deviation scale", () => {
  const x = Float64Array.of(1, -5, 2, 5, 6, 3); // channel 0: 1, 2, 6; channel 1: -5, 5, 3
  const affine = Float64Array.of(2, 1, 0, 10);
  const running = Float64Array.of(0, 0, 1, 1);
  const options = { epsilon: 0, momentum: 0.75 };
  const forward = batchNormTraining(x, [3, 2], affine, running, options);
  const variances = [14 / 3, 56 / 3]; // biased; unbiased 7 and 28
  const want = [-2, -6, -1, 4, 3, 2].map((value, i) =>
    value / Math.sqrt(variances[i % 2]!) * [2, 1][i % 2]! + [0, 10][i % 2]!
  );
  assertClose(forward.y, want, ROUNDING);
  // 3/4 of the old and 1/4 of the new: means 3 and 1, unbiased variances.
  assertClose(
    forward.running,
    [3 / 4, 1 / 4, (3 + 7) / 4, (3 + 28) / 4],
    ROUNDING,
  );
  assertEquals(running, Float64Array.of(0, 0, 1, 1));
});

Deno.test("batchNormTraining() of one value a channel is the shift", () => {
  const affine = Float64Array.of(5, -2), running = Float64Array.of(1, 1);
  const forward = batchNormTraining(
    Float64Array.of(7),
    [1, 1],
    affine,
    running,
    OPTIONS,
  );
  assertEquals(forward.y, Float64Array.of(-2));
  assertClose(forward.running, [0.9 + 0.7, 0.9], ROUNDING); // no unbiased variance: 0
});

Deno.test("batchNormTraining() of two values a channel has an unbiased variance", () => {
  const x = Float64Array.of(1, 5), affine = Float64Array.of(1, 0);
  const options = { epsilon: 1e-5, momentum: 0 };
  const { running } = batchNormTraining(
    x,
    [2, 1],
    affine,
    new Float64Array(2),
    options,
  );
  assertClose(running, [3, 8], ROUNDING);
});

Deno.test("batchNormTraining() with momentum r / (r + 1) in run r averages what the runs see", () => {
  const batches = [[1, 5], [2, 4], [9, 3]]; // means 3, 3, 6; unbiased variances 8, 2, 18
  let running: Float64Array = Float64Array.of(-7, 100);
  batches.forEach((batch, run) => {
    const options = { epsilon: 1e-5, momentum: run / (run + 1) };
    const x = Float64Array.from(batch);
    ({ running } = batchNormTraining(x, [2, 1], Float64Array.of(1, 0), running, options));
  });
  assertClose(running, [(3 + 3 + 6) / 3, (8 + 2 + 18) / 3], ROUNDING);
});

Deno.test("batchNormTraining() keeps its digits far from zero", () => {
  const shape = [64, 1], x = random(shape, 5), affine = Float64Array.of(1, 0);
  const running = new Float64Array(2);
  const near = batchNormTraining(x, shape, affine, running, OPTIONS).y;
  const far = batchNormTraining(x.map((v) => v + 1e4), shape, affine, running, OPTIONS).y;
  assertClose(far, near, { rtol: 1e-9, atol: 1e-9 });
});

Deno.test("batchNormInference() with the batch's own statistics equals training", () => {
  const shape: Shape4 = [2, 3, 5, 3], count = 30;
  const x = random(shape, 1), affine = random([2, 3], 2);
  for (const relu of [false, true]) {
    const options = { epsilon: 1e-3, momentum: 0, relu };
    const { y, running } = batchNormTraining(
      x,
      shape,
      affine,
      new Float64Array(6),
      options,
    );
    const biased = running.map((value, i) => i < 3 ? value : value * (count - 1) / count);
    assertClose(
      batchNormInference(x, shape, affine, biased, options),
      y,
      ROUNDING,
    );
  }
});

Deno.test("batch normalisation refuses arrays of other channels", () => {
  const x = new Float64Array(6),
    wrong = new Float64Array(4),
    right = new Float64Array(6);
  assertThrows(
    () => batchNormTraining(x, [2, 3], wrong, right, OPTIONS),
    RangeError,
    "affine must hold the 6",
  );
  assertThrows(
    () => batchNormInference(x, [2, 3], right, wrong, OPTIONS),
    RangeError,
    "running must hold the 6",
  );
  assertThrows(
    () => batchNormGrad(wrong, x, [2, 3], right, OPTIONS),
    RangeError,
    "dy must hold",
  );
});
