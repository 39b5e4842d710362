import { checkLength, type Shape4 } from "./shape.ts";

/** A convolution without bias. */
export interface Conv2d {
  /** Output channels. */
  co: number;
  /** Side of the square kernel. */
  kernel: number;
  stride: number;
  /** Zeros on every side. */
  padding: number;
}

/**
 * Shape of the output: `floor((h + 2 * padding - kernel) / stride) + 1` rows.
 *
 * @throws {RangeError} If the kernel does not fit the padded image.
 */
export function conv2dShape([n, h, w]: Shape4, conv: Conv2d): Shape4 {
  const { co, kernel, stride, padding } = conv;
  const side = (extent: number) => Math.floor((extent + 2 * padding - kernel) / stride) + 1;
  if (side(h) < 1 || side(w) < 1) {
    throw new RangeError(
      `conv2d: a kernel of ${kernel} does not fit ${h}x${w} padded by ${padding}`,
    );
  }
  return [n, side(h), side(w), co];
}

/**
 * Calls `visit` for each tap of each output pixel that reads inside the image,
 * with the offsets of the input pixel, the output pixel and the tap's weights.
 */
function forEachTap(
  shape: Shape4,
  conv: Conv2d,
  visit: (x: number, y: number, weight: number) => void,
): void {
  const [n, h, w, ci] = shape;
  const { co, kernel, stride, padding } = conv;
  const [, ho, wo] = conv2dShape(shape, conv);
  for (let image = 0; image < n; image++) {
    for (let oy = 0; oy < ho; oy++) {
      for (let ox = 0; ox < wo; ox++) {
        const y = ((image * ho + oy) * wo + ox) * co;
        for (let tap = 0; tap < kernel * kernel; tap++) {
          const iy = oy * stride + Math.floor(tap / kernel) - padding;
          const ix = ox * stride + tap % kernel - padding;
          if (iy < 0 || iy >= h || ix < 0 || ix >= w) continue;
          visit(((image * h + iy) * w + ix) * ci, y, tap * ci * co);
        }
      }
    }
  }
}

/**
 * Convolution (a cross-correlation, as everywhere in the field).
 *
 * @param x `[n, h, w, ci]`.
 * @param weight `[kernel * kernel][ci][co]`, tap = ky * kernel + kx.
 * @returns `[n, ho, wo, co]`, see `conv2dShape`.
 */
export function conv2d(
  x: Float64Array,
  shape: Shape4,
  weight: Float64Array,
  conv: Conv2d,
): Float64Array {
  const ci = shape[3], { co, kernel } = conv;
  const yShape = conv2dShape(shape, conv);
  checkLength("conv2d: x", x, shape);
  checkLength("conv2d: weight", weight, [kernel * kernel, ci, co]);
  const y = new Float64Array(yShape[0] * yShape[1] * yShape[2] * co);
  forEachTap(shape, conv, (xAt, yAt, wAt) => {
    for (let i = 0; i < ci; i++) {
      const value = x[xAt + i]!;
      for (let o = 0; o < co; o++) {
        y[yAt + o]! += value * weight[wAt + i * co + o]!;
      }
    }
  });
  return y;
}

/**
 * Gradient of the input.
 *
 * @param dy `[n, ho, wo, co]`.
 * @param shape That of x.
 */
export function conv2dDx(
  dy: Float64Array,
  shape: Shape4,
  weight: Float64Array,
  conv: Conv2d,
): Float64Array {
  const [n, h, w, ci] = shape, { co, kernel } = conv;
  checkLength("conv2dDx: dy", dy, conv2dShape(shape, conv));
  checkLength("conv2dDx: weight", weight, [kernel * kernel, ci, co]);
  const dx = new Float64Array(n * h * w * ci);
  forEachTap(shape, conv, (xAt, yAt, wAt) => {
    for (let i = 0; i < ci; i++) {
      let sum = 0;
      for (let o = 0; o < co; o++) {
        sum += dy[yAt + o]! * weight[wAt + i * co + o]!;
      }
      dx[xAt + i]! += sum;
    }
  });
  return dx;
}

/**
 * Gradient of the weight, laid out like it.
 *
 * @param dy `[n, ho, wo, co]`.
 * @param shape That of x.
 */
export function conv2dDw(
  dy: Float64Array,
  shape: Shape4,
  x: Float64Array,
  conv: Conv2d,
): Float64Array {
  const ci = shape[3], { co, kernel } = conv;
  checkLength("conv2dDw: dy", dy, conv2dShape(shape, conv));
  checkLength("conv2dDw: x", x, shape);
  const dw = new Float64Array(kernel * kernel * ci * co);
  forEachTap(shape, conv, (xAt, yAt, wAt) => {
    for (let i = 0; i < ci; i++) {
      const value = x[xAt + i]!;
      for (let o = 0; o < co; o++) {
        dw[wAt + i * co + o]! += value * dy[yAt + o]!;
      }
    }
  });
  return dw;
}
