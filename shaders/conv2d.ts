import { ceilDiv, defineKernel, foldedGrid, grid, type Shape, size } from "./kernel.ts";
import conv2dWgsl from "./conv2d.wgsl" with { type: "text" };
import conv2dDwWgsl from "./conv2d_dw.wgsl" with { type: "text" };
import conv2dDwSharedWgsl from "./conv2d_dw_shared.wgsl" with { type: "text" };
import conv2dSharedWgsl from "./conv2d_shared.wgsl" with { type: "text" };
import gemmNnWgsl from "./gemm_nn.wgsl" with { type: "text" };
import gemmTnWgsl from "./gemm_tn.wgsl" with { type: "text" };
import packWeightWgsl from "./pack_weight.wgsl" with { type: "text" };
import quotientWgsl from "./quotient.wgsl" with { type: "text" };
import { depthOf, nnConstants, type SharedTile, tnConstants } from "./shared_tile.ts";
import unpackGradientWgsl from "./unpack_gradient.wgsl" with { type: "text" };

/** A square kernel, and how it moves. */
export interface Conv2dGeometry {
  /** Side. */
  kernel: number;
  /** Pixels from one output to the next. */
  stride: number;
  /** Zeros around the picture. */
  padding: number;
}

/** Side of a convolution's result, from that of its input. */
export function conv2dExtent(size: number, { kernel, stride, padding }: Conv2dGeometry): number {
  return Math.floor((size + 2 * padding - kernel) / stride) + 1;
}

/** Pixels, or groups of 4 input channels, by groups of 4 output channels that one lane makes. */
export interface Tile {
  /** Of pixels, or of groups of input channels. */
  rows: number;
  /** Of groups of output channels. */
  columns: number;
}

/** `add`: whether `addend` is added; it must be bound all the same. */
export const conv2dKernel = defineKernel<
  Conv2dGeometry & { upsample: number; tile: Tile; add: boolean }
>({
  label: "conv2d",
  wgsl: conv2dWgsl,
  bindings: { x: "read", weight: "read", addend: "read", y: "write" },
  textures: ["x", "weight"],
  constants: (_, { tile, upsample }) => ({
    PIXELS: tile.rows,
    PIXELS_BUT_ONE: tile.rows - 1,
    COLUMNS: tile.columns,
    SPREAD: upsample > 1,
  }),
  extents: ({ x, y }, { kernel, stride, upsample, padding, tile, add }) => {
    const [, h, w, ci] = x as number[], [n, ho, wo, co] = y as number[];
    const pixels = n! * ho! * wo!;
    return [
      h!,
      w!,
      ci! / 4,
      ho!,
      wo!,
      co! / 4,
      kernel,
      stride,
      upsample,
      padding,
      pixels,
      ceilDiv(pixels, tile.rows),
      co! / 4 / tile.columns,
      add ? 1 : 0,
    ];
  },
  workgroups: ({ y }, { tile }) => {
    const co = y!.at(-1)!;
    return grid(ceilDiv(size(y!) / co, tile.rows) * (co / 4 / tile.columns));
  },
});

/** The same by tiles in workgroup memory: pixels by output channels. */
export const conv2dSharedKernel = defineKernel<
  Conv2dGeometry & SharedTile & { upsample: number; add: boolean }
>({
  label: "conv2d_shared",
  wgsl: `${conv2dSharedWgsl}\n${gemmNnWgsl}\n${quotientWgsl}`,
  bindings: { x: "read", weight: "read", addend: "read", y: "write" },
  constants: (_, args) => ({ ...nnConstants(args), SPREAD: args.upsample > 1 }),
  extents: ({ x, y }, { kernel, stride, upsample, padding, add, ...shared }) => {
    const [n, h, w, ci] = x as number[], [, ho, wo, co] = y as number[];
    return [
      n!,
      h!,
      w!,
      ci! / 4,
      ho!,
      wo!,
      co! / 4,
      kernel,
      stride,
      upsample,
      padding,
      ceilDiv(co!, shared.groupColumns),
      sharedTiles(y!, upsample, shared),
      add ? 1 : 0,
    ];
  },
  workgroups: ({ y }, args) => foldedGrid(sharedTiles(y!, args.upsample, args)),
});

