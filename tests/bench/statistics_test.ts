import { assertEquals } from "@std/assert";
import { median, quantile } from "../../bench/statistics.ts";

Deno.test("median() is the middle, or the mean of the two there", () => {
  assertEquals(median([9, 1, 5]), 5);
  assertEquals(median([4, 1, 3, 10]), 3.5);
  assertEquals(median([]), NaN);
});

Deno.test("quantile() goes between two numbers in proportion", () => {
  assertEquals(quantile([30, 10, 20], 0), 10);
  assertEquals(quantile([30, 10, 20], 1), 30);
  assertEquals(quantile([1, 2, 3, 5], 3 / 4), 3.5);
});
