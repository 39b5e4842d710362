import { assertEquals, assertThrows } from "@std/assert";
import { mat3 } from "wgpu-matrix";
import { ShapeError } from "../../nn/gpu/errors.ts";
import type { Gpu } from "../../nn/gpu/gpu.ts";
import { augment, MATRIX_LENGTH, packedLength } from "../../nn/ops/augment.ts";
import { Tape } from "../../nn/tape.ts";
import * as reference from "../reference/mod.ts";
import type { OpCase } from "./harness.ts";

const { assertClose, f32Tolerance, random } = reference;

const SCALE = [1 / 255, 2 / 255, 1 / 64, 3 / 255];
const SHIFT = [-0.5, 0.25, -1, 0];

const randomBytes = (length: number) =>
  Uint8Array.from(random([length], 1), (value) => 127.5 * (value + 1));

/** @returns [n, h, w, 4], padding included. */
async function runAugment(
  gpu: Gpu,
  bytes: Uint8Array,
  [n, height, width, channels]: reference.Shape4,
  matrices: Float32Array,
): Promise<Float32Array> {
  const image = { height, width, channels };
  const tape = new Tape(gpu);
  const packed = tape.input("bytes", [packedLength(n, image)]);
  const maps = tape.input("matrices", [n, MATRIX_LENGTH]);
  const normalization = tape.input("normalization", [8]);
  const y = tape.output(
    augment(tape, packed, maps, normalization, image),
  );
  const plan = await tape.compile("augment");
  try {
    plan.input(packed, Uint8Array).set(bytes);
    plan.input(maps, Float32Array).set(matrices);
    const padded = (values: number[]) => values.map((value, c) => c < channels ? value : 0);
    plan.input(normalization, Float32Array).set([
      ...padded(SCALE),
      ...padded(SHIFT),
    ]);
    plan.run();
    return await plan.read(y);
  } finally {
    plan.destroy();
  }
}

/** Maps from output to source, about the picture's centre where that matters. */
function transforms(
  width: number,
  height: number,
): Record<string, Float32Array> {
  const about = (change: (matrix: Float32Array) => void) => {
    const matrix = mat3.translation([width / 2, height / 2]);
    change(matrix);
    return mat3.translate(matrix, [-width / 2, -height / 2], matrix);
  };
  return {
    identity: mat3.identity(),
    crop: mat3.translation([2, -1]),
    flip: mat3.scale(mat3.translation([width, 0]), [-1, 1]),
    rotation: about((m) => mat3.rotate(m, 0.4, m)),
    scale: about((m) => mat3.scale(m, [0.7, 1.3], m)),
    away: mat3.translation([3 * width, 0]),
  };
}

/** 1, 3 and 4 channels; bytes that do and do not fill their last word. */
const SHAPES: [h: number, w: number, c: number][] = [[3, 5, 1], [5, 3, 3], [
  4,
  6,
  4,
]];

const identityOf = (n: number) =>
  Float32Array.from(
    { length: n * MATRIX_LENGTH },
    (_, i) => mat3.identity()[i % MATRIX_LENGTH]!,
  );

export const augmentCases: OpCase[] = [
  ...SHAPES.map(([h, w, c]): OpCase => ({
    name: `augment() agrees with float64 for pictures of ${h}x${w}x${c}`,
    run: async (gpu) => {
      const named = transforms(w, h);
      const maps = Object.values(named);
      const shape: reference.Shape4 = [maps.length, h, w, c];
      const bytes = randomBytes(reference.size(shape));
      const matrices = Float32Array.from(maps.flatMap((map) => [...map]));
      const got = await runAugment(gpu, bytes, shape, matrices);
      const want = reference.augment(
        bytes,
        shape,
        matrices,
        SCALE.slice(0, c),
        SHIFT.slice(0, c),
      );
      const channels = [...Array(c).keys()];
      const dense = reference.selectChannels(
        Float64Array.from(got),
        4,
        channels,
      );
      // A position is a sum of three terms, and moves the sample by up to 255 a pixel.
      const tolerance = f32Tolerance(3, 255 / 64 * Math.max(h, w));
      assertClose(dense, want, { ...tolerance, shape });
      assertEquals(
        got.findIndex((value, i) => i % 4 >= c && value !== 0),
        -1,
        "channels past the picture's are zero",
      );
    },
  })),
  {
    name: "augment() moves whole pixels exactly: identity, crop and mirror image",
    run: async (gpu) => {
      const shape: reference.Shape4 = [3, 2, 3, 1];
      const bytes = Uint8Array.from({ length: 18 }, (_, i) => i + 1);
      const { identity, flip } = transforms(3, 2);
      const matrices = Float32Array.from([
        ...identity!,
        ...mat3.translation([1, -1]),
        ...flip!,
      ]);
      const got = await runAugment(gpu, bytes, shape, matrices);
      const red = [...got].filter((_, i) => i % 4 === 0);
      const sources = [
        [1, 2, 3, 4, 5, 6],
        [0, 0, 0, 8, 9, 0], // down and to the left; zeros come in
        [15, 14, 13, 18, 17, 16],
      ].flat();
      assertClose(
        red,
        sources.map((byte) => byte * SCALE[0]! + SHIFT[0]!),
        f32Tolerance(1),
      );
    },
  },
  {
    name: "augment() reads every picture of a batch that ends within a word",
    run: async (gpu) => {
      const shape: reference.Shape4 = [5, 3, 3, 3]; // 135 bytes
      const bytes = randomBytes(135);
      const got = await runAugment(gpu, bytes, shape, identityOf(5));
      const dense = [...got].filter((_, i) => i % 4 < 3);
      assertClose(
        dense,
        [...bytes].map((byte, i) => byte * SCALE[i % 3]! + SHIFT[i % 3]!),
        f32Tolerance(2),
      );
    },
  },
  {
    name: "augment() says what does not fit",
    run: (gpu) => {
      const tape = new Tape(gpu);
      const image = { height: 3, width: 3, channels: 3 };
      const matrices = tape.input("matrices", [2, MATRIX_LENGTH]);
      const normalization = tape.input("normalization", [8]);
      const refuses = (length: number, channels: number, message: string) =>
        assertEquals(
          assertThrows(() => {
            const bytes = tape.input("bytes", [length]);
            augment(tape, bytes, matrices, normalization, {
              ...image,
              channels,
            });
          }, ShapeError).message,
          message,
        );
      refuses(
        13,
        3,
        "augment: 2 images of 3x3x3 need bytes [14], matrices [2,12], normalization [8] and 1 to " +
          "4 channels, got [13], [2,12], [8]",
      );
      refuses(
        23,
        5,
        "augment: 2 images of 3x3x5 need bytes [23], matrices [2,12], normalization [8] and 1 to " +
          "4 channels, got [23], [2,12], [8]",
      );
      return Promise.resolve();
    },
  },
];
