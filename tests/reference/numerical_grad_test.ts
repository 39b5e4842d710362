import { assertThrows } from "@std/assert";
import { assertClose } from "./assert_close.ts";
import { assertGradient, dot, numericalGrad } from "./numerical_grad.ts";
import { random } from "./random.ts";

Deno.test("numericalGrad() differentiates to eight digits and leaves x alone", () => {
  const x = random([7], 1), copy = x.slice();
  const f = (x: Float64Array) => Math.sin(3 * dot(x, x)); // every value matters to every slope
  const want = x.map((value) => 6 * value * Math.cos(3 * dot(x, x)));
  assertClose(numericalGrad(f, x), want, { rtol: 1e-8, atol: 1e-8 });
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
