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
  /** Lanes wanted of a weight gradient and of a reduction. */
  dwLanes: number;
  reductionLanes: number;
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
    elementwiseChunk: 64,
  },
  swiftshader: {
    convRows: 4,
    dwLanes: 128,
    reductionLanes: 128,
    elementwiseChunk: 64,
  },
  gpu: {
    convRows: 8,
    dwLanes: 32768,
    reductionLanes: 8192,
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
