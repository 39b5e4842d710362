import { assert, assertEquals, assertThrows } from "@std/assert";
import { prepareAdapter } from "../../cli/adapter.ts";
import { findChromium } from "../browser/chromium.ts";
import type { StepResult } from "../dvn/reference_step.ts";
import { compare, QUANTITIES, sameNumbers } from "./compare.ts";

/** Ten times what lavapipe, SwiftShader and float64 differ by; see `deno task same-numbers`. */
const BOUNDS: Record<typeof QUANTITIES[number], number> = {
  losses: 4e-6,
  logits: 1e-5,
  gradients: 2e-5,
  weights: 1e-6,
  running: 5e-6,
};

/** What WebGPU guarantees everywhere, in bytes. */
const DEFAULT_BINDING_SIZE = 128 * 2 ** 20;

const chromium = await findChromium();

async function assertSameNumbers(chromium: string | undefined, runtimes: string[]) {
  await prepareAdapter();
  const { comparisons, counts, runs } = await sameNumbers(chromium);
  assertEquals(Object.keys(runs), runtimes);
  for (const own of Object.values(runs)) {
    assertEquals(own.map(({ limits }) => limits), ["default", "max"]);
    assertEquals(own[0]!.maxStorageBufferBindingSize, DEFAULT_BINDING_SIZE);
  }
  assertEquals(counts.losses, 6);
  const pairs = runtimes.length * (runtimes.length + 1) / 2;
  assertEquals(comparisons.length, 2 * pairs);
  for (const { limits, between, differences } of comparisons) {
    for (const quantity of QUANTITIES) {
      const { largest, array } = differences[quantity];
      assert(
        largest <= BOUNDS[quantity],
        `${quantity} at ${limits} limits: ${
          between.join(" and ")
        } differ by ${largest} in ${array}`,
      );
    }
  }
}

Deno.test("a step from the vectors gives float64's numbers in Deno, also at default limits", async () => {
  await assertSameNumbers(undefined, ["Deno"]);
});

Deno.test({
  name: "a step from the vectors gives the same numbers in Chromium as in Deno and in float64",
  ignore: !chromium,
  fn: () => assertSameNumbers(chromium, ["Deno", "Chromium"]),
});

Deno.test("compare() finds the largest difference, and what is missing or no number", () => {
  const result = (gradients: StepResult["gradients"]): StepResult => {
    const one = { a: [1] };
    return { losses: one, logits: one, gradients, weights: one, running: one };
  };
  const want = result({ first: [1, -10], second: [0.5, 0.25] });
  assertEquals(compare(want, want).gradients.largest, 0);
  const got = result({ first: [1, -9], second: [0.5, 0.5] });
  assertEquals(compare(got, want).gradients, { array: "second", largest: 0.5 });
  assertEquals(compare(got, want).losses.largest, 0);
  const wrong: StepResult["gradients"][] = [
    { first: [1, -10] },
    { first: [1, -10], other: [0.5, 0.25] },
    { first: [1, -10], second: [0.5] },
    { first: [NaN, -10], second: [0.5, 0.25] },
    { first: [1, Infinity], second: [0.5, 0.25] },
  ];
  for (const gradients of wrong) assertThrows(() => compare(result(gradients), want), Error);
});
