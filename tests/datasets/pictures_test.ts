import { assertEquals } from "@std/assert";
import {
  crop,
  cropToProportions,
  type Raster,
  resize,
  toBytes,
  toRaster,
} from "../../datasets/pictures.ts";

/** Red left of green, over blue left of half-transparent black. */
const RGBA = Uint8ClampedArray.of(
  ...[255, 0, 0, 255, 0, 255, 0, 255],
  ...[0, 0, 255, 255, 0, 0, 0, 127],
);

const grey = (width: number, height: number, ...data: number[]): Raster => ({
  width,
  height,
  channels: 1,
  data: Float32Array.from(data),
});

const round = (values: Iterable<number>) =>
  Array.from(values, (value) => Math.round(value * 1000) / 1000);

Deno.test("toRaster() lays the picture on white and weighs the colours", () => {
  const picture = { width: 2, height: 2, rgba: RGBA };
  assertEquals(round(toRaster(picture, 1).data), [0.299, 0.587, 0.114, 0.502]);
  assertEquals(
    round(toRaster(picture, 3).data),
    [1, 0, 0, 0, 1, 0, 0, 0, 1, 0.502, 0.502, 0.502],
  );
});

Deno.test("resize() takes the mean of the area, whatever the ratio", () => {
  const raster = grey(3, 2, 0, 0.3, 0.6, 0.6, 0.3, 0);
  assertEquals(round(resize(raster, 1, 1).data), [0.3]);
  assertEquals(round(resize(raster, 3, 1).data), [0.3, 0.3, 0.3]);
  // 3 -> 2: each new column covers one old one and half of the middle.
  assertEquals(round(resize(raster, 2, 2).data), [0.1, 0.5, 0.5, 0.1]);
  assertEquals(round(resize(grey(1, 1, 0.7), 2, 2).data), [0.7, 0.7, 0.7, 0.7]);
});

Deno.test("resize() keeps channels apart, and pictures of the same size", () => {
  const raster = {
    width: 2,
    height: 1,
    channels: 3,
    data: Float32Array.of(1, 2, 3, 5, 6, 7),
  };
  assertEquals([...resize(raster, 1, 1).data], [3, 4, 5]);
  assertEquals(resize(raster, 2, 1), raster);
});

Deno.test("crop() cuts, and fills what lies outside", () => {
  const raster = grey(3, 2, 1, 2, 3, 4, 5, 6);
  assertEquals([...crop(raster, 1, 0, 2, 2).data], [2, 3, 5, 6]);
  assertEquals(
    [...crop(raster, -1, 1, 5, 2).data],
    [0, 4, 5, 6, 0, 0, 0, 0, 0, 0],
  );
});

Deno.test("cropToProportions() takes the largest part in the middle", () => {
  const wide = grey(5, 1, 1, 2, 3, 4, 5);
  assertEquals([...cropToProportions(wide, 8, 8).data], [3]);
  assertEquals([...cropToProportions(wide, 3, 1).data], [2, 3, 4]);
  const tall = grey(1, 4, 1, 2, 3, 4);
  assertEquals([...cropToProportions(tall, 2, 4).data], [2, 3]);
});

Deno.test("toBytes() spans 0 to the maximum and no more", () => {
  assertEquals([...toBytes(grey(4, 1, -0.1, 0, 0.5, 1.1), 16)], [0, 0, 8, 16]);
});
