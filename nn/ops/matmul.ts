import { matmulDbKernel, matmulKernel } from "../../shaders/matmul.ts";
import { matmulDwTile, matmulTile } from "../gpu/chooser.ts";
import { ShapeError } from "../gpu/errors.ts";
import type { Tape } from "../tape.ts";
import type { Tensor } from "../tensor.ts";

/**
 * Matrix product of two tensors; `linear` is the one with a parameter.
 *
 * @param a [n, k].
 * @param b [k, m]; k and m are multiples of 4, n is any.
 * @returns [n, m].
 */
export function matmul(tape: Tape, a: Tensor, b: Tensor): Tensor {
  const [n, k] = a.shape as [number, number];
  const [, m] = b.shape as [number, number];
  if (a.shape.length !== 2 || b.shape.length !== 2 || b.shape[0] !== k || k % 4 || m % 4) {
    throw new ShapeError(
      `matmul: operands must be [n, k] and [k, m] with k and m multiples of 4, got [${a.shape}] and ` +
        `[${b.shape}]; pad them with zeros`,
    );
  }
  const { driver } = tape.gpu;
  const shape = [k, m];
  const { y } = tape.run(
    matmulKernel,
    { a, b, bias: b },
    { y: [n, m] },
    { shape, transposed: false, add: false, tile: matmulTile(driver, n, m) },
  );
  if (!a.needsGradient && !b.needsGradient) return y;
  tape.onBackward(y, (dy) => {
    if (b.needsGradient) {
      const { dw: db } = tape.run(
        matmulDbKernel,
        { x: a, dy },
        { dw: shape, dbias: [m] },
        { addWeight: false, addBias: false, tile: matmulDwTile(driver, k, m) },
      );
      tape.setGradient(b, tape.sum(tape.gradient(b), db));
    }
    if (a.needsGradient) {
      const { y: da } = tape.run(
        matmulKernel,
        { a: dy, b, bias: b },
        { y: a.shape },
        { shape, transposed: true, add: false, tile: matmulTile(driver, n, k) },
      );
      tape.setGradient(a, tape.sum(tape.gradient(a), da));
    }
  });
  return y;
}
