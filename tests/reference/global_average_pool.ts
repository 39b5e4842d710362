import { checkLength, type Shape4 } from "./shape.ts";

/** Mean over the pixels: `[n, h, w, c] -> [n, c]`. */
export function globalAveragePool(
  x: Float64Array,
  shape: Shape4,
): Float64Array {
  checkLength("globalAveragePool: x", x, shape);
  const [n, h, w, c] = shape;
  const y = new Float64Array(n * c);
  x.forEach((value, i) => {
    y[Math.floor(i / (h * w * c)) * c + i % c]! += value / (h * w);
  });
  return y;
}

/**
 * Gradient of the input.
 *
 * @param dy `[n, c]`.
 * @param shape That of x.
 */
export function globalAveragePoolGrad(
  dy: Float64Array,
  shape: Shape4,
): Float64Array {
  const [n, h, w, c] = shape;
  checkLength("globalAveragePoolGrad: dy", dy, [n, c]);
  return new Float64Array(n * h * w * c).map((_, i) =>
    dy[Math.floor(i / (h * w * c)) * c + i % c]! / (h * w)
  );
}
