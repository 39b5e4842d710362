import { assertEquals, assertThrows } from "@std/assert";
import { conv2d, conv2dDw, conv2dDx, conv2dShape } from "./conv2d.ts";
import { assertGradient, dot } from "./numerical_grad.ts";
import { random } from "./random.ts";
import { type Shape4, size } from "./shape.ts";

const CASES: {
  shape: Shape4;
  co: number;
  kernel: number;
  stride: number;
  padding: number;
}[] = [
  { shape: [1, 1, 1, 1], co: 1, kernel: 1, stride: 1, padding: 0 },
  { shape: [1, 1, 1, 3], co: 5, kernel: 3, stride: 1, padding: 1 }, // one pixel, one tap of nine
  { shape: [2, 3, 5, 3], co: 2, kernel: 1, stride: 1, padding: 0 },
  { shape: [2, 4, 4, 1], co: 3, kernel: 1, stride: 2, padding: 0 },
  { shape: [2, 5, 4, 3], co: 5, kernel: 3, stride: 1, padding: 1 },
  { shape: [1, 7, 5, 5], co: 3, kernel: 3, stride: 2, padding: 1 },
  { shape: [1, 6, 8, 2], co: 3, kernel: 3, stride: 2, padding: 1 }, // the last row is not read
  { shape: [1, 7, 8, 1], co: 2, kernel: 3, stride: 3, padding: 0 },
  { shape: [2, 3, 4, 2], co: 3, kernel: 3, stride: 1, padding: 2 }, // larger than the image
  { shape: [1, 9, 7, 3], co: 2, kernel: 7, stride: 1, padding: 3 },
  { shape: [1, 8, 9, 1], co: 3, kernel: 7, stride: 2, padding: 3 },
  { shape: [1, 10, 9, 3], co: 1, kernel: 7, stride: 3, padding: 3 },
];
for (const { shape, ...conv } of CASES) {
  const { co, kernel, stride, padding } = conv;
  const name = `k${kernel} s${stride} p${padding} [${shape}] -> ${co}`;
  Deno.test(`conv2d() gradients agree with differences for ${name}`, () => {
    const x = random(shape, 1);
    const weight = random([kernel * kernel, shape[3], co], 2);
    const dy = random(conv2dShape(shape, conv), 3);
    assertGradient(
      conv2dDx(dy, shape, weight, conv),
      (x) => dot(conv2d(x, shape, weight, conv), dy),
      x,
    );
    assertGradient(
      conv2dDw(dy, shape, x, conv),
      (weight) => dot(conv2d(x, shape, weight, conv), dy),
      weight,
    );
  });
}

Deno.test("conv2d() agrees with a convolution worked by hand", () => {
  const x = Float64Array.of(1, 2, 3, 4, 5, 6, 7, 8, 9);
  const weight = Float64Array.of(0, 1, 0, 2, 3, 0, 0, 0, -1); // [ky][kx]
  const conv = { co: 1, kernel: 3, stride: 1, padding: 1 };
  assertEquals(
    conv2d(x, [1, 3, 3, 1], weight, conv),
    Float64Array.of(-2, 2, 13, 5, 16, 31, 25, 43, 49),
  );
  assertEquals(
    conv2d(x, [1, 3, 3, 1], weight, { ...conv, stride: 2 }),
    Float64Array.of(-2, 13, 25, 49),
  );
  assertEquals(
    conv2d(x, [1, 3, 3, 1], weight, { ...conv, padding: 0 }),
    Float64Array.of(16),
  );
});

Deno.test("conv2d() reads channels [tap][c_in][c_out] and keeps images apart", () => {
  const x = Float64Array.of(1, 2, 10, 20); // two images of one pixel
  const weight = Float64Array.of(1, 100, 1000, 3, 5, 7);
  assertEquals(
    conv2d(x, [2, 1, 1, 2], weight, {
      co: 3,
      kernel: 1,
      stride: 1,
      padding: 0,
    }),
    Float64Array.of(7, 110, 1014, 70, 1100, 10140),
  );
});

Deno.test("conv2d() halves and thirds images as the stems need", () => {
  const stem = { co: 16, kernel: 7, padding: 3 };
  assertEquals(conv2dShape([1, 32, 32, 3], { ...stem, stride: 1 }), [
    1,
    32,
    32,
    16,
  ]);
  assertEquals(conv2dShape([1, 64, 64, 3], { ...stem, stride: 2 }), [
    1,
    32,
    32,
    16,
  ]);
  assertEquals(conv2dShape([1, 96, 96, 3], { ...stem, stride: 3 }), [
    1,
    32,
    32,
    16,
  ]);
});

Deno.test("conv2d() refuses a kernel that does not fit, and short arrays", () => {
  const conv = { co: 1, kernel: 3, stride: 1, padding: 0 };
  assertThrows(
    () => conv2dShape([1, 2, 5, 1], conv),
    RangeError,
    "kernel of 3 does not fit 2x5",
  );
  const shape: Shape4 = [1, 3, 3, 1];
  const short = new Float64Array(8), full = new Float64Array(size(shape));
  assertThrows(
    () => conv2d(short, shape, full, conv),
    RangeError,
    "x must hold the 9",
  );
  assertThrows(
    () => conv2d(full, shape, short, conv),
    RangeError,
    "weight must hold",
  );
  assertThrows(
    () => conv2dDx(short, shape, full, conv),
    RangeError,
    "dy must hold",
  );
  assertThrows(
    () => conv2dDw(short, shape, full, conv),
    RangeError,
    "dy must hold",
  );
});
