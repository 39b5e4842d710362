import { assert, assertEquals, assertThrows } from "@std/assert";
import type { Raster } from "../../datasets/pictures.ts";
import { detectInk, readInk } from "../../datasets/ink.ts";
import { loadDigits } from "../../datasets/digits.ts";

const FORMAT = { height: 8, width: 8, channels: 1, maximum: 16 };

/** A square page with an upright bar of ink, `side / 10` wide and `side / 2` tall. */
function bar(side: number, page: number, ink: number, grain = 0): Raster {
  const data = Float32Array.from({ length: side * side }, (_, i) => {
    const x = i % side / side;
    const y = Math.floor(i / side) / side;
    const inside = x >= 0.6 && x < 0.7 && y >= 0.2 && y < 0.7;
    return (inside ? ink : page) + grain * Math.sin(i * 12.9898);
  });
  return { width: side, height: side, channels: 1, data };
}

function rows({ data }: Raster): string[] {
  return Array.from({ length: 8 }, (_, y) => {
    const row = data.subarray(8 * y, 8 * y + 8);
    return Array.from(row, (value) => Math.round(value * 9)).join("");
  });
}

Deno.test("detectInk() tells dark on light from light on dark", () => {
  assertEquals(detectInk(bar(50, 1, 0)), "dark");
  assertEquals(detectInk(bar(50, 0, 1)), "light");
  assertEquals(detectInk(bar(50, 0.6, 0.4)), "dark");
});

Deno.test("detectInk() is right about every digit of the test part", async () => {
  const { test } = await loadDigits();
  const pixels = new Uint8Array(test.length * 64);
  const all = Uint32Array.from({ length: test.length }, (_, i) => i);
  test.read(all, pixels, new Uint32Array(test.length));
  for (const i of all) {
    const digit = pixels.subarray(64 * i, 64 * i + 64);
    const raster = { width: 8, height: 8, channels: 1 };
    const light = Float32Array.from(digit, (value) => value / 16);
    assertEquals(detectInk({ ...raster, data: light }), "light", `digit ${i}`);
    const dark = light.map((value) => 1 - value);
    assertEquals(detectInk({ ...raster, data: dark }), "dark", `digit ${i}`);
  }
});

Deno.test("readInk() brings the ink to full height, in the middle", () => {
  // The bar is 10 x 50 of 100 pixels: full height, and 1.6 of 8 columns.
  const wanted = Array(8).fill("00077000");
  for (const raster of [bar(100, 1, 0), bar(100, 0.7, 0.3, 0.03)]) {
    assertEquals(rows(readInk(raster, "dark", FORMAT)), wanted);
  }
  assertEquals(rows(readInk(bar(100, 0, 1), "light", FORMAT)), wanted);
  assertEquals(rows(readInk(bar(1000, 0, 1), "light", FORMAT)), wanted);
});

Deno.test("readInk() leaves the outer columns of a wide drawing empty", () => {
  const { data, ...rest } = bar(100, 0, 1);
  const lying = {
    ...rest,
    data: data.map((_, i) => data[i % 100 * 100 + Math.floor(i / 100)]!),
  };
  const found = rows(readInk(lying, "light", FORMAT));
  assert(found.every((row) => /^0[0-9]{6}0$/.test(row)), found.join("\n"));
  assert(found.some((row) => /^0[1-9]{6}0$/.test(row)), found.join("\n"));
});

Deno.test("readInk() turns a picture of the network's size, and no more", () => {
  const raster = bar(8, 1, 0);
  assertEquals(readInk(raster, "light", FORMAT), raster);
  assertEquals(readInk(raster, "dark", FORMAT), bar(8, 0, 1));
});

Deno.test("readInk() refuses an empty page", () => {
  assertThrows(
    () => readInk(bar(50, 0.8, 0.8), "dark", FORMAT),
    Error,
    "there is nothing on it",
  );
});
