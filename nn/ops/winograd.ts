import {
  PLACES,
  sumSplitsKernel,
  tilesOf,
  winogradDwKernel,
  winogradDwSharedKernel,
  winogradDyKernel,
  winogradGradientKernel,
  winogradInputKernel,
  winogradOutputKernel,
  winogradProductKernel,
  winogradProductSharedKernel,
  winogradWeightKernel,
} from "../../shaders/winograd.ts";
import type { SharedTile } from "../../shaders/shared_tile.ts";
import { ceilDiv, type Shape } from "../../shaders/kernel.ts";
import { imagesAtATime, type WinogradChoice } from "../gpu/chooser.ts";
import type { Tape } from "../tape.ts";
import type { Tensor } from "../tensor.ts";

/**
 * Records a 3x3 convolution with stride 1 and padding 1, or its data gradient, Winograd's way. The
 * transformed tiles of a whole batch would take 2.25 times the map's memory, twice: it goes by some
 * images at a time.
 *
 * @param x [n, h, w, ci]; of a data gradient, dy.
 * @param packed [9, ci, co]; of a data gradient, transposed, of the kernels turned round.
 * @param addend Added to the result.
 * @returns [n, h, w, co].
 */
export function winogradConv2d(
  tape: Tape,
  { x, packed, addend }: { x: Tensor; packed: Tensor; addend?: Tensor },
  { tiles, ...choice }: WinogradChoice,
): Tensor {
  const [, ci, co] = packed.shape as [number, number, number];
  const { u } = tape.run(winogradWeightKernel, { packed }, { u: [PLACES, ci, co] }, undefined);
  const y = tape.scratch("winograd_output: y", [...x.shape.slice(0, 3), co], tape.mapFormat);
  for (const [first, count] of imageRanges(x.shape, co, tiles)) {
    const part = (map: Tensor) => tape.part(map, first, count);
    const v = transformed(tape, part(x));
    const m = [PLACES, v.shape[1]!, co];
    const product = isShared(choice)
      ? tape.run(winogradProductSharedKernel, { a: v, b: u, bias: u }, { y: m }, {
        transposed: false,
        add: false,
        ...choice,
      }).y
      : tape.run(winogradProductKernel, { v, u }, { m }, choice).m;
    tape.run(
      winogradOutputKernel,
      { m: product, addend: addend ? part(addend) : product, y: part(y) },
      {},
      { add: addend !== undefined },
    );
  }
  return y;
}

/**
 * Records the weight's gradient of a 3x3 convolution with stride 1 and padding 1, Winograd's way.
 *
 * @param x [n, h, w, ci].
 * @param dy [n, h, w, co].
 * @returns [9, ci, co].
 */
export function winogradWeightGradient(
  tape: Tape,
  x: Tensor,
  dy: Tensor,
  { tiles, splits, ...choice }: WinogradChoice & { splits: number },
): Tensor {
  const ci = x.shape[3]!, co = dy.shape[3]!;
  const shape = [PLACES, ci, co];
  const partial = tape.scratch("winograd_dw: partial", splits > 1 ? [splits, ...shape] : shape);
  for (const [first, count] of imageRanges(x.shape, co, tiles)) {
    const v = transformed(tape, tape.part(x, first, count));
    const part = tape.part(dy, first, count);
    const { z } = tape.run(
      winogradDyKernel,
      { dy: part },
      { z: [PLACES, v.shape[1]!, co] },
      undefined,
    );
    const args = { splits, add: first > 0 };
    if (isShared(choice)) {
      const inputs = { x: v, dy: z, dw: partial };
      tape.run(winogradDwSharedKernel, inputs, {}, { ...args, ...choice });
    } else tape.run(winogradDwKernel, { v, z, partial }, {}, { ...args, ...choice });
  }
  const d = splits > 1
    ? tape.run(sumSplitsKernel, { partial }, { sum: shape }, undefined).sum
    : partial;
  return tape.run(winogradGradientKernel, { d }, { dw: [9, ci, co] }, undefined).dw;
}

/** Whether the products go through workgroup memory. */
function isShared<Choice extends Partial<SharedTile>>(
  choice: Choice,
): choice is Choice & SharedTile {
  return choice.groupRows !== undefined;
}

function transformed(tape: Tape, x: Tensor): Tensor {
  const { stored } = tilesOf(x.shape);
  return tape.run(winogradInputKernel, { x }, { v: [PLACES, stored, x.shape[3]!] }, undefined).v;
}

/**
 * First image and number of images of parts of a batch.
 *
 * @param co Channels of the result.
 * @param tiles Of a part, at most, if that is possible.
 */
function imageRanges(x: Shape, co: number, tiles: number): [first: number, count: number][] {
  const n = x[0]!, count = imagesAtATime(x, co, tiles);
  return Array.from(
    { length: ceilDiv(n, count) },
    (_, i) => [i * count, Math.min(count, n - i * count)],
  );
}
