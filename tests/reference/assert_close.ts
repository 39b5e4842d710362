import { type Shape, size } from "./shape.ts";

/** A value passes when `|got - want| <= atol + rtol * |want|`. */
export interface Tolerance {
  rtol: number;
  atol: number;
}

/**
 * Tolerance for a float32 result that sums `terms` values.
 *
 * Model: every partial sum is rounded once, and the roundings are independent,
 * each at most u = 2^-24 of the partial sum. The root mean square error after
 * n terms of size s is then at most
 *
 * - terms of one sign, result about n s: u s n^(3/2) / sqrt(3), which is
 *   0.6 sqrt(n) u of the result;
 * - terms of random sign, partial sums about sqrt(k) s: 0.7 n u s, whatever is
 *   left after they cancel.
 *
 * So `rtol` grows with the root of n and `atol` with n. Both carry a factor of
 * 8 u: eleven times that error, and room for one WGSL division, square root or
 * product of a rounded factor. A forgotten term is far outside it: for 10,000
 * terms `atol` is 0.5 % of a term. Compare with a reference that read the same
 * float32 inputs (see `random`).
 *
 * @param terms Values summed into one result: kernel^2 * channels for a
 *   convolution; add some for `exp` and `log`, which WGSL lets err by several
 *   units in the last place.
 * @param scale Root mean square of one term.
 */
export function f32Tolerance(terms: number, scale = 1): Tolerance {
  if (!(terms >= 1) || !(scale > 0)) {
    throw new RangeError(
      `f32Tolerance: terms must be at least 1 and scale above 0, got ` +
        `${terms} and ${scale}`,
    );
  }
  const unit = 8 * 2 ** -24;
  return { rtol: unit * Math.sqrt(terms), atol: unit * terms * scale };
}

/**
 * Throws unless every value of `got` is within the tolerance of `want`. NaN
 * and infinities never pass, not even when both sides agree on them; neither
 * does an empty comparison, which would check nothing.
 *
 * @param options.shape Adds the position of the worst value to the message.
 * @throws {Error} Naming the worst value (the first, if several tie), what it
 *   should have been, and how many values differ.
 */
export function assertClose(
  got: ArrayLike<number>,
  want: ArrayLike<number>,
  { rtol, atol, shape }: Tolerance & { shape?: Shape },
): void {
  if (!(rtol >= 0 && atol >= 0 && rtol < Infinity && atol < Infinity)) {
    throw new RangeError(
      `assertClose: rtol and atol must be finite and at least 0, got ${rtol} ` +
        `and ${atol}`,
    );
  }
  if (got.length !== want.length) {
    throw new Error(`lengths differ: got ${got.length}, want ${want.length}`);
  }
  if (got.length === 0) throw new Error("nothing to compare: both are empty");
  if (shape && size(shape) !== got.length) {
    throw new RangeError(
      `assertClose: shape [${shape}] has ${size(shape)} values, the arrays ${got.length}`,
    );
  }
  let worst = 0, worstRatio = 0, differing = 0;
  for (let i = 0; i < got.length; i++) {
    const difference = Math.abs(got[i]! - want[i]!);
    const allowed = atol + rtol * Math.abs(want[i]!);
    const finite = Number.isFinite(got[i]) && Number.isFinite(want[i]);
    if (finite && difference <= allowed) continue;
    differing++;
    const ratio = finite ? difference / allowed : Infinity;
    if (ratio > worstRatio) [worst, worstRatio] = [i, ratio];
  }
  if (differing === 0) return;
  const at = shape ? `${worst} = [${position(worst, shape)}]` : `${worst}`;
  throw new Error(
    `${differing} of ${got.length} values differ; worst at index ${at}: ` +
      `got ${got[worst]}, want ${want[worst]}, difference ` +
      `${Math.abs(got[worst]! - want[worst]!)}, allowed ` +
      `${atol + rtol * Math.abs(want[worst]!)} (rtol ${rtol}, atol ${atol})`,
  );
}

function position(index: number, shape: Shape): number[] {
  return shape.map((extent, axis) => Math.floor(index / size(shape.slice(axis + 1))) % extent);
}
