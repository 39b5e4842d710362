import {
  matmulDbKernel,
  matmulDbSharedKernel,
  matmulKernel,
  matmulSharedKernel,
} from "../../shaders/matmul.ts";
import { matmulDwSharedTile, matmulDwTile, matmulSharedTile, matmulTile } from "../gpu/chooser.ts";
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
  const [, k] = a.shape as [number, number];
  const [, m] = b.shape as [number, number];
  if (a.shape.length !== 2 || b.shape.length !== 2 || b.shape[0] !== k || k % 4 || m % 4) {
    throw new ShapeError(
      `matmul: operands must be [n, k] and [k, m] with k and m multiples of 4, got [${a.shape}] and ` +
        `[${b.shape}]; pad them with zeros`,
    );
  }
  const y = product(tape, { a, b }, { shape: [k, m], transposed: false });
  if (!a.needsGradient && !b.needsGradient) return y;
  tape.onBackward(y, (dy) => {
    if (b.needsGradient) {
      tape.setGradient(b, tape.sum(tape.gradient(b), rightGradient(tape, a, dy)));
    }
    if (a.needsGradient) {
      const da = product(tape, { a: dy, b }, { shape: [k, m], transposed: true });
      tape.setGradient(a, tape.sum(tape.gradient(a), da));
    }
  });
  return y;
}

/**
 * Records a matrix product.
 *
 * @param a [n, depth], rows padded to a multiple of 4.
 * @param b `shape`, [depth, m], or, `transposed`, [m, depth]; a tensor of as many floats or few more.
 * @param bias [m], added to each row.
 * @returns [n, m], or `columns` of it, where it is padded.
 */
export function product(
  tape: Tape,
  { a, b, bias }: { a: Tensor; b: Tensor; bias?: Tensor },
  { shape, transposed, columns = shape[transposed ? 0 : 1]! }: {
    shape: readonly number[];
    transposed: boolean;
    columns?: number;
  },
): Tensor {
  const { tuning, driver } = tape.gpu;
  const n = a.shape[0]!, depth = shape[transposed ? 1 : 0]!;
  const add = bias !== undefined;
  const inputs = { a, b, bias: bias ?? b }, outputs = { y: [n, columns] };
  // Through workgroup memory go whole vec4s.
  const whole = shape.every((extent) => extent % 4 === 0);
  const shared = whole && matmulSharedTile(tuning, n, columns, depth, transposed);
  return shared
    ? tape.run(matmulSharedKernel, inputs, outputs, { transposed, add, ...shared }).y
    : tape.run(matmulKernel, inputs, outputs, {
      shape,
      transposed,
      add,
      tile: matmulTile(driver, n, columns),
    }).y;
}

/** The gradient x^T dy of a product's right operand. */
function rightGradient(tape: Tape, x: Tensor, dy: Tensor): Tensor {
  const { tuning, driver } = tape.gpu;
  const [n, c] = x.shape as [number, number], m = dy.shape[1]!;
  const shared = matmulDwSharedTile(tuning, c, m, n);
  return shared
    ? tape.run(matmulDbSharedKernel, { x, dy }, { dw: [c, m] }, {
      ...shared,
      splits: 1,
      add: false,
    }).dw
    : tape.run(matmulDbKernel, { x, dy }, { dw: [c, m], dbias: [m] }, {
      addWeight: false,
      addBias: false,
      tile: matmulDwTile(driver, c, m),
    }).dw;
}
