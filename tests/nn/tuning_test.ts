import { assertEquals, assertNotEquals, assertThrows } from "@std/assert";
import type { ConvShape } from "../../nn/gpu/chooser.ts";
import { type Choice, describeChoice, shapeKey, Tuning } from "../../nn/gpu/tuning.ts";

const [ONE, TWO, THREE] = [4, 8, 12].map((ci): ConvShape => ({
  pass: "forward",
  ...{ n: 2, h: 8, w: 8, ci, co: 8, kernel: 3, stride: 1, padding: 1 },
})) as [ConvShape, ConvShape, ConvShape];
const [A, B]: Choice[] = [1, 2].map((rows) => ({
  algorithm: "direct" as const,
  tile: { rows, columns: 1 },
})) as [Choice, Choice];

Deno.test("what is pinned goes before the default, for what is asked for later", () => {
  const tuning = new Tuning("lavapipe", { [shapeKey(ONE)]: A! });
  assertEquals(tuning.conv(ONE), A);
  assertEquals(tuning.conv(TWO), tuning.standard(TWO));
  assertEquals(tuning.pinnedCount, 1);
  tuning.pin({ [shapeKey(ONE)]: B! });
  assertEquals(tuning.conv(ONE), B);
  assertEquals(tuning.choices, { [shapeKey(ONE)]: B, [shapeKey(TWO)]: tuning.standard(TWO) });
  assertEquals(tuning.shapes, [ONE, TWO]);
});

Deno.test("collect() counts what is asked for, and leaves no trace", () => {
  const tuning = new Tuning("lavapipe", { [shapeKey(ONE)]: A! });
  const uses = tuning.collect(() => {
    for (const shape of [ONE, TWO, ONE]) tuning.conv(shape);
  }, { [shapeKey(TWO)]: B! });
  assertEquals(uses, [
    { shape: ONE, choice: A, count: 2 },
    { shape: TWO, choice: B, count: 1 },
  ]);
  assertThrows(
    () =>
      tuning.collect(() => {
        throw new Error("half-way");
      }),
    Error,
    "half-way",
  );
  assertEquals([tuning.shapes, tuning.choices], [[], {}]);
  assertEquals(tuning.conv(TWO), tuning.standard(TWO));
});

Deno.test("a run that goes on chooses as it would have, whatever is pinned since", () => {
  const first = new Tuning("lavapipe", { [shapeKey(ONE)]: A!, [shapeKey(TWO)]: A! });
  first.conv(ONE);
  const state = structuredClone(first.state);
  assertEquals(state, { pinned: { [shapeKey(TWO)]: A }, used: { [shapeKey(ONE)]: A } });
  const [two, three] = [first.conv(TWO), first.conv(THREE)];

  const other = Object.fromEntries([ONE, TWO, THREE].map((shape) => [shapeKey(shape), B!]));
  const second = new Tuning("lavapipe", other);
  assertNotEquals(second.conv(ONE), A);
  const end = second.begin(state);
  assertEquals([second.conv(ONE), second.conv(TWO), second.conv(THREE)], [A, two, three]);
  assertEquals(second.state, first.state);
  end();
  assertEquals(second.conv(THREE), B);
  assertEquals(second.conv(TWO), B);
  assertEquals(second.shapes, [ONE, TWO, THREE]);
});

Deno.test("a run's choices are apart from those used before it", () => {
  const tuning = new Tuning("lavapipe", { [shapeKey(TWO)]: A! });
  tuning.conv(ONE);
  const end = tuning.begin();
  assertEquals(tuning.conv(TWO), A);
  assertEquals(tuning.choices, { [shapeKey(TWO)]: A });
  end();
  assertEquals(Object.keys(tuning.choices), [shapeKey(ONE), shapeKey(TWO)]);
  assertEquals(tuning.conv(TWO), A);
});

Deno.test("two choices that differ read differently", () => {
  const tile = { rows: 8, columns: 4 };
  assertEquals(
    [
      describeChoice({ algorithm: "direct", tile }),
      describeChoice({ algorithm: "direct", tile, splits: 3 }),
      describeChoice({ algorithm: "winograd", tile, tiles: 512 }),
      describeChoice({ tiles: 512, splits: 3, tile, algorithm: "winograd" }),
    ],
    [
      "direct 8x4",
      "direct 8x4, splits 3",
      "winograd 8x4, tiles 512",
      "winograd 8x4, splits 3, tiles 512",
    ],
  );
});
