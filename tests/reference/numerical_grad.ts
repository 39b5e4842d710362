import { assertClose } from "./assert_close.ts";

/** Inner product of two arrays of one length. */
export function dot(a: ArrayLike<number>, b: ArrayLike<number>): number {
  if (a.length !== b.length) {
    throw new RangeError(`dot: lengths differ, ${a.length} and ${b.length}`);
  }
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i]! * b[i]!;
  return sum;
}

/**
 * Gradient of a scalar function by central differences, two calls a value.
 *
 * With values near 1, `h = 1e-5` balances the two errors: truncation, about
 * h^2 = 1e-10, and rounding, about 2^-53 / h = 1e-11.
 */
export function numericalGrad(
  f: (x: Float64Array) => number,
  x: Float64Array,
  h = 1e-5,
): Float64Array {
  const probe = x.slice();
  return x.map((value, i) => {
    const above = value + h, below = value - h;
    probe[i] = above;
    const high = f(probe);
    probe[i] = below;
    const low = f(probe);
    probe[i] = value;
    return (high - low) / (above - below); // the step that was taken, not 2 * h
  });
}

/** Throws unless `gradient` is the gradient of `f` at `x`. */
export function assertGradient(
  gradient: Float64Array,
  f: (x: Float64Array) => number,
  x: Float64Array,
): void {
  assertClose(gradient, numericalGrad(f, x), { rtol: 1e-7, atol: 1e-8 });
}
