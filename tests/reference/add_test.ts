import { assertThrows } from "@std/assert";
import { add, addGrad } from "./add.ts";
import { assertGradient, dot } from "./numerical_grad.ts";
import { random } from "./random.ts";

Deno.test("add() gradients agree with differences", () => {
  const a = random([13], 1), b = random([13], 2), dy = random([13], 3);
  const { da, db } = addGrad(dy);
  assertGradient(da, (a) => dot(add(a, b), dy), a);
  assertGradient(db, (b) => dot(add(a, b), dy), b);
});

Deno.test("add() refuses two lengths", () => {
  assertThrows(
    () => add(new Float64Array(2), new Float64Array(1)),
    RangeError,
    "got 1",
  );
});
