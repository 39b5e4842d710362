import { assertEquals, assertThrows } from "@std/assert";
import { linear, linearGrad } from "./linear.ts";
import { assertGradient, dot } from "./numerical_grad.ts";
import { random } from "./random.ts";

const CASES = [{ n: 1, c: 1, m: 1 }, { n: 3, c: 5, m: 2 }, {
  n: 2,
  c: 7,
  m: 10,
}];
for (const shape of CASES) {
  const { n, c, m } = shape;
  Deno.test(`linear() gradients agree with differences for [${n},${c}] x [${c},${m}]`, () => {
    const x = random([n, c], 1), w = random([c, m], 2), b = random([m], 3);
    const dy = random([n, m], 4);
    const { dx, dw, db } = linearGrad(dy, x, w, shape);
    assertGradient(dx, (x) => dot(linear(x, w, b, shape), dy), x);
    assertGradient(dw, (w) => dot(linear(x, w, b, shape), dy), w);
    assertGradient(db, (b) => dot(linear(x, w, b, shape), dy), b);
  });
}

Deno.test("linear() reads the weight as [c][m]", () => {
  const x = Float64Array.of(1, 2), w = Float64Array.of(1, 10, 100, 3, 4, 5);
  const b = Float64Array.of(0.5, 0.25, 0);
  const shape = { n: 1, c: 2, m: 3 };
  assertEquals(linear(x, w, b, shape), Float64Array.of(7.5, 18.25, 110));
  assertThrows(() => linear(x, x, b, shape), RangeError, "w must hold the 6");
});
