import { relu, reluGrad } from "./relu.ts";
import { checkLength, type Shape } from "./shape.ts";

export interface L2Normalize {
  /** The least norm that a row is divided by. */
  epsilon: number;
  /** Apply ReLU to the result. */
  relu?: boolean;
}

/** What each row is divided by, and whether that is its norm. */
function divisors(x: Float64Array, [n, c]: Shape, epsilon: number) {
  return Array.from({ length: n! }, (_, row) => {
    const norm = Math.hypot(...x.subarray(row * c!, (row + 1) * c!));
    return { divisor: Math.max(norm, epsilon), isNorm: norm > epsilon };
  });
}

/**
 * Rows divided by their L2 norm, or by epsilon where that is larger; channels scaled; perhaps ReLU.
 *
 * @param x `[n, c]`.
 * @param scale `[c]`.
 * @returns `[n, c]`.
 */
export function l2Normalize(
  x: Float64Array,
  shape: Shape,
  scale: Float64Array,
  options: L2Normalize,
): Float64Array {
  const c = shape.at(-1)!;
  checkLength("l2Normalize: x", x, shape);
  checkLength("l2Normalize: scale", scale, [c]);
  const rows = divisors(x, shape, options.epsilon);
  const y = x.map((value, i) => scale[i % c]! * value / rows[Math.floor(i / c)]!.divisor);
  return options.relu ? relu(y) : y;
}

/** Gradients of both, from `dy` `[n, c]`. */
export function l2NormalizeGrad(
  dy: Float64Array,
  x: Float64Array,
  shape: Shape,
  scale: Float64Array,
  options: L2Normalize,
): { dx: Float64Array; dscale: Float64Array } {
  const c = shape.at(-1)!;
  checkLength("l2NormalizeGrad: dy", dy, shape);
  const y = l2Normalize(x, shape, scale, { epsilon: options.epsilon });
  const d = options.relu ? reluGrad(dy, y) : dy;
  const dx = new Float64Array(x.length), dscale = new Float64Array(c);
  divisors(x, shape, options.epsilon).forEach(({ divisor, isNorm }, row) => {
    const at = Array.from({ length: c }, (_, channel) => row * c + channel);
    const unit = at.map((i) => x[i]! / divisor);
    const dunit = at.map((i, channel) => d[i]! * scale[channel]!);
    const along = dunit.reduce((sum, value, channel) => sum + value * unit[channel]!, 0);
    at.forEach((i, channel) => {
      dscale[channel]! += d[i]! * unit[channel]!;
      dx[i] = (dunit[channel]! - (isNorm ? along * unit[channel]! : 0)) / divisor;
    });
  });
  return { dx, dscale };
}
