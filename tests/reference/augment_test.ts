import { assertEquals, assertThrows } from "@std/assert";
import { mat3 } from "wgpu-matrix";
import { assertClose } from "./assert_close.ts";
import { augment } from "./augment.ts";
import { random } from "./random.ts";
import { type Shape4, size } from "./shape.ts";

/** `wgpu-matrix` makes float32 matrices, so positions are off by about 1e-6 pixels. */
const FLOAT32 = { rtol: 1e-5, atol: 1e-3 };

const bytes = (shape: Shape4, seed: number) =>
  Uint8Array.from(
    random(shape, seed),
    (value) => Math.round((value + 1) * 127.5),
  );

/** Moves every image by one matrix; the values stay bytes. */
function moved(images: Uint8Array, shape: Shape4, matrix: ArrayLike<number>) {
  const [n, , , c] = shape;
  const matrices = Array.from({ length: n }, () => Array.from(matrix)).flat();
  const ones = new Float64Array(c).fill(1), zeros = new Float64Array(c);
  return augment(images, shape, matrices, ones, zeros);
}

/** The image whose pixel (x, y) is the source's `from(x, y)`, black outside. */
function permuted(
  images: Uint8Array,
  shape: Shape4,
  from: (x: number, y: number) => [number, number],
): Float64Array {
  const [, h, w, c] = shape;
  return new Float64Array(size(shape)).map((_, i) => {
    const pixel = Math.floor(i / c), image = Math.floor(pixel / (h * w));
    const [x, y] = from(pixel % w, Math.floor(pixel / w) % h);
    if (x < 0 || x >= w || y < 0 || y >= h) return 0;
    return images[((image * h + y) * w + x) * c + i % c]!;
  });
}

const SHAPES: Shape4[] = [[1, 1, 1, 1], [2, 3, 5, 3], [1, 8, 8, 1]];
for (const shape of SHAPES) {
  const w = shape[2], images = bytes(shape, 1);

  Deno.test(`augment() by the identity returns the bytes of [${shape}]`, () => {
    assertClose(moved(images, shape, mat3.identity()), images, FLOAT32);
  });

  Deno.test(`augment() crops [${shape}] out of zero padding`, () => {
    for (
      const [dx, dy] of [[0, 0], [1, 0], [-2, 1], [0, -1], [9, 9]] as const
    ) {
      assertClose(
        moved(images, shape, mat3.translation([dx, dy])),
        permuted(images, shape, (x, y) => [x + dx, y + dy]),
        FLOAT32,
      );
    }
  });

  Deno.test(`augment() mirrors [${shape}] after a crop`, () => {
    const mirror = mat3.scale(mat3.translation([w, 0]), [-1, 1]);
    assertClose(
      moved(images, shape, mirror),
      permuted(images, shape, (x, y) => [w - 1 - x, y]),
      FLOAT32,
    );
    assertClose(
      moved(images, shape, mat3.multiply(mat3.translation([1, -1]), mirror)),
      permuted(images, shape, (x, y) => [w - 1 - x + 1, y - 1]),
      FLOAT32,
    );
  });
}

Deno.test("augment() turns a square by a quarter about its centre", () => {
  for (const side of [1, 4, 5]) {
    const shape: Shape4 = [2, side, side, 3], images = bytes(shape, 2);
    const centre = [side / 2, side / 2], back = [-side / 2, -side / 2];
    const turn = mat3.translate(
      mat3.rotate(mat3.translation(centre), Math.PI / 2),
      back,
    );
    assertClose(
      moved(images, shape, turn),
      permuted(images, shape, (x, y) => [side - 1 - y, x]),
      FLOAT32,
    );
  }
});

Deno.test("augment() mixes neighbours, and fades to black at the edge", () => {
  const shape: Shape4 = [1, 2, 2, 1], images = Uint8Array.of(100, 200, 40, 80);
  assertClose(
    moved(images, shape, mat3.translation([0.5, 0])),
    [150, 100, 60, 40],
    FLOAT32,
  );
  assertClose(
    moved(images, shape, mat3.translation([-0.25, 0.5])),
    [0.75 * 70, 0.25 * 70 + 0.75 * 140, 0.75 * 20, 0.25 * 20 + 0.75 * 40],
    FLOAT32,
  );
});

Deno.test("augment() of a zoom reads a linear ramp exactly", () => {
  const shape: Shape4 = [1, 4, 9, 1];
  const images = new Uint8Array(36).map((_, i) => 10 * (i % 9) + 5); // 10 times the centre's x
  const zoom = mat3.scale(mat3.translation([2, 1]), [0.5, 0.5]);
  const want = new Float64Array(36).map((_, i) => 10 * (2 + 0.5 * (i % 9 + 0.5)));
  assertClose(moved(images, shape, zoom), want, FLOAT32);
});

Deno.test("augment() scales and shifts each channel, black included, by its own image's matrix", () => {
  const shape: Shape4 = [2, 1, 2, 2],
    images = Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8);
  const matrices = [...mat3.identity(), ...mat3.translation([1, 0])];
  assertEquals(
    augment(images, shape, matrices, [2, 10], [0.5, -1]),
    Float64Array.of(2.5, 19, 6.5, 39, 14.5, 79, 0.5, -1),
  );
});

Deno.test("augment() refuses matrices and scales of other lengths", () => {
  const shape: Shape4 = [1, 1, 1, 2],
    images = new Uint8Array(2),
    identity = mat3.identity();
  assertThrows(
    () => augment(images, shape, [1, 0, 0, 1], [1, 1], [0, 0]),
    RangeError,
    "matrices must hold the 12",
  );
  assertThrows(
    () => augment(images, shape, identity, [1], [0, 0]),
    RangeError,
    "scale",
  );
});
