import { assert, assertEquals, assertThrows } from "@std/assert";
import { assertClose } from "./assert_close.ts";
import { l2Normalize, l2NormalizeGrad } from "./l2_normalize.ts";
import { assertGradient, dot } from "./numerical_grad.ts";
import { random } from "./random.ts";

const ROUNDING = { rtol: 1e-12, atol: 1e-12 };

const CASES: [n: number, c: number][] = [[1, 1], [1, 4], [5, 3], [2, 21]];
for (const shape of CASES) {
  for (const relu of [false, true]) {
    Deno.test(
      `l2Normalize() gradients agree with differences for [${shape}]${relu ? " with ReLU" : ""}`,
      () => {
        const c = shape[1], options = { epsilon: 1e-12, relu };
        const x = random(shape, 1, { offZero: 0.1 }), dy = random(shape, 2);
        const scale = random([c], 3, { offZero: 0.25 });
        const { dx, dscale } = l2NormalizeGrad(dy, x, shape, scale, options);
        if (relu && x.length > 1) {
          const zeros = l2Normalize(x, shape, scale, options).filter((value) => value === 0).length;
          assert(zeros > 0 && zeros < x.length, "the case must cross the kink");
        }
        assertGradient(dx, (x) => dot(l2Normalize(x, shape, scale, options), dy), x);
        assertGradient(dscale, (scale) => dot(l2Normalize(x, shape, scale, options), dy), scale);
      },
    );
  }
}

Deno.test("l2Normalize() gradients agree with differences where epsilon stands for the norm", () => {
  const shape = [3, 2], options = { epsilon: 1 };
  const x = Float64Array.of(0.5, -0.25, 3, 4, 0, 0); // norms below, above, and of nothing
  const scale = Float64Array.of(2, -3), dy = random(shape, 2);
  const { dx, dscale } = l2NormalizeGrad(dy, x, shape, scale, options);
  assertGradient(dx, (x) => dot(l2Normalize(x, shape, scale, options), dy), x);
  assertGradient(dscale, (scale) => dot(l2Normalize(x, shape, scale, options), dy), scale);
});

Deno.test("l2Normalize() gives rows the length 1, then scales channels and clips", () => {
  const x = Float64Array.of(3, 4, -5, 12, 0, 0), scale = Float64Array.of(10, 1);
  const shape = [3, 2], epsilon = 1e-12;
  const want = [6, 0.8, -50 / 13, 12 / 13, 0, 0];
  assertClose(l2Normalize(x, shape, scale, { epsilon }), want, ROUNDING);
  assertClose(
    l2Normalize(x, shape, scale, { epsilon, relu: true }),
    want.map((value) => Math.max(value, 0)),
    ROUNDING,
  );
  assertThrows(
    () => l2Normalize(x, shape, x, { epsilon }),
    RangeError,
    "scale must hold the 2",
  );
});

Deno.test("l2Normalize() with ReLU gives a row of zeros no gradient, without it dy / epsilon", () => {
  const zeros = new Float64Array(2), scale = Float64Array.of(10, 1), dy = Float64Array.of(1, -2);
  const grad = (relu: boolean) => l2NormalizeGrad(dy, zeros, [1, 2], scale, { epsilon: 0.5, relu });
  assertEquals(grad(true), { dx: zeros, dscale: zeros });
  assertEquals(grad(false), { dx: Float64Array.of(20, -4), dscale: zeros });
});
