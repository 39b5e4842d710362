import { assertEquals, assertThrows } from "@std/assert";
import { globalAveragePool, globalAveragePoolGrad } from "./global_average_pool.ts";
import { assertGradient, dot } from "./numerical_grad.ts";
import { random } from "./random.ts";
import type { Shape4 } from "./shape.ts";

const CASES: Shape4[] = [[1, 1, 1, 1], [3, 1, 1, 5], [2, 3, 5, 3], [
  1,
  8,
  8,
  2,
]];
for (const shape of CASES) {
  Deno.test(`globalAveragePool() gradient agrees with differences for [${shape}]`, () => {
    const x = random(shape, 1), dy = random([shape[0], shape[3]], 2);
    assertGradient(
      globalAveragePoolGrad(dy, shape),
      (x) => dot(globalAveragePool(x, shape), dy),
      x,
    );
  });
}

Deno.test("globalAveragePool() averages pixels, not channels or images", () => {
  const x = Float64Array.of(1, 10, 3, 30, 100, 1000, 300, 3000);
  assertEquals(
    globalAveragePool(x, [2, 1, 2, 2]),
    Float64Array.of(2, 20, 200, 2000),
  );
  assertThrows(
    () => globalAveragePool(x, [1, 1, 2, 2]),
    RangeError,
    "x must hold the 4",
  );
});
