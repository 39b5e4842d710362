import { assertEquals, assertThrows } from "@std/assert";
import { assertClose } from "./assert_close.ts";
import { random } from "./random.ts";
import { sgd } from "./sgd.ts";

const ROUNDING = { rtol: 1e-12, atol: 1e-12 };

Deno.test("sgd() agrees with two steps worked by hand", () => {
  const options = { learningRate: 0.5, momentum: 0.5, weightDecay: 0.25 };
  const start = Float64Array.of(4), still = Float64Array.of(0);
  const first = sgd(start, still, Float64Array.of(1), options);
  // g = 1 + 4 / 4 = 2; v = 2; w = 4 - (2 + 1) / 2
  assertEquals(first, {
    weights: Float64Array.of(2.5),
    velocity: Float64Array.of(2),
  });
  const second = sgd(
    first.weights,
    first.velocity,
    Float64Array.of(-1),
    options,
  );
  // g = -1 + 2.5 / 4 = -0.375; v = 1 - 0.375; w = 2.5 - (-0.375 + 0.3125) / 2
  assertEquals(second, {
    weights: Float64Array.of(2.53125),
    velocity: Float64Array.of(0.625),
  });
  assertEquals([...start, ...still], [4, 0]);
});

Deno.test("sgd() is Nesterov's method, seen from the point it looks ahead to", () => {
  // Sutskever et al., ICML 2013, eq. 3-4: u = mu u - rate f'(theta + mu u); theta += u.
  // Then w = theta + mu u and v = -u / rate follow sgd().
  const learningRate = 0.1, momentum = 0.9;
  const curvature = random([5], 1).map((value) => 1 + value / 2);
  let theta = random([5], 2), u = new Float64Array(5);
  let weights: Float64Array = theta.slice();
  let velocity: Float64Array = new Float64Array(5);
  for (let step = 0; step < 20; step++) {
    u = u.map((value, i) =>
      momentum * value -
      learningRate * curvature[i]! * (theta[i]! + momentum * value)
    );
    theta = theta.map((value, i) => value + u[i]!);
    const gradient = weights.map((value, i) => curvature[i]! * value);
    ({ weights, velocity } = sgd(weights, velocity, gradient, {
      learningRate,
      momentum,
      weightDecay: 0,
    }));
    assertClose(
      weights,
      theta.map((value, i) => value + momentum * u[i]!),
      ROUNDING,
    );
    assertClose(velocity, u.map((value) => -value / learningRate), ROUNDING);
  }
});

Deno.test("sgd() refuses arrays of other lengths", () => {
  const options = { learningRate: 1, momentum: 0, weightDecay: 0 };
  const one = new Float64Array(1), two = new Float64Array(2);
  assertThrows(
    () => sgd(two, one, two, options),
    RangeError,
    "velocity must hold the 2",
  );
  assertThrows(
    () => sgd(two, two, one, options),
    RangeError,
    "gradient must hold the 2",
  );
});
