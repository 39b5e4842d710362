import { checkLength, type Shape4 } from "./shape.ts";

/**
 * Moves each image by its own affine transform and turns bytes into numbers.
 *
 * Output pixel (ox, oy) samples the source at `M (ox + 0.5, oy + 0.5, 1)`, bilinearly between pixel
 * centres, which lie at halves; outside the image every byte is 0. Then the value is
 * `sample * scale[c] + shift[c]`.
 *
 * @param bytes `[n, h, w, c]`.
 * @param matrices n matrices of 12 floats, as `wgpu-matrix`'s mat3 has them: three columns, each
 *   padded to 4. The last row is taken to be (0, 0, 1).
 * @returns `[n, h, w, c]`.
 */
export function augment(
  bytes: Uint8Array,
  shape: Shape4,
  matrices: ArrayLike<number>,
  scale: ArrayLike<number>,
  shift: ArrayLike<number>,
): Float64Array {
  const [n, h, w, c] = shape;
  checkLength("augment: bytes", bytes, shape);
  checkLength("augment: matrices", matrices, [n, 12]);
  checkLength("augment: scale", scale, [c]);
  checkLength("augment: shift", shift, [c]);
  const byteAt = (image: number, y: number, x: number, channel: number) =>
    y < 0 || y >= h || x < 0 || x >= w ? 0 : bytes[((image * h + y) * w + x) * c + channel]!;

  const result = new Float64Array(n * h * w * c);
  let at = 0;
  for (let image = 0; image < n; image++) {
    const m = (i: number) => matrices[image * 12 + i]!;
    for (let oy = 0; oy < h; oy++) {
      for (let ox = 0; ox < w; ox++) {
        const x = m(0) * (ox + 0.5) + m(4) * (oy + 0.5) + m(8) - 0.5;
        const y = m(1) * (ox + 0.5) + m(5) * (oy + 0.5) + m(9) - 0.5;
        const left = Math.floor(x), top = Math.floor(y);
        const right = x - left, below = y - top; // weights of those neighbours
        for (let channel = 0; channel < c; channel++) {
          const mix = (row: number) =>
            byteAt(image, row, left, channel) * (1 - right) +
            byteAt(image, row, left + 1, channel) * right;
          const sample = mix(top) * (1 - below) + mix(top + 1) * below;
          result[at++] = sample * scale[channel]! + shift[channel]!;
        }
      }
    }
  }
  return result;
}
