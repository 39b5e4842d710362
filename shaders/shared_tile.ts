import { ceilDiv, type Constants, type Workgroups } from "./kernel.ts";

/** What a workgroup makes of a matrix product through workgroup memory; see gemm_nn.wgsl. */
export interface SharedTile {
  /** Of the workgroup; multiples of 4. */
  rows: number;
  columns: number;
  /** Rows by groups of 4 columns that a lane makes. */
  lane: { rows: number; columns: number };
}

/** Of workgroup memory, and lanes of a workgroup: what WebGPU guarantees. */
const MOST_BYTES = 16384;
const MOST_LANES = 256;

/** The constants of gemm_nn.wgsl. */
export function nnConstants(tile: SharedTile): Constants {
  const depth = depthOf(tile), lanes = lanesOf(tile);
  return checked(tile, {
    TILE_ROWS: tile.rows,
    TILE_COLUMNS: tile.columns / 4,
    DEPTH: depth / 4,
    ROWS: tile.lane.rows,
    COLUMNS: tile.lane.columns,
    LANES: lanes,
    A_LOADS: tile.rows * depth / 4 / lanes,
    B_LOADS: tile.columns * depth / 4 / lanes,
  });
}

/** The constants of gemm_tn.wgsl, where a lane's rows go by fours, too. */
export function tnConstants(tile: SharedTile): Constants {
  const depth = depthOf(tile), lanes = lanesOf(tile);
  return checked(tile, {
    TILE_ROWS: tile.rows / 4,
    TILE_COLUMNS: tile.columns / 4,
    DEPTH: depth,
    ROWS: tile.lane.rows / 4,
    COLUMNS: tile.lane.columns,
    LANES: lanes,
    A_LOADS: tile.rows * depth / 4 / lanes,
    B_LOADS: tile.columns * depth / 4 / lanes,
  });
}

/** Depth of the pieces in workgroup memory: 16, or 8 where those would not fit. */
export function depthOf({ rows, columns }: SharedTile): number {
  const bytes = (depth: number) => 4 * (rows * (depth + 4) + columns * depth);
  return bytes(16) <= MOST_BYTES ? 16 : 8;
}

export function lanesOf({ rows, columns, lane }: SharedTile): number {
  return (rows / lane.rows) * (columns / 4 / lane.columns);
}

function checked(tile: SharedTile, constants: Record<string, number>): Constants {
  const { rows, columns } = tile;
  const depth = depthOf(tile), lanes = lanesOf(tile);
  const whole = [
    ...Object.values(constants),
    lanes * 4 / depth,
    lanes * 4 / rows,
    lanes * 4 / columns,
  ];
  const fits = 4 * (rows * (depth + 4) + columns * depth) <= MOST_BYTES && lanes <= MOST_LANES;
  if (!fits || whole.some((value) => !Number.isInteger(value) || value < 1)) {
    throw new RangeError(
      `a workgroup cannot make tiles of ${rows}x${columns} by ${tile.lane.rows}x` +
        `${
          4 * tile.lane.columns
        } a lane: at most ${MOST_LANES} lanes must share them, and the loads ` +
        "for them, in equal parts",
    );
  }
  return constants;
}

/** Workgroups for as many tiles, each one's; see {@linkcode grid}. */
export function tileGrid(tiles: number): Workgroups {
  const most = 65535;
  const rows = ceilDiv(tiles, most);
  return [ceilDiv(tiles, rows), rows, 1];
}
