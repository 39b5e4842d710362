import type { Constants } from "./kernel.ts";

/** What a workgroup makes of a matrix product through workgroup memory; see gemm_nn.wgsl. */
export interface SharedTile {
  /** Rows by groups of 4 columns that a lane makes. */
  tile: { rows: number; columns: number };
  /** Rows that a workgroup makes; a multiple of 4. */
  groupRows: number;
  /** Columns that a workgroup makes; a multiple of 4. */
  groupColumns: number;
}

/** Of workgroup memory, and lanes of a workgroup: what WebGPU guarantees. */
const MOST_BYTES = 16384;
const MOST_LANES = 256;

/** The constants of gemm_nn.wgsl. */
export function nnConstants(shared: SharedTile): Constants {
  return checked(shared, {
    TILE_ROWS: shared.groupRows,
    TILE_COLUMNS: shared.groupColumns / 4,
    DEPTH: depthOf(shared) / 4,
    ROWS: shared.tile.rows,
    COLUMNS: shared.tile.columns,
  });
}

/** The constants of gemm_tn.wgsl, where rows go by fours, too. */
export function tnConstants(shared: SharedTile): Constants {
  return checked(shared, {
    TILE_ROWS: shared.groupRows / 4,
    TILE_COLUMNS: shared.groupColumns / 4,
    DEPTH: depthOf(shared),
    ROWS: shared.tile.rows / 4,
    COLUMNS: shared.tile.columns,
  });
}

/** Depth of the pieces in workgroup memory: 16, or 8 where those would not fit. */
export function depthOf(shared: SharedTile): number {
  return bytesOf(shared, 16) <= MOST_BYTES ? 16 : 8;
}

function bytesOf({ groupRows, groupColumns }: SharedTile, depth: number): number {
  return 4 * (groupRows * (depth + 4) + groupColumns * depth);
}

export function lanesOf({ tile, groupRows, groupColumns }: SharedTile): number {
  return (groupRows / tile.rows) * (groupColumns / 4 / tile.columns);
}

/** Adds what both have, and sees that all is whole. */
function checked(shared: SharedTile, sizes: Record<string, number>): Constants {
  const { tile, groupRows, groupColumns } = shared;
  const depth = depthOf(shared), lanes = lanesOf(shared);
  const constants = {
    ...sizes,
    LANES: lanes,
    A_LOADS: groupRows * depth / 4 / lanes,
    B_LOADS: groupColumns * depth / 4 / lanes,
  };
  // A lane fetches of one column of each piece.
  const whole = [depth, groupRows, groupColumns].map((extent) => lanes / (extent / 4));
  const fits = bytesOf(shared, depth) <= MOST_BYTES && lanes <= MOST_LANES;
  if (
    !fits ||
    [...Object.values(constants), ...whole].some((value) => !Number.isInteger(value) || value < 1)
  ) {
    throw new RangeError(
      `a workgroup cannot make tiles of ${groupRows}x${groupColumns} by ${tile.rows}x` +
        `${
          4 * tile.columns
        } a lane: at most ${MOST_LANES} lanes must share them, and the loads for ` +
        "them, in equal parts",
    );
  }
  return constants;
}
