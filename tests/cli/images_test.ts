import { assert, assertEquals, assertRejects } from "@std/assert";
import encodeJpeg from "@jsquash/jpeg/encode.js";
import encodePng from "@jsquash/png/encode.js";
import { decodePicture } from "../../cli/images.ts";
import { toRaster } from "../../datasets/pictures.ts";
import { makeDigits } from "../fixtures/make_digits.ts";

/** Red left of green, over blue left of half-transparent black. */
const RGBA = Uint8ClampedArray.of(
  ...[255, 0, 0, 255, 0, 255, 0, 255],
  ...[0, 0, 255, 255, 0, 0, 0, 127],
);

async function jpegOf(
  width: number,
  height: number,
  shade: (x: number) => number,
) {
  const rgba = new Uint8ClampedArray(width * height * 4).fill(255);
  for (let i = 0; i < width * height; i++) {
    rgba.fill(shade(i % width), 4 * i, 4 * i + 3);
  }
  const image = new ImageData(rgba, width, height);
  return new Uint8Array(await encodeJpeg(image, { quality: 95 }));
}

Deno.test("a PNG is decoded to the bytes it was made of", async () => {
  const png = await encodePng(new ImageData(RGBA, 2, 2));
  const picture = await decodePicture(new Uint8Array(png));
  assertEquals([picture.width, picture.height], [2, 2]);
  assertEquals([...picture.rgba], [...RGBA]);
});

Deno.test("a JPEG is decoded, light right of dark", async () => {
  const picture = await decodePicture(
    await jpegOf(32, 16, (x) => x < 16 ? 20 : 220),
  );
  assertEquals([picture.width, picture.height], [32, 16]);
  const { data } = toRaster(picture, 1);
  assert(
    Math.abs(data[4]! * 255 - 20) < 6 && Math.abs(data[28]! * 255 - 220) < 6,
  );
});

Deno.test("a JPEG is turned upright as its EXIF says", async () => {
  const jpeg = await jpegOf(32, 16, (x) => x < 16 ? 20 : 220);
  // APP1 with one entry, the orientation: 6, to be turned right by a quarter.
  const exif = Uint8Array.of(
    ...[0xff, 0xe1, 0, 34, ...new TextEncoder().encode("Exif\0\0MM\0*")],
    ...[0, 0, 0, 8, 0, 1, 1, 0x12, 0, 3, 0, 0, 0, 1, 0, 6, 0, 0, 0, 0, 0, 0],
  );
  const turned = new Uint8Array(jpeg.length + exif.length);
  turned.set(jpeg.subarray(0, 2));
  turned.set(exif, 2);
  turned.set(jpeg.subarray(2), 2 + exif.length);
  const picture = await decodePicture(turned);
  assertEquals([picture.width, picture.height], [16, 32]);
  const { data } = toRaster(picture, 1);
  assert(data[8]! < 0.2 && data[16 * 30 + 8]! > 0.7, "dark above light");
});

Deno.test("binary PGM and PPM are decoded, with comments and 16 bits", async () => {
  const file = (head: string, ...samples: number[]) =>
    Uint8Array.of(...new TextEncoder().encode(head), ...samples);
  const pgm = await decodePicture(
    file("P5 # a comment\n2\n1\n100\n", 0, 100),
  );
  assertEquals([...pgm.rgba], [0, 0, 0, 255, 255, 255, 255, 255]);
  const deep = await decodePicture(file("P5 1 1 65535 ", 0x80, 0));
  assertEquals(deep.rgba[0], 128);
  const ppm = await decodePicture(file("P6 1 1 255\n", 1, 2, 3));
  assertEquals([...ppm.rgba], [1, 2, 3, 255]);
});

Deno.test("a file that is no picture, or part of one, says so", async () => {
  const png = new Uint8Array(await encodePng(new ImageData(RGBA, 2, 2)));
  const jpeg = await jpegOf(64, 64, (x) => 4 * x);
  const text = (text: string) => new TextEncoder().encode(text);
  const cases: [Uint8Array, string][] = [
    [new Uint8Array(), "the file is empty"],
    [text("hello"), "it is not a PNG, JPEG, PGM or PPM picture"],
    [png.subarray(0, 50), "the PNG is damaged or cut short"],
    [jpeg.subarray(0, jpeg.length - 200), "the JPEG is damaged"],
    [jpeg.subarray(0, 30), "the JPEG is damaged"],
    [text("P5 2 2 255\nabc"), "the PGM or PPM is damaged or cut short"],
    [text("P5 2 2"), "the PGM or PPM has a damaged header"],
    [text("P5 1 1 0\na"), "the PGM or PPM is damaged or cut short"],
  ];
  for (const [bytes, message] of cases) {
    await assertRejects(() => decodePicture(bytes), Error, message);
  }
  // And a good one after bad ones.
  assertEquals((await decodePicture(png)).width, 2);
  assertEquals((await decodePicture(jpeg)).width, 64);
});

Deno.test("the shipped digit pictures are the test pictures, byte for byte", async () => {
  for (const [name, bytes] of await makeDigits()) {
    const url = new URL(`../fixtures/digits/${name}`, import.meta.url);
    assertEquals(await Deno.readFile(url), bytes, name);
    // Back to the values 0..16 of the dataset: each is a multiple of 1/16, within rounding.
    const { data } = toRaster(await decodePicture(bytes), 1);
    for (const value of data) {
      assert(Math.abs(value * 16 - Math.round(value * 16)) < 0.04);
    }
  }
});
