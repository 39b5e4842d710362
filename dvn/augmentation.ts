import { MATRIX_LENGTH } from "../nn/ops/augment.ts";
import type { Random } from "../nn/random.ts";
import type { Scenario } from "./scenario.ts";

/** Fills matrices that leave the pictures as they are. */
export function identityMatrices(matrices: Float32Array): void {
  for (let at = 0; at < matrices.length; at += MATRIX_LENGTH) {
    matrices.set(shift(0, 0), at);
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
    const offset = () => random.below(2 * pad + 1) - pad;
    const [x, y] = [offset(), offset()];
    const mirrored = flip && random.uniform() < 0.5;
    matrices.set(mirrored ? shift(x + width, y, -1) : shift(x, y), at);
  }
}

/** A shift, after x was multiplied by `scale`, as three columns padded to 4. */
function shift(x: number, y: number, scale = 1): number[] {
  return [scale, 0, 0, 0, 0, 1, 0, 0, x, y, 1, 0];
}
