// A bare name would need an import map, which users who import by URL do not have.
// deno-lint-ignore no-import-prefix
import { mat3 } from "npm:wgpu-matrix@3.4.2";
import { MATRIX_LENGTH } from "../nn/ops/augment.ts";
import type { Random } from "../nn/random.ts";
import type { Scenario } from "./scenario.ts";

/** Fills matrices that leave the pictures as they are. */
export function identityMatrices(matrices: Float32Array): void {
  for (let at = 0; at < matrices.length; at += MATRIX_LENGTH) {
    mat3.identity(matrices.subarray(at, at + MATRIX_LENGTH));
  }
}

/**
 * Fills one random map from output to source position for each picture: a crop of the picture padded
 * with zeros and, if asked, a mirror image.
 *
 * @param width Of the pictures, in pixels.
 */
export function augmentationMatrices(
  matrices: Float32Array,
  width: number,
  { pad, flip }: Scenario["augmentation"],
  random: Random,
): void {
  for (let at = 0; at < matrices.length; at += MATRIX_LENGTH) {
    const matrix = matrices.subarray(at, at + MATRIX_LENGTH);
    const offset = () => random.below(2 * pad + 1) - pad;
    mat3.translation([offset(), offset()], matrix);
    if (flip && random.uniform() < 0.5) {
      mat3.translate(matrix, [width, 0], matrix);
      mat3.scale(matrix, [-1, 1], matrix);
    }
  }
}
