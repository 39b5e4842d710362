import type { Tile } from "./conv2d.ts";
import { ceilDiv, defineKernel, grid, type Shape, size } from "./kernel.ts";
import matmulWgsl from "./matmul.wgsl" with { type: "text" };
import matmulDwWgsl from "./matmul_dw.wgsl" with { type: "text" };
import padRowsWgsl from "./pad_rows.wgsl" with { type: "text" };
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
