import { augmentKernel } from "../../shaders/augment.ts";
import { ShapeError } from "../gpu/errors.ts";
import type { Tape } from "../tape.ts";
import type { Tensor } from "../tensor.ts";

/** Floats of a 3x3 matrix in WGSL's layout and in wgpu-matrix's: three columns, each padded to 4. */
export const MATRIX_LENGTH = 12;

/** Byte images of one size, and where they sit in a batch. */
export interface ImageShape {
  /** Rows of pixels. */
  height: number;
  /** Pixels in a row. */
  width: number;
  /** 1 to 4. */
  channels: number;
}

/** 4-byte elements that hold `count` images. */
export function packedLength(
  count: number,
  { height, width, channels }: ImageShape,
): number {
  return Math.ceil(count * height * width * channels / 4);
}

/**
 * Turns bytes into network input: moves each picture by its own affine map (zeros come in from
 * outside), then scales and shifts each channel.
 *
 * @param bytes [packedLength(n, image)], u32: the pictures' bytes, row by row, channels last.
 * @param matrices [n, 12]: of each picture, from output to source position in pixels.
 * @param normalization [8]: scale of each channel, padded to 4; then shift.
 * @returns [n, height, width, 4].
 */
export function augment(
  tape: Tape,
  bytes: Tensor,
  matrices: Tensor,
  normalization: Tensor,
  image: ImageShape,
): Tensor {
  const n = matrices.shape[0]!;
  const { height, width, channels } = image;
  if (
    channels < 1 || channels > 4 ||
    bytes.shape.join() !== `${packedLength(n, image)}` ||
    matrices.shape.join() !== `${n},${MATRIX_LENGTH}` ||
    normalization.shape.join() !== "8"
  ) {
    throw new ShapeError(
      `augment: ${n} images of ${height}x${width}x${channels} need bytes ` +
        `[${packedLength(n, image)}], matrices [${n},${MATRIX_LENGTH}], normalization [8] and 1 ` +
        `to 4 channels, got [${bytes.shape}], [${matrices.shape}], [${normalization.shape}]`,
    );
  }
  const outputs = { y: [n, height, width, 4] };
  return tape.run(augmentKernel, { bytes, matrices, normalization }, outputs, {
    channels,
  }).y;
}
