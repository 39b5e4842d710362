import { assert } from "@std/assert";
import { random } from "../reference/mod.ts";

const { fround } = Math;

type Matrix = number[][];

/** A product, every step rounded to float32. */
function multiply(a: Matrix, b: Matrix): Matrix {
  return a.map((row) =>
    b[0]!.map((_, j) =>
      row.reduce((sum, value, k) => fround(sum + fround(fround(value) * b[k]![j]!)), 0)
    )
  );
}

function transpose(a: Matrix): Matrix {
  return a[0]!.map((_, j) => a.map((row) => row[j]!));
}

/** F(4x4, 3x3) by Toom and Cook's rule, with the points 0, +-p, +-q and infinity. */
function matrices(p: number, q: number): { b: Matrix; g: Matrix; a: Matrix } {
  const [pp, qq] = [p * p, q * q];
  const [sum, product] = [pp + qq, pp * qq];
  const [np, nq] = [2 * pp * (pp - qq), 2 * qq * (qq - pp)];
  return {
    b: [
      [product, 0, -sum, 0, 1, 0],
      [0, -p * qq, -qq, p, 1, 0],
      [0, p * qq, -qq, -p, 1, 0],
      [0, -q * pp, -pp, q, 1, 0],
      [0, q * pp, -pp, -q, 1, 0],
      [0, product, 0, -sum, 0, 1],
    ],
    g: [
      [1 / product, 0, 0],
      [1 / np, p / np, pp / np],
      [1 / np, -p / np, pp / np],
      [1 / nq, q / nq, qq / nq],
      [1 / nq, -q / nq, qq / nq],
      [0, 0, 1],
    ],
    a: [0, 1, 2, 3].map((i) => [
      i === 0 ? 1 : 0,
      ...[p, -p, q, -q].map((point) => point ** i),
      i === 3 ? 1 : 0,
    ]),
  };
}

/** Root mean square of the errors of 4x4 results that each sum over 64 channels, in float32. */
function roundingError(p: number, q: number): number {
  const { b, g, a } = matrices(p, q);
  const channels = 64, tiles = 50;
  const square = (values: ArrayLike<number>, side: number, first: number): Matrix =>
    Array.from(
      { length: side },
      (_, i) => Array.from({ length: side }, (_, j) => fround(values[first + i * side + j]!)),
    );
  let errors = 0;
  for (let tile = 0; tile < tiles; tile++) {
    const inputs = random([channels, 36], 2 * tile), kernels = random([channels, 9], 2 * tile + 1);
    let sum: Matrix = square(new Float32Array(36), 6, 0);
    const want = new Float64Array(16);
    for (let c = 0; c < channels; c++) {
      const d = square(inputs, 6, 36 * c), kernel = square(kernels, 3, 9 * c);
      const v = multiply(multiply(b, d), transpose(b));
      const u = multiply(multiply(g, kernel), transpose(g));
      sum = sum.map((row, i) => row.map((s, j) => fround(s + fround(v[i]![j]! * u[i]![j]!))));
      for (let at = 0; at < 16 * 9; at++) {
        const [i, j, k, l] = [at >> 2 & 3, at & 3, Math.floor(at / 48), Math.floor(at / 16) % 3];
        want[4 * i + j]! += d[i + k]![j + l]! * kernel[k]![l]!;
      }
    }
    const y = multiply(multiply(a, sum), transpose(a)).flat();
    y.forEach((value, i) => errors += (value - want[i]!) ** 2);
  }
  return Math.sqrt(errors / (tiles * 16));
}

Deno.test("F(4x4, 3x3) rounds about half as much with our points as with the customary ones", () => {
  const ratio = roundingError(Math.SQRT1_2, Math.SQRT2) / roundingError(1, 2);
  assert(ratio > 0.3 && ratio < 0.6, `${ratio} times the error`);
});
