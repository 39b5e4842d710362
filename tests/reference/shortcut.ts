import { checkLength, type Shape4 } from "./shape.ts";

/**
 * Shape of the output, with one channel for each entry of the map.
 *
 * @throws {RangeError} If stride 2 meets an odd side, or the map names a channel that x lacks.
 */
export function shortcutShape(
  [n, h, w, c]: Shape4,
  map: Int32Array,
  stride: 1 | 2,
): Shape4 {
  if (h % stride || w % stride) {
    throw new RangeError(
      `shortcut: stride ${stride} needs even sides, got ${h}x${w}`,
    );
  }
  const outside = map.find((channel) => channel < -1 || channel >= c);
  if (outside !== undefined) {
    throw new RangeError(
      `shortcut: the map names channel ${outside} of ${c}; -1 is zero`,
    );
  }
  return [n, h / stride, w / stride, map.length];
}

/** Calls `visit` for each input value that an output value averages. */
function forEachSource(
  shape: Shape4,
  map: Int32Array,
  stride: 1 | 2,
  visit: (x: number, y: number) => void,
): void {
  const [n, h, w, ci] = shape, co = map.length;
  shortcutShape(shape, map, stride);
  for (let image = 0; image < n; image++) {
    for (let iy = 0; iy < h; iy++) {
      for (let ix = 0; ix < w; ix++) {
        const x = ((image * h + iy) * w + ix) * ci;
        const row = image * (h / stride) + Math.floor(iy / stride);
        const y = (row * (w / stride) + Math.floor(ix / stride)) * co;
        map.forEach((channel, o) => {
          if (channel >= 0) visit(x + channel, y + o);
        });
      }
    }
  }
}

/**
 * Parameter-free residual shortcut: output channel o is input channel `map[o]`, or 0 where that is
 * -1; with stride 2, the mean of its 2x2 pixels.
 *
 * @param x `[n, h, w, ci]`.
 * @param map Source channel of each output channel. One source may serve several.
 * @returns `[n, h / stride, w / stride, map.length]`.
 */
export function shortcut(
  x: Float64Array,
  shape: Shape4,
  map: Int32Array,
  stride: 1 | 2,
): Float64Array {
  checkLength("shortcut: x", x, shape);
  const [n, h, w, co] = shortcutShape(shape, map, stride);
  const y = new Float64Array(n * h * w * co);
  forEachSource(shape, map, stride, (xAt, yAt) => {
    y[yAt]! += x[xAt]! / (stride * stride);
  });
  return y;
}

/**
 * Gradient of the input.
 *
 * @param shape That of x.
 */
export function shortcutGrad(
  dy: Float64Array,
  shape: Shape4,
  map: Int32Array,
  stride: 1 | 2,
): Float64Array {
  checkLength("shortcutGrad: dy", dy, shortcutShape(shape, map, stride));
  const [n, h, w, ci] = shape;
  const dx = new Float64Array(n * h * w * ci);
  forEachSource(shape, map, stride, (xAt, yAt) => {
    dx[xAt]! += dy[yAt]! / (stride * stride);
  });
  return dx;
}

/**
 * The map of a stage change: each unit is its old channels, then zeros, so that units stay aligned.
 *
 * @throws {RangeError} If a unit shrinks, or the numbers of units differ.
 */
export function paddedUnits(
  inWidths: readonly number[],
  outWidths: readonly number[],
): Int32Array {
  if (
    inWidths.length !== outWidths.length ||
    inWidths.some((w, u) => w > outWidths[u]!)
  ) {
    throw new RangeError(
      `paddedUnits: cannot pad units of [${inWidths}] to [${outWidths}]`,
    );
  }
  let first = 0;
  return Int32Array.from(outWidths.flatMap((width, unit) => {
    const source = Array.from(
      { length: width },
      (_, c) => c < inWidths[unit]! ? first + c : -1,
    );
    first += inWidths[unit]!;
    return source;
  }));
}
