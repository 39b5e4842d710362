import { checkLength } from "./shape.ts";

/** `[n, c]` of the input and `m` of the output. */
export interface LinearShape {
  n: number;
  c: number;
  m: number;
}

/**
 * `y = x w + b`.
 *
 * @param x `[n, c]`.
 * @param w `[c][m]`.
 * @param b `[m]`.
 * @returns `[n, m]`.
 */
export function linear(
  x: Float64Array,
  w: Float64Array,
  b: Float64Array,
  { n, c, m }: LinearShape,
): Float64Array {
  checkLength("linear: x", x, [n, c]);
  checkLength("linear: w", w, [c, m]);
  checkLength("linear: b", b, [m]);
  return new Float64Array(n * m).map((_, at) => {
    const row = Math.floor(at / m), o = at % m;
    let sum = b[o]!;
    for (let i = 0; i < c; i++) sum += x[row * c + i]! * w[i * m + o]!;
    return sum;
  });
}

/** Gradients of all three, from `dy` `[n, m]`. */
export function linearGrad(
  dy: Float64Array,
  x: Float64Array,
  w: Float64Array,
  { n, c, m }: LinearShape,
): { dx: Float64Array; dw: Float64Array; db: Float64Array } {
  checkLength("linearGrad: dy", dy, [n, m]);
  const dx = new Float64Array(n * c);
  const dw = new Float64Array(c * m);
  const db = new Float64Array(m);
  for (let row = 0; row < n; row++) {
    for (let o = 0; o < m; o++) {
      const d = dy[row * m + o]!;
      db[o]! += d;
      for (let i = 0; i < c; i++) {
        dx[row * c + i]! += d * w[i * m + o]!;
        dw[i * m + o]! += d * x[row * c + i]!;
      }
    }
  }
  return { dx, dw, db };
}
