import { assertEquals, assertThrows } from "@std/assert";
import { assertGradient, dot } from "./numerical_grad.ts";
import { random } from "./random.ts";
import type { Shape4 } from "./shape.ts";
import { paddedUnits, shortcut, shortcutGrad, shortcutShape } from "./shortcut.ts";

const CASES: { shape: Shape4; map: number[]; stride: 1 | 2 }[] = [
  { shape: [1, 1, 1, 1], map: [0], stride: 1 },
  { shape: [2, 3, 5, 3], map: [0, 1, 2, -1, -1], stride: 1 },
  { shape: [1, 3, 1, 3], map: [2, 2, -1, 0, 2], stride: 1 }, // one source used three times
  { shape: [1, 2, 2, 1], map: [0, -1], stride: 2 },
  { shape: [2, 6, 4, 5], map: [0, 1, -1, 2, 3, 4, -1, -1], stride: 2 },
  { shape: [1, 2, 4, 3], map: [1, 1, 0], stride: 2 },
];
for (const { shape, map: channels, stride } of CASES) {
  Deno.test(`shortcut() gradient agrees with differences for s${stride} [${shape}] by [${channels}]`, () => {
    const map = Int32Array.from(channels);
    const x = random(shape, 1),
      dy = random(shortcutShape(shape, map, stride), 2);
    assertGradient(
      shortcutGrad(dy, shape, map, stride),
      (x) => dot(shortcut(x, shape, map, stride), dy),
      x,
    );
  });
}

Deno.test("shortcut() averages 2x2 pixels and repeats or drops channels", () => {
  const x = Float64Array.of(1, 10, 2, 20, 3, 30, 6, 60); // 2x2 pixels of 2 channels
  const map = Int32Array.of(1, -1, 0, 1);
  assertEquals(
    shortcut(x, [1, 2, 2, 2], map, 2),
    Float64Array.of(30, 0, 3, 30),
  );
  assertEquals(
    shortcut(x, [1, 1, 4, 2], Int32Array.of(-1, 0), 1),
    Float64Array.of(0, 1, 0, 2, 0, 3, 0, 6),
  );
});

Deno.test("shortcut() refuses odd sides and missing channels", () => {
  const map = Int32Array.of(0);
  assertThrows(
    () => shortcutShape([1, 3, 4, 1], map, 2),
    RangeError,
    "even sides, got 3x4",
  );
  assertThrows(
    () => shortcutShape([1, 4, 4, 2], Int32Array.of(0, 2), 2),
    RangeError,
    "channel 2 of 2",
  );
  assertThrows(
    () => shortcutShape([1, 4, 4, 2], Int32Array.of(-2), 1),
    RangeError,
    "channel -2",
  );
});

Deno.test("paddedUnits() pads each unit, not the end", () => {
  assertEquals(paddedUnits([1, 2], [2, 3]), Int32Array.of(0, -1, 1, 2, -1));
  assertEquals(paddedUnits([2, 1], [2, 1]), Int32Array.of(0, 1, 2));
  assertThrows(() => paddedUnits([2], [1]), RangeError, "[2] to [1]");
  assertThrows(() => paddedUnits([1], [1, 1]), RangeError, "[1] to [1,1]");
});
