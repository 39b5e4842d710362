import { type Shape, size } from "./shape.ts";

/**
 * Uniform values in [-1, 1] from a seed, each exactly a float32: the GPU and
 * the float64 reference then read the same inputs, and what is left between
 * their results is arithmetic.
 *
 * The generator is mulberry32 (Tommy Ettinger, public domain).
 *
 * @param seed An unsigned 32-bit integer; equal seeds give equal values.
 * @param offZero The least magnitude. Above 0 it keeps values off the kink of
 *   ReLU, where a finite difference means nothing.
 */
export function random(
  shape: Shape,
  seed: number,
  { offZero = 0 }: { offZero?: number } = {},
): Float64Array {
  let state = seed >>> 0;
  const uniform = () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
  return new Float64Array(size(shape)).map(() => {
    const value = 2 * uniform() - 1;
    const magnitude = offZero + (1 - offZero) * Math.abs(value);
    return Math.fround(value < 0 ? -magnitude : magnitude);
  });
}
