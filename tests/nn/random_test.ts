import { assert, assertEquals, assertNotEquals } from "@std/assert";
import * as fc from "fast-check";
import { xavier } from "../../nn/init.ts";
import { Random } from "../../nn/random.ts";

const draw = (count: number, ...stream: (number | string)[]) => {
  const random = new Random(...stream);
  return Array.from({ length: count }, () => random.bits());
};

Deno.test("a stream has the same bits everywhere and for ever", () => {
  assertEquals(draw(3, 1, "order", 0), [1089667123, 950037077, 3600321238]);
});

Deno.test("streams of other names share nothing", () => {
  const names = Array.from({ length: 2000 }, (_, i) => [
    [i, "order", 0],
    [1, "order", i + 1],
    [1, `order${i}`],
  ]).flat();
  const seen = new Set(names.flatMap((name) => draw(2, ...name)));
  // Of 12000 draws from 2^32 numbers, 0.02 pairs are equal by chance.
  assert(seen.size >= 2 * names.length - 1, `${seen.size} of 12000 differ`);

  const [a, b] = [draw(4096, 1, "a"), draw(4096, 1, "b")];
  const correlation = a.reduce(
    (sum, bits, i) => sum + (bits / 2 ** 32 - 0.5) * (b[i]! / 2 ** 32 - 0.5),
    0,
  ) / 4096 * 12;
  assert(Math.abs(correlation) < 4 / Math.sqrt(4096), `${correlation}`);
});

Deno.test("uniform() fills [0, 1) evenly", () => {
  const random = new Random(7);
  const counts = new Array<number>(16).fill(0);
  for (let i = 0; i < 16000; i++) {
    const value = random.uniform();
    assert(value >= 0 && value < 1);
    counts[Math.floor(value * 16)]!++;
  }
  // Chi-squared with 15 degrees of freedom passes 44 once in 10,000 times.
  const chi = counts.reduce((sum, n) => sum + (n - 1000) ** 2 / 1000, 0);
  assert(chi < 44, `${chi}`);
});

Deno.test("below() stays below its limit and reaches all of it", () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 9 }), (limit) => {
      const random = new Random("below", limit);
      const seen = new Set(
        Array.from({ length: 400 }, () => random.below(limit)),
      );
      assertEquals([...seen].sort(), [...Array(limit).keys()]);
    }),
    { numRuns: 20 },
  );
});

Deno.test("permutation() holds each number once", () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 0, max: 300 }),
      fc.integer(),
      (length, seed) => {
        const order = new Random(seed).permutation(length);
        assertEquals([...order].sort((a, b) => a - b), [
          ...Array(length).keys(),
        ]);
      },
    ),
    { numRuns: 50 },
  );
});

Deno.test("permutation() puts every number everywhere, in another order each time", () => {
  const counts = Array.from({ length: 4 }, () => new Array<number>(4).fill(0));
  const random = new Random("permutation");
  for (let i = 0; i < 4000; i++) {
    random.permutation(4).forEach((value, place) => counts[place]![value]!++);
  }
  // A deviation is 27 of the 1000 expected.
  assert(counts.flat().every((n) => Math.abs(n - 1000) < 130), `${counts}`);
  const twice = new Random("twice");
  assertNotEquals(twice.permutation(50), twice.permutation(50));
});

Deno.test("xavier() keeps within its limit and fills it", () => {
  const values = new Float32Array(5000);
  xavier(20, 10)(values, new Random(1));
  const limit = Math.sqrt(6 / 30);
  const most = values.reduce((a, b) => Math.max(a, Math.abs(b)), 0);
  assert(most <= limit && most > 0.99 * limit, `${most} of ${limit}`);
  const variance = values.reduce((sum, v) => sum + v * v, 0) / values.length;
  assert(Math.abs(variance / (limit ** 2 / 3) - 1) < 0.08, `${variance}`);
});
