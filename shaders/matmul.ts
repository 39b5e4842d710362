import type { Tile } from "./conv2d.ts";
import { ceilDiv, defineKernel, foldedGrid, grid, type Shape, size } from "./kernel.ts";
import gemmNnWgsl from "./gemm_nn.wgsl" with { type: "text" };
import gemmTnWgsl from "./gemm_tn.wgsl" with { type: "text" };
import matmulWgsl from "./matmul.wgsl" with { type: "text" };
import matmulDwSharedWgsl from "./matmul_dw_shared.wgsl" with { type: "text" };
import matmulSharedWgsl from "./matmul_shared.wgsl" with { type: "text" };
import matmulDwWgsl from "./matmul_dw.wgsl" with { type: "text" };
import padRowsWgsl from "./pad_rows.wgsl" with { type: "text" };
import { depthOf, nnConstants, type SharedTile, tnConstants } from "./shared_tile.ts";
import unalignedWgsl from "./unaligned.wgsl" with { type: "text" };

/**
 * `shape`: of `b`, whose tensor may be flat and a few floats longer. `add`: whether `bias` is added;
 * it must be bound all the same.
 */
export const matmulKernel = defineKernel<
  { shape: Shape; transposed: boolean; add: boolean; tile: Tile }
>({
  label: "matmul",
  wgsl: `${matmulWgsl}\n${unalignedWgsl}`,
  bindings: { a: "read", b: "read", bias: "read", y: "write" },
  textures: ["a", "b"],
  constants: ({ a }, { shape, transposed, add, tile }) => ({
    ROWS: tile.rows,
    COLUMNS: tile.columns,
    TRANSPOSED: transposed,
    BIAS: add,
    UNALIGNED_A: a![1]! % 4 > 0,
    UNALIGNED_B: shape[1]! % 4 > 0,
  }),
  extents: ({ a, y }, { shape, transposed, tile }) => {
    const [bRows, bStride] = shape as [number, number];
    return [
      ...y!,
      transposed ? bRows : bStride,
      transposed ? bStride : bRows,
      a![1]!,
      bRows,
      bStride,
      ceilDiv(y![1]!, 4 * tile.columns),
      tiles(y!, tile),
    ];
  },
  workgroups: ({ y }, { tile }) => grid(tiles(y!, tile)),
});

function tiles([rows, columns]: Shape, tile: Tile): number {
  return ceilDiv(rows!, tile.rows) * ceilDiv(columns!, 4 * tile.columns);
}

/**
 * The same by tiles in workgroup memory; depth and columns are multiples of 4. Of a batch of matrices,
 * too: [batch, rows, depth] x [batch, depth, columns].
 */
export const matmulSharedKernel = defineKernel<
  SharedTile & { transposed: boolean; add: boolean }
>({
  label: "matmul_shared",
  wgsl: `${matmulSharedWgsl}\n${gemmNnWgsl}`,
  bindings: { a: "read", b: "read", bias: "read", y: "write" },
  constants: (_, args) => ({
    ...nnConstants(args),
    TRANSPOSED: args.transposed,
    BIAS: args.add,
  }),
  extents: ({ a, y }, args) => {
    const [rows, columns] = y!.slice(-2) as [number, number];
    return [
      rows,
      a!.at(-1)! / 4,
      columns / 4,
      ceilDiv(rows, args.groupRows),
      ceilDiv(columns, args.groupColumns),
      sharedTiles(y!, args),
    ];
  },
  workgroups: ({ y }, args) => foldedGrid(sharedTiles(y!, args)),
});

/** Tiles of matrices, [..., rows, columns]. */
function sharedTiles(matrices: Shape, { groupRows, groupColumns }: SharedTile): number {
  const [rows, columns] = matrices.slice(-2) as [number, number];
  return size(matrices.slice(0, -2)) * ceilDiv(rows, groupRows) * ceilDiv(columns, groupColumns);
}

/** Whether to add to the gradients that are there. Rows of a tile are groups of 4. */
export const matmulDwKernel = defineKernel<
  { addWeight: boolean; addBias: boolean; tile: Tile }
>({
  label: "matmul_dw",
  wgsl: `${matmulDwWgsl}\n${unalignedWgsl}`,
  bindings: { x: "read", dy: "read", dw: "update", dbias: "update" },
  textures: ["x", "dy"],
  constants: ({ dy }, { addWeight, tile }) => ({
    ROWS: tile.rows,
    COLUMNS: tile.columns,
    ADD: addWeight,
    UNALIGNED: dy![1]! % 4 > 0,
  }),
  extents: ({ x, dy, dw }, { addBias, tile }) => [
    x![0]!,
    ...dw!,
    x![1]!,
    dy![1]!,
    ceilDiv(dw![1]!, 4 * tile.columns),
    dwTiles(dw!, tile),
    addBias ? 1 : 0,
  ],
  workgroups: ({ dw }, { tile }) => grid(dwTiles(dw!, tile)),
});

/** The same where b is no parameter: there is nothing to add to, and the column sums go unused. */
export const matmulDbKernel: typeof matmulDwKernel = {
  ...matmulDwKernel,
  label: "matmul_db",
  bindings: { x: "read", dy: "read", dw: "write", dbias: "write" },
};

/**
 * Products x^T dy of a batch, [batch, n, c] and [batch, n, m], by tiles in workgroup memory, each in
 * `splits` parts of the sum over n: dw [splits, batch, c, m], set or added to. All multiples of 4 but n.
 */
export const matmulDwSharedKernel = defineKernel<
  SharedTile & { splits: number; add: boolean }
>({
  label: "matmul_dw_shared",
  wgsl: `${matmulDwSharedWgsl}\n${gemmTnWgsl}`,
  bindings: { x: "read", dy: "read", dw: "update" },
  constants: (_, args) => tnConstants(args),
  extents: ({ x, dy }, { splits, add, ...shared }) => {
    const [n, c] = x!.slice(-2) as [number, number], m = dy!.at(-1)!;
    const batch = size(x!.slice(0, -2)), depth = depthOf(shared);
    return [
      n,
      c / 4,
      m / 4,
      batch,
      ceilDiv(c, shared.groupRows),
      ceilDiv(m, shared.groupColumns),
      depth * ceilDiv(n, depth * splits),
      sharedTiles([splits, batch, c, m], shared),
      add ? 1 : 0,
    ];
  },
  workgroups: ({ x, dy }, args) => {
    const batch = size(x!.slice(0, -2));
    return foldedGrid(sharedTiles([args.splits, batch, x!.at(-1)!, dy!.at(-1)!], args));
  },
});

/** One product, whole, not added to anything: x: [n, c], dy: [n, m]  ->  dw: [c, m]. */
export const matmulDbSharedKernel: typeof matmulDwSharedKernel = {
  ...matmulDwSharedKernel,
  label: "matmul_db_shared",
  bindings: { x: "read", dy: "read", dw: "write" },
};

function dwTiles([c, m]: Shape, { rows, columns }: Tile): number {
  return tiles([c!, m!], { rows: 4 * rows, columns });
}

export const padRowsKernel = defineKernel({
  label: "pad_rows",
  wgsl: padRowsWgsl,
  bindings: { x: "read", y: "write" },
  extents: ({ x, y }) => [...y!, x![1]!],
  workgroups: ({ y }) => grid(size(y!)),
});
