import { assert, assertEquals, assertNotEquals } from "@std/assert";
import { random } from "./random.ts";

Deno.test("random() repeats for a seed, differs between seeds, is float32", () => {
  const values = random([50, 40], 1);
  assertEquals(values, random([2000], 1));
  assertNotEquals(values, random([2000], 2));
  assertEquals(values, values.map(Math.fround));
});

Deno.test("random() fills [-1, 1] evenly", () => {
  const values = random([10_000], 3);
  assert(values.every((value) => Math.abs(value) <= 1));
  const mean = values.reduce((a, b) => a + b) / values.length;
  const square = values.reduce((a, b) => a + b * b) / values.length;
  assert(Math.abs(mean) < 0.02, `mean ${mean}`); // 3.5 deviations
  assert(Math.abs(square - 1 / 3) < 0.01, `mean square ${square}`);
});

Deno.test("random() stays off zero where asked", () => {
  const values = random([10_000], 4, { offZero: 0.05 });
  assert(
    values.every((value) => Math.abs(value) >= 0.0499 && Math.abs(value) <= 1),
  );
  assert(
    values.some((value) => value > 0) && values.some((value) => value < 0),
  );
});
