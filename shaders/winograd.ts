import type { Tile } from "./conv2d.ts";
import { ceilDiv, defineKernel, grid, type Shape, size } from "./kernel.ts";
import dwWgsl from "./winograd_dw.wgsl" with { type: "text" };
import dyWgsl from "./winograd_dy.wgsl" with { type: "text" };
import gradientWgsl from "./winograd_gradient.wgsl" with { type: "text" };
import inputWgsl from "./winograd_input.wgsl" with { type: "text" };
import { matmulDwSharedKernel, matmulSharedKernel } from "./matmul.ts";
import outputWgsl from "./winograd_output.wgsl" with { type: "text" };
import productWgsl from "./winograd_product.wgsl" with { type: "text" };
import sumSplitsWgsl from "./sum_splits.wgsl" with { type: "text" };
import weightWgsl from "./winograd_weight.wgsl" with { type: "text" };

/**
 * Winograd's minimal filtering F(4x4, 3x3): 36 multiplications for 4x4 pixels of a 3x3 convolution where
 * the direct way takes 144. Source: Lavin and Gray, CVPR 2016; the gradient of the weight follows by
 * differentiation.
 *
 * The interpolation points are 0, +-P, +-Q and infinity, with P the square root of 1/2 and Q that of 2:
 * rounding errors are about half of those with the customary 0, +-1, +-2 (tests/shaders/winograd_test.ts).
 */
export const TILE = 4;

/** Places of a transformed tile, 6x6: so many matrix products. */
export const PLACES = 36;

/** Tiles of a map [n, h, w, c], along its sides, in all, and stored: a multiple of 4. */
export function tilesOf(
  [n, h, w]: Shape,
): { down: number; across: number; known: number; stored: number } {
  const down = ceilDiv(h!, TILE), across = ceilDiv(w!, TILE);
  const known = n! * down * across;
  return { down, across, known, stored: 4 * ceilDiv(known, 4) };
}

function mapExtents(map: Shape): number[] {
  const { down, across, known, stored } = tilesOf(map);
  return [map[1]!, map[2]!, map[3]! / 4, down, across, known, stored];
}

function transformLanes(map: Shape): number {
  return tilesOf(map).stored * map[3]! / 4;
}

export const winogradInputKernel = defineKernel({
  label: "winograd_input",
  wgsl: inputWgsl,
  bindings: { x: "read", v: "write" },
  textures: ["x"],
  extents: ({ x }) => mapExtents(x!),
  workgroups: ({ x }) => grid(transformLanes(x!)),
});

/** `add`: whether `addend` is added; it must be bound all the same. */
export const winogradOutputKernel = defineKernel<{ add: boolean }>({
  label: "winograd_output",
  wgsl: outputWgsl,
  bindings: { m: "read", addend: "read", y: "update" },
  textures: ["m"],
  extents: ({ y }, { add }) => [...mapExtents(y!), add ? 1 : 0],
  workgroups: ({ y }) => grid(transformLanes(y!)),
});

export const winogradWeightKernel = defineKernel({
  label: "winograd_weight",
  wgsl: weightWgsl,
  bindings: { packed: "read", u: "write" },
  textures: ["packed"],
  extents: ({ packed }) => [size(packed!.slice(1)) / 4],
  workgroups: ({ packed }) => grid(size(packed!.slice(1)) / 4),
});

/** `tile`: tiles by groups of 4 channels that a lane makes. */
export const winogradProductKernel = defineKernel<{ tile: Tile }>({
  label: "winograd_product",
  wgsl: productWgsl,
  bindings: { v: "read", u: "read", m: "write" },
  textures: ["v", "u"],
  constants: (_, { tile }) => ({ TILES: tile.rows, COLUMNS: tile.columns }),
  extents: ({ v, m }, { tile }) => {
    const [, tiles, ci] = v as number[], co = m!.at(-1)!;
    return [tiles!, ci! / 4, co / 4, ceilDiv(tiles!, tile.rows), productLanes(m!, tile)];
  },
  workgroups: ({ m }, { tile }) => grid(productLanes(m!, tile)),
});

function productLanes([, tiles, co]: Shape, tile: Tile): number {
  return PLACES * ceilDiv(tiles!, tile.rows) * (co! / 4 / tile.columns);
}

/** The same by tiles in workgroup memory; a: v, b and bias: u, y: m. */
export const winogradProductSharedKernel: typeof matmulSharedKernel = {
  ...matmulSharedKernel,
  label: "winograd_product_shared",
};

export const winogradDyKernel = defineKernel({
  label: "winograd_dy",
  wgsl: dyWgsl,
  bindings: { dy: "read", z: "write" },
  textures: ["dy"],
  extents: ({ dy }) => mapExtents(dy!),
  workgroups: ({ dy }) => grid(transformLanes(dy!)),
});

/**
 * `tile`: groups of 4 input by groups of 4 output channels that a lane makes; `add`: to what is there.
 */
export const winogradDwKernel = defineKernel<{ tile: Tile; splits: number; add: boolean }>({
  label: "winograd_dw",
  wgsl: dwWgsl,
  bindings: { v: "read", z: "read", partial: "update" },
  textures: ["v", "z"],
  constants: (_, { tile }) => ({ ROWS: tile.rows, COLUMNS: tile.columns }),
  extents: ({ v, z }, { tile, splits, add }) => {
    const [, tiles, ci] = v as number[], co = z!.at(-1)!;
    const tilesPerSplit = 4 * ceilDiv(tiles!, 4 * splits);
    const lanes = dwLanes(v!, z!, tile, splits);
    return [tiles!, ci! / 4, co / 4, tilesPerSplit, lanes, add ? 1 : 0];
  },
  workgroups: ({ v, z }, { tile, splits }) => grid(dwLanes(v!, z!, tile, splits)),
});

function dwLanes(v: Shape, z: Shape, tile: Tile, splits: number): number {
  return PLACES * (v.at(-1)! / 4 / tile.rows) * (z.at(-1)! / 4 / tile.columns) * splits;
}

/** The same by tiles in workgroup memory; x: v, dy: z, dw: partial. */
export const winogradDwSharedKernel: typeof matmulDwSharedKernel = {
  ...matmulDwSharedKernel,
  label: "winograd_dw_shared",
};

/** `sum`: of all parts of `partial`, or fewer parts. */
export const sumSplitsKernel = defineKernel({
  label: "sum_splits",
  wgsl: sumSplitsWgsl,
  bindings: { partial: "read", sum: "write" },
  textures: ["partial"],
  sums: ["sum"],
  extents: ({ partial, sum }) => [size(sum!) / 4, size(partial!) / 4],
  workgroups: ({ sum }) => grid(size(sum!) / 4),
});

export const winogradGradientKernel = defineKernel({
  label: "winograd_gradient",
  wgsl: gradientWgsl,
  bindings: { d: "read", dw: "write" },
  textures: ["d"],
  extents: ({ d }) => [size(d!.slice(1)) / 4],
  workgroups: ({ d }) => grid(size(d!.slice(1)) / 4),
});
