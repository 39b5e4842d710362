import { assert, assertEquals } from "@std/assert";
import { mat3 } from "wgpu-matrix";
import { augmentationMatrices, identityMatrices } from "../../dvn/augmentation.ts";
import { MATRIX_LENGTH } from "../../nn/ops/augment.ts";
import { Random } from "../../nn/random.ts";

const COUNT = 64;
const WIDTH = 32;
const PAD = 4;

Deno.test("identityMatrices() are wgpu-matrix's", () => {
  const matrices = new Float32Array(2 * MATRIX_LENGTH).fill(7);
  identityMatrices(matrices);
  assertEquals(matrices, Float32Array.from([...mat3.identity(), ...mat3.identity()]));
});

Deno.test("augmentationMatrices() are the shifts and mirror images that wgpu-matrix composes", () => {
  const matrices = new Float32Array(COUNT * MATRIX_LENGTH).fill(7);
  augmentationMatrices(matrices, WIDTH, { pad: PAD, flip: true }, new Random(5, 0));
  const random = new Random(5, 0);
  let mirrored = 0;
  for (let i = 0; i < COUNT; i++) {
    const offset = () => random.below(2 * PAD + 1) - PAD;
    const want = mat3.translation([offset(), offset()]);
    if (random.uniform() < 0.5) {
      mat3.scale(mat3.translate(want, [WIDTH, 0], want), [-1, 1], want);
      mirrored++;
    }
    const got = matrices.subarray(i * MATRIX_LENGTH, (i + 1) * MATRIX_LENGTH);
    // + 0: a product can be -0.
    assertEquals(Array.from(got), Array.from(want, (value) => value + 0));
  }
  assert(mirrored > 0 && mirrored < COUNT, `${mirrored} of ${COUNT} mirrored`);
});

Deno.test("augmentationMatrices() without flips only shift, by at most the padding", () => {
  const matrices = new Float32Array(COUNT * MATRIX_LENGTH);
  augmentationMatrices(matrices, WIDTH, { pad: PAD, flip: false }, new Random(5, 0));
  const shifts = new Set<number>();
  for (let at = 0; at < matrices.length; at += MATRIX_LENGTH) {
    assertEquals([...matrices.subarray(at, at + 8)], [1, 0, 0, 0, 0, 1, 0, 0]);
    for (const value of matrices.subarray(at + 8, at + 10)) shifts.add(value);
  }
  assertEquals([...shifts].sort((a, b) => a - b), [-4, -3, -2, -1, 0, 1, 2, 3, 4]);
});
