import type { Tile } from "../../shaders/conv2d.ts";
import { ceilDiv } from "../../shaders/kernel.ts";
import type { Driver } from "./gpu.ts";

/**
 * Sizes that decide speed and never results beyond rounding: a fixed function of driver and shape, so
 * that a run can be repeated bit for bit.
 */
interface Tuning {
  /** Pixels a lane of a convolution makes. */
  convRows: number;
  /** Lanes wanted of a weight gradient, of a reduction and of a matrix product. */
  dwLanes: number;
  reductionLanes: number;
  matmulLanes: number;
  /** Pixels a lane of an element-wise kernel goes through. */
  elementwiseChunk: number;
}

/**
 * Software adapters have a handful of lanes and pay for each load: few lanes, large register tiles;
 * SwiftShader gains nothing from tiles of more than 4 pixels. GPUs hide loads behind tens of thousands
 * of lanes.
 */
const TUNING: Record<Driver, Tuning> = {
  lavapipe: {
    convRows: 8,
    dwLanes: 128,
    reductionLanes: 128,
    matmulLanes: 128,
    elementwiseChunk: 64,
  },
  swiftshader: {
    convRows: 4,
    dwLanes: 128,
    reductionLanes: 128,
    matmulLanes: 128,
    elementwiseChunk: 64,
  },
  gpu: {
    convRows: 8,
    dwLanes: 32768,
    reductionLanes: 8192,
    matmulLanes: 32768,
    elementwiseChunk: 2,
  },
};

/** Register tile of a convolution with `co` output channels. */
export function convTile(driver: Driver, co: number): Tile {
  const columns = [4, 3, 2].find((count) => (co / 4) % count === 0) ?? 1;
  return { rows: TUNING[driver].convRows, columns };
}

/** Register tile of a weight gradient, and the parts its sum over `lines` rows of dy is cut into. */
export function dwTile(
  driver: Driver,
  { ci, co, taps, lines }: {
    ci: number;
    co: number;
    taps: number;
    lines: number;
  },
): { tile: Tile; splits: number } {
  const tile = { rows: ci % 8 === 0 ? 2 : 1, columns: co % 8 === 0 ? 2 : 1 };
  const lanes = taps * (ci / 4 / tile.rows) * (co / 4 / tile.columns);
  const wanted = Math.min(lines, ceilDiv(TUNING[driver].dwLanes, lanes));
  return { tile, splits: ceilDiv(lines, ceilDiv(lines, wanted)) };
}

/** Register tile of a matrix product with [rows, columns] results. */
export function matmulTile(driver: Driver, rows: number, columns: number): Tile {
  return evenTile(driver, rows, ceilDiv(columns, 4), { rows: 8, columns: 4 });
}

/** Register tile of the gradient [c, m] of a matrix product's right operand. */
export function matmulDwTile(driver: Driver, c: number, m: number): Tile {
  return evenTile(driver, ceilDiv(c, 4), ceilDiv(m, 4), { rows: 2, columns: 4 });
}

/**
 * The largest tile that leaves lanes enough, cut to fit the edges. Columns give way first: they cost
 * four loads each, rows one. On software that is where it ends: fewer rows take longer in few lanes too,
 * while few columns compile four times as fast and cost next to nothing.
 */
function evenTile(driver: Driver, rows: number, columns: number, most: Tile): Tile {
  const tile = { ...most };
  const lanes = () => ceilDiv(rows, tile.rows) * ceilDiv(columns, tile.columns);
  while (lanes() < TUNING[driver].matmulLanes) {
    if (tile.columns > 1) tile.columns /= 2;
    else if (tile.rows > 1 && driver === "gpu") tile.rows /= 2;
    else break;
  }
  const even = (count: number, most: number) => ceilDiv(count, ceilDiv(count, most));
  return { rows: even(rows, tile.rows), columns: even(columns, tile.columns) };
}

/** Pixels that a lane of a per-channel reduction sums up. */
export function reductionChunk(
  driver: Driver,
  pixels: number,
  c: number,
): number {
  const chunks = Math.min(512, ceilDiv(TUNING[driver].reductionLanes, c / 4));
  return ceilDiv(pixels, chunks);
}

/** Pixels that a lane of an element-wise kernel goes through. */
export function elementwiseChunk(driver: Driver): number {
  return TUNING[driver].elementwiseChunk;
}
