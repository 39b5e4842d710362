import { assertEquals } from "@std/assert";
import { assertGradient, dot } from "./numerical_grad.ts";
import { random } from "./random.ts";
import { relu, reluGrad } from "./relu.ts";

Deno.test("relu() gradient agrees with differences off the kink", () => {
  const x = random([101], 1, { offZero: 0.05 }), dy = random([101], 2);
  const f = (x: Float64Array) => dot(relu(x), dy);
  assertGradient(reluGrad(dy, relu(x)), f, x);
  assertGradient(reluGrad(dy, x), f, x);
});

Deno.test("relu() is 0 at 0 and below, and so is its gradient", () => {
  const x = Float64Array.of(-2, 0, 3), dy = Float64Array.of(5, 6, 7);
  assertEquals(relu(x), Float64Array.of(0, 0, 3));
  assertEquals(reluGrad(dy, x), Float64Array.of(0, 0, 7));
});
