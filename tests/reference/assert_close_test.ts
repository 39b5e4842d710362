import { assertThrows } from "@std/assert";
import { assertClose, f32Tolerance } from "./assert_close.ts";
import { random } from "./random.ts";

const EXACT = { rtol: 0, atol: 0 };

Deno.test("assertClose() passes what is within rtol and atol together", () => {
  assertClose([1, -2, 0], [1, -2, 0], EXACT);
  assertClose([10.1, 0.05], [10, 0], { rtol: 0.006, atol: 0.05 });
});

Deno.test("assertClose() names the worst value and counts the others", () => {
  const got = [0, 1, 2, 3, 9, 9], want = [0, 1, 2.5, 3, 4, 4];
  assertThrows(
    () => assertClose(got, want, { rtol: 0, atol: 0.1 }),
    Error,
    "3 of 6 values differ; worst at index 4: got 9, want 4, difference 5",
  );
  assertThrows(
    () => assertClose(got, want, { ...EXACT, shape: [3, 2] }),
    Error,
    "index 2 = [1,0]: got 2, want 2.5", // any difference is infinitely too much
  );
});

Deno.test("assertClose() never passes NaN, infinities or other lengths", () => {
  const loose = { rtol: 1, atol: 1e9 };
  for (const bad of [NaN, Infinity, -Infinity]) {
    assertThrows(
      () => assertClose([0, bad], [0, bad], loose),
      Error,
      "worst at index 1",
    );
    assertThrows(() => assertClose([bad], [0], loose), Error, "1 of 1");
    assertThrows(() => assertClose([0], [bad], loose), Error, "1 of 1");
  }
  assertThrows(() => assertClose([1, 2], [1], loose), Error, "got 2, want 1");
  assertThrows(() => assertClose([], [], loose), Error, "nothing to compare");
  assertThrows(
    () => assertClose([1], [1], { rtol: NaN, atol: 0 }),
    RangeError,
    "NaN",
  );
  assertThrows(
    () => assertClose([1], [1], { rtol: 0, atol: Infinity }),
    RangeError,
  );
  assertThrows(
    () => assertClose([1], [1], { ...EXACT, shape: [2] }),
    RangeError,
    "[2]",
  );
});

/** Sums products one by one, each rounded to float32. */
function f32Sum(terms: Float64Array): number {
  return terms.reduce((sum, term) => Math.fround(sum + Math.fround(term)), 0);
}

for (const terms of [1, 2, 9, 144, 1_000, 10_000]) {
  Deno.test(`f32Tolerance() holds float32 sums of ${terms}, not a term less`, () => {
    for (let seed = 0; seed < 20; seed++) {
      const signed = random([terms], seed);
      for (const values of [signed, signed.map(Math.abs)]) {
        const squares = values.reduce((sum, value) => sum + value * value, 0);
        const scale = Math.sqrt(squares / terms);
        const want = values.reduce((a, b) => a + b, 0);
        const tolerance = f32Tolerance(terms, scale);
        assertClose([f32Sum(values)], [want], tolerance);
        assertThrows(() => assertClose([want - scale], [want], tolerance));
      }
    }
  });
}

Deno.test("f32Tolerance() refuses no terms and no scale", () => {
  assertThrows(() => f32Tolerance(0), RangeError, "at least 1");
  assertThrows(() => f32Tolerance(1, 0), RangeError, "above 0");
});
