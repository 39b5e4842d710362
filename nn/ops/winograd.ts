import {
  PLACES,
  type TileRange,
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
import { ceilDiv, type Shape } from "../../shaders/kernel.ts";
import type { WinogradChoice } from "../gpu/chooser.ts";
import type { Tape } from "../tape.ts";
import type { Tensor } from "../tensor.ts";

/** The active blocks of a block-major weight, [9, ci, co]. */
export interface ActiveWeight {
  /** All of the weight. */
  values: Tensor;
  /** As shaders/pack_weight.wgsl describes it. */
  table: Tensor;
  ci: number;
  co: number;
  inUnits: number;
}

/**
 * Records a 3x3 convolution with stride 1 and padding 1, or its data gradient, Winograd's way. The
 * transformed tiles of a whole batch would take 2.25 times the map's memory, twice: it goes by some
 * images at a time.
 *
 * @param x [n, h, w, ci]; of a data gradient, dy with [n, h, w, co].
 * @param addend Added to the result.
 * @returns [n, h, w, co]; of a data gradient, [n, h, w, ci].
 */
export function winogradConv2d(
  tape: Tape,
  x: Tensor,
  { values, table, ci, co, inUnits }: ActiveWeight,
  { transposed, addend, choice: { tile, shared, tiles } }: {
    transposed: boolean;
    addend?: Tensor;
    choice: WinogradChoice;
  },
): Tensor {
  const [from, to] = transposed ? [co, ci] : [ci, co];
  const { u } = tape.run(
    winogradWeightKernel,
    { weight: values, table },
    { u: [PLACES, from, to] },
    { ci, co, inUnits, transposed },
  );
  const y = tape.scratch("winograd_output: y", [...x.shape.slice(0, 3), to]);
  for (const range of tileRanges(x.shape, tiles)) {
    const v = transformed(tape, x, range);
    const shape = [PLACES, range.tiles, to];
    const m = shared
      ? tape.run(winogradProductSharedKernel, { a: v, b: u, bias: u }, { y: shape }, {
        transposed: false,
        add: false,
        tile: shared,
      }).y
      : tape.run(winogradProductKernel, { v, u }, { m: shape }, { tile }).m;
    tape.run(winogradOutputKernel, { m, addend: addend ?? m, y }, {}, {
      add: addend !== undefined,
      range,
    });
  }
  return y;
}

/**
 * Records the weight's gradient of a 3x3 convolution with stride 1 and padding 1, Winograd's way.
 *
 * @param gradient All of the weight's, block-major.
 * @param adds For each active block, whether to add to what is there.
 */
export function winogradWeightGradient(
  tape: Tape,
  { x, dy, gradient, adds }: { x: Tensor; dy: Tensor; gradient: Tensor; adds: Tensor },
  { table, ci, co, inUnits }: Omit<ActiveWeight, "values">,
  { tile, shared, tiles, splits }: WinogradChoice & { splits: number },
): void {
  const ranges = tileRanges(x.shape, tiles);
  const partial = tape.scratch("winograd_dw: partial", [ranges.length * splits, PLACES, ci, co]);
  ranges.forEach((range, index) => {
    const v = transformed(tape, x, range);
    const { z } = tape.run(winogradDyKernel, { dy }, { z: [PLACES, range.tiles, co] }, { range });
    const part = { firstSplit: index * splits, splits };
    if (shared) {
      const inputs = { x: v, dy: z, dw: partial };
      tape.run(winogradDwSharedKernel, inputs, {}, { tile: shared, ...part });
    } else tape.run(winogradDwKernel, { v, z, partial }, {}, { tile, ...part });
  });
  tape.run(winogradGradientKernel, { partial, table, adds, gradient }, {}, { inUnits });
}

function transformed(tape: Tape, x: Tensor, range: TileRange): Tensor {
  const { v } = tape.run(
    winogradInputKernel,
    { x },
    { v: [PLACES, range.tiles, x.shape[3]!] },
    { range },
  );
  return v;
}

/** All tiles of a batch, in equal parts of at most so many, or few more. */
function tileRanges(map: Shape, most: number): TileRange[] {
  const { total } = tilesOf(map);
  const parts = ceilDiv(total, most);
  const tiles = 4 * ceilDiv(total, 4 * parts);
  return Array.from({ length: ceilDiv(total, tiles) }, (_, i) => ({ first: i * tiles, tiles }));
}
