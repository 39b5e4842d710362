import { assertThrows } from "@std/assert";
import { assertClose } from "./assert_close.ts";
import { assertGradient, dot, numericalGrad } from "./numerical_grad.ts";
import { random } from "./random.ts";

Deno.test("numericalGrad() differentiates to nine digits and leaves x alone", () => {
  const x = random([7], 1), copy = x.slice();
  const f = (x: Float64Array) =>
    x.reduce((sum, value) => sum + Math.sin(3 * value), 0);
  const want = x.map((value) => 3 * Math.cos(3 * value));
  assertClose(numericalGrad(f, x), want, { rtol: 1e-9, atol: 1e-9 });
  assertClose(x, copy, { rtol: 0, atol: 0 });
});

Deno.test("assertGradient() sees an error of a millionth", () => {
  const x = random([5], 2, { offZero: 0.1 });
  const f = (x: Float64Array) => dot(x, x);
  const gradient = x.map((value) => 2 * value);
  assertGradient(gradient, f, x);
  gradient[3]! *= 1 + 1e-6;
  assertThrows(() => assertGradient(gradient, f, x), Error, "index 3");
});

Deno.test("dot() refuses arrays of two lengths", () => {
  assertThrows(() => dot([1, 2], [1]), RangeError, "2 and 1");
});
