import type { Tile } from "../../shaders/conv2d.ts";
import { ceilDiv } from "../../shaders/kernel.ts";
import type { AdapterClass } from "./gpu.ts";

/**
 * Sizes that decide speed and never results beyond rounding: a fixed function of adapter class and
 * shape, so that a run can be repeated bit for bit.
 *
 * Software adapters have a handful of lanes and pay for each load: few lanes, large register tiles.
 * GPUs hide loads behind tens of thousands of lanes.
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

const TUNING: Record<AdapterClass, Tuning> = {
  software: {
    convRows: 16,
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

/** The largest of 4, 3, 2 and 1 that divides `count`. */
function divisorUpTo4(count: number): number {
  return [4, 3, 2].find((divisor) => count % divisor === 0) ?? 1;
}

/** Register tile of a convolution with `co` output channels. */
export function convTile(adapter: AdapterClass, co: number): Tile {
  return { rows: TUNING[adapter].convRows, columns: divisorUpTo4(co / 4) };
}

/** Register tile of a weight gradient, and the parts its sum over `lines` rows of dy is cut into. */
export function dwTile(
  adapter: AdapterClass,
  { ci, co, taps, lines }: {
    ci: number;
    co: number;
    taps: number;
    lines: number;
  },
): { tile: Tile; splits: number } {
  const tile = { rows: ci % 8 === 0 ? 2 : 1, columns: divisorUpTo4(co / 4) };
  const lanes = taps * (ci / 4 / tile.rows) * (co / 4 / tile.columns);
  const wanted = Math.min(lines, ceilDiv(TUNING[adapter].dwLanes, lanes));
  return { tile, splits: ceilDiv(lines, ceilDiv(lines, wanted)) };
}

/** Pixels that a lane of a per-channel reduction sums up. */
export function reductionChunk(
  adapter: AdapterClass,
  pixels: number,
  c: number,
): number {
  const chunks = Math.min(512, ceilDiv(TUNING[adapter].reductionLanes, c / 4));
  return ceilDiv(pixels, chunks);
}

/** Pixels that a lane of an element-wise kernel goes through. */
export function elementwiseChunk(adapter: AdapterClass): number {
  return TUNING[adapter].elementwiseChunk;
}
