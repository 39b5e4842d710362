import { assert, assertEquals, assertThrows } from "@std/assert";
import { preparePicture } from "../../datasets/prepare_picture.ts";

const FORMAT = { width: 8, height: 8, channels: 1, maximum: 16 };

/** A dark stroke down the middle of a light page, or the other way round. */
function stroke(page: number, ink: number) {
  const side = 40;
  const rgba = new Uint8ClampedArray(4 * side * side).fill(255);
  for (let i = 0; i < side * side; i++) {
    const inside = Math.abs(i % side - 20) < 3 && Math.abs(Math.floor(i / side) - 20) < 12;
    rgba.fill(inside ? ink : page, 4 * i, 4 * i + 3);
  }
  return { width: side, height: side, rgba };
}

Deno.test("preparePicture() sees the ink and makes both kinds light on dark, alike", () => {
  const dark = preparePicture(stroke(250, 10), FORMAT, "auto");
  const light = preparePicture(stroke(5, 245), FORMAT, "auto");
  assertEquals([dark.ink, light.ink], ["dark", "light"]);
  assertEquals(dark.bytes, light.bytes);
  const columns = (x: number) => Array.from({ length: 8 }, (_, y) => dark.bytes[8 * y + x]!);
  assertEquals(columns(0), new Array(8).fill(0));
  assert(Math.max(...columns(3), ...columns(4)) > 12);
});

Deno.test("preparePicture() takes a picture as it is, cut and resized, if told so", () => {
  const { bytes, ink } = preparePicture(stroke(255, 255), FORMAT, "none");
  assertEquals([...bytes], new Array(64).fill(16));
  assertEquals(ink, undefined);
  const colour = { ...FORMAT, channels: 3, maximum: 255 };
  assertEquals(preparePicture(stroke(51, 51), colour, "none").bytes, new Uint8Array(192).fill(51));
});

Deno.test("preparePicture() refuses ink for networks of colour, and an empty page", () => {
  assertThrows(
    () => preparePicture(stroke(255, 0), { ...FORMAT, channels: 3 }, "dark"),
    RangeError,
    "this one has 3 channels",
  );
  assertThrows(() => preparePicture(stroke(9, 9), FORMAT, "auto"), Error, "nothing on it");
});