/** A tile's pixels have equal coordinates modulo `upsample`. */
function sharedTiles(
  [n, h, w, c]: Shape,
  upsample: number,
  { groupRows, groupColumns }: SharedTile,
): number {
  let tiles = 0;
  for (let py = 0; py < upsample; py++) {
    for (let px = 0; px < upsample; px++) {
      tiles += ceilDiv(n! * ceilDiv(h! - py, upsample) * ceilDiv(w! - px, upsample), groupRows);
    }
  }
  return tiles * ceilDiv(c!, groupColumns);
}

export const conv2dDwKernel = defineKernel<
  Conv2dGeometry & { tile: Tile; splits: number }
>({
  label: "conv2d_dw",
  wgsl: conv2dDwWgsl,
  bindings: { x: "read", dy: "read", partial: "write" },
  textures: ["x", "dy"],
  sums: ["partial"],
  constants: (_, { tile }) => ({ ROWS: tile.rows, COLUMNS: tile.columns }),
  extents: ({ x, dy }, { kernel, stride, padding, tile, splits }) => {
    const [n, h, w, ci] = x as number[], [, ho, wo, co] = dy as number[];
    const lines = n! * ho!;
    return [
      h!,
      w!,
      ci! / 4,
      ho!,
      wo!,
      co! / 4,
      kernel,
      stride,
      padding,
      lines,
      ceilDiv(lines, splits),
      dwLanes(ci!, co!, kernel, tile, splits),
    ];
  },
  workgroups: ({ x, dy }, { kernel, tile, splits }) => {
    return grid(dwLanes(x!.at(-1)!, dy!.at(-1)!, kernel, tile, splits));
  },
});

function dwLanes(
  ci: number,
  co: number,
  kernel: number,
  tile: Tile,
  splits: number,
): number {
  return (ci / 4 / tile.rows) * (co / 4 / tile.columns) * kernel * kernel *
    splits;
}

/** The same by tiles in workgroup memory: taps and input channels by output channels. */
export const conv2dDwSharedKernel = defineKernel<
  Conv2dGeometry & SharedTile & { splits: number }
>({
  label: "conv2d_dw_shared",
  wgsl: `${conv2dDwSharedWgsl}\n${gemmTnWgsl}`,
  bindings: { x: "read", dy: "read", partial: "write" },
  sums: ["partial"],
  constants: (_, args) => tnConstants(args),
  extents: ({ x, dy, partial }, { kernel, stride, padding, splits, ...shared }) => {
    const [, h, w, ci] = x as number[], [n, ho, wo, co] = dy as number[];
    const pixels = n! * ho! * wo!, depth = depthOf(shared);
    return [
      h!,
      w!,
      ci! / 4,
      ho!,
      wo!,
      co! / 4,
      kernel,
      stride,
      padding,
      pixels,
      depth * ceilDiv(pixels, depth * splits),
      ceilDiv(kernel * kernel * ci!, shared.groupRows),
      ceilDiv(co!, shared.groupColumns),
      sharedDwTiles(partial!, shared),
    ];
  },
  workgroups: ({ partial }, args) => foldedGrid(sharedDwTiles(partial!, args)),
});

function sharedDwTiles(
  [splits, taps, ci, co]: Shape,
  { groupRows, groupColumns }: SharedTile,
): number {
  return splits! * ceilDiv(taps! * ci!, groupRows) * ceilDiv(co!, groupColumns);
}

/** `shape`: the packed weight's, [taps, ci, co], also where it is transposed. */
export const packWeightKernel = defineKernel<
  { shape: Shape; inUnits: number; transposed: boolean }
>({
  label: "pack_weight",
  wgsl: packWeightWgsl,
  bindings: { weight: "read", table: "read", packed: "write" },
  extents: (
    _,
    { shape, inUnits, transposed },
  ) => [...shape, inUnits, transposed ? 1 : 0],
  workgroups: (_, { shape: [, ci, co] }) => grid(ci! * co!),
});

/** `partial`: [splits, taps, ci, co], or without the first. */
export const unpackGradientKernel = defineKernel<{ inUnits: number; tapsPerLane: number }>({
  label: "unpack_gradient",
  wgsl: unpackGradientWgsl,
  bindings: {
    partial: "read",
    table: "read",
    adds: "read",
    gradient: "update",
  },
  extents: ({ partial }, { inUnits, tapsPerLane }) => {
    const splits = partial!.length > 3 ? partial![0]! : 1;
    return [...partial!.slice(-3), inUnits, splits, tapsPerLane];
  },
  workgroups: ({ partial }, { tapsPerLane }) => {
    const [taps, ci, co] = partial!.slice(-3) as [number, number, number];
    return grid(ceilDiv(taps, tapsPerLane) * ci * co);
  },
});
