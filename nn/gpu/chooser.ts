import type { Tile } from "../../shaders/conv2d.ts";
import { ceilDiv } from "../../shaders/kernel.ts";
import { PLACES, TILE } from "../../shaders/winograd.ts";

/** What kernels are tuned for; a software adapter that is not known counts as SwiftShader. */
export type Driver = "gpu" | "lavapipe" | "swiftshader";

/**
 * Sizes that decide speed and never results beyond rounding: a fixed function of driver and shape, so
 * that a run can be repeated bit for bit.
 */
interface Tuning {
  /** Pixels, or tiles, a lane of a convolution makes. */
  convRows: number;
  /** Channels from which on Winograd's way is the faster one; undefined: never. */
  winograd?: { least: number; leastDw: number };
  /** Of a batch's tiles, those that go at a time. */
  winogradTiles: number;
  winogradDwLanes: number;
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
    winograd: { least: 32, leastDw: 32 },
    winogradTiles: 256,
    winogradDwLanes: 512,
    dwLanes: 128,
    reductionLanes: 128,
    matmulLanes: 128,
    elementwiseChunk: 64,
  },
  swiftshader: {
    convRows: 4,
    winograd: { least: 32, leastDw: 32 },
    winogradTiles: 256,
    winogradDwLanes: 512,
    dwLanes: 128,
    reductionLanes: 128,
    matmulLanes: 128,
    elementwiseChunk: 64,
  },
  gpu: {
    convRows: 8,
    winogradTiles: 16384,
    winogradDwLanes: 32768,
    dwLanes: 32768,
    reductionLanes: 8192,
    matmulLanes: 32768,
    elementwiseChunk: 2,
  },
};

/** A 3x3 convolution by tiles and matrix products: see shaders/winograd.ts. */
export interface WinogradChoice {
  /** Tells it from the other. */
  algorithm: "winograd";
  /** Tiles by groups of 4 output channels that a lane of the products makes. */
  tile: Tile;
  /** Of a batch's tiles, about so many go at a time: fewer take less memory, and stay in caches. */
  tiles: number;
}

/** How a convolution or its data gradient is computed. */
export type ConvChoice =
  | { algorithm: "direct"; tile: Tile }
  | WinogradChoice;

/** How a weight gradient is computed; `splits`: parts its sum is cut into, of tiles those at a time. */
export type WeightGradientChoice =
  | { algorithm: "direct"; tile: Tile; splits: number }
  | WinogradChoice & { splits: number };

/** Extents of a convolution; of a data gradient, from `co` to `ci` channels. */
export interface ConvShape {
  /** Forward, or the gradient of the data or of the weights. */
  pass: "forward" | "dx" | "dw";
  /** Images. */
  n: number;
  /** Rows of pixels of the input. */
  h: number;
  /** Pixels in a row. */
  w: number;
  /** Channels of the input, padding included. */
  ci: number;
  /** Channels of the output, padding included. */
  co: number;
  /** Side. */
  kernel: number;
  /** Pixels from one output to the next. */
  stride: number;
  /** Zeros around the picture. */
  padding: number;
}

/**
 * How a convolution or its data gradient is computed where nothing was measured.
 *
 * @param algorithm Where there is a choice.
 */
export function defaultConv(
  driver: Driver,
  shape: ConvShape,
  algorithm = fastest(shape, TUNING[driver].winograd?.least),
): ConvChoice {
  if (algorithm === "winograd" && canBeWinograd(shape)) return winogradChoice(driver, shape);
  const [, to] = channelsOf(shape);
  return { algorithm: "direct", tile: { rows: TUNING[driver].convRows, columns: columnsOf(to) } };
}

/** How a weight gradient is computed where nothing was measured. */
export function defaultWeightGradient(
  driver: Driver,
  shape: ConvShape,
  algorithm = fastest(shape, TUNING[driver].winograd?.leastDw),
): WeightGradientChoice {
  return algorithm === "winograd" && canBeWinograd(shape)
    ? winogradWeightGradientChoice(driver, shape)
    : directWeightGradientChoice(driver, shape);
}

/**
 * Transforming the weights costs as much as about 500 pixels save.
 *
 * @param least Channels from which on Winograd's way is the faster one.
 */
function fastest({ n, h, w, ci, co }: ConvShape, least = Infinity): ConvChoice["algorithm"] {
  return Math.min(ci, co) >= least && n * h * w >= LEAST_PIXELS ? "winograd" : "direct";
}

const LEAST_PIXELS = 512;

/** All ways to compute a convolution or its data gradient that are worth trying. */
export function convCandidates(driver: Driver, shape: ConvShape): ConvChoice[] {
  const [, to] = channelsOf(shape);
  const tiles = [4, 8].flatMap((rows) =>
    [4, 2, 1].filter((columns) => (to / 4) % columns === 0).map((columns) => ({ rows, columns }))
  );
  const direct = tiles.map((tile): ConvChoice => ({ algorithm: "direct", tile }));
  if (!canBeWinograd(shape)) return direct;
  const choice = winogradChoice(driver, shape);
  return [
    ...direct,
    ...[4, 6, 8].map((rows) => ({ ...choice, tile: { ...choice.tile, rows } })),
    ...[choice.tiles / 4, choice.tiles * 4].map((tiles) => ({ ...choice, tiles })),
  ];
}

/** All ways to compute a weight gradient that are worth trying. */
export function weightGradientCandidates(
  driver: Driver,
  shape: ConvShape,
): WeightGradientChoice[] {
  const direct = directWeightGradientChoice(driver, shape);
  const choices = [1, 2, 4].map((times): WeightGradientChoice => ({
    ...direct,
    splits: direct.splits * times,
  }));
  if (!canBeWinograd(shape)) return choices;
  const choice = winogradWeightGradientChoice(driver, shape);
  return [
    ...choices,
    choice,
    { ...choice, splits: choice.splits * 2 },
    { ...choice, tiles: choice.tiles * 4 },
  ];
}

function winogradChoice(driver: Driver, shape: ConvShape): WinogradChoice {
  const [, to] = channelsOf(shape);
  const { winogradTiles: tiles, convRows: rows } = TUNING[driver];
  return { algorithm: "winograd", tile: { rows, columns: columnsOf(to) }, tiles };
}

function winogradWeightGradientChoice(
  driver: Driver,
  { n, h, w, ci, co }: ConvShape,
): WinogradChoice & { splits: number } {
  const { winogradTiles, winogradDwLanes } = TUNING[driver];
  const tiles = Math.min(winogradTiles, n * ceilDiv(h, TILE) * ceilDiv(w, TILE));
  // Larger tiles take longer to compile than they save.
  const tile = { rows: ci % 8 === 0 ? 2 : 1, columns: columnsOf(co, 2) };
  const lanes = PLACES * (ci / 4 / tile.rows) * (co / 4 / tile.columns);
  const splits = Math.max(1, Math.min(ceilDiv(tiles, 16), ceilDiv(winogradDwLanes, lanes)));
  return { algorithm: "winograd", tile, tiles: winogradTiles, splits };
}

function directWeightGradientChoice(
  driver: Driver,
  { n, h, ci, co, kernel, stride, padding }: ConvShape,
): WeightGradientChoice & { algorithm: "direct" } {
  const lines = n * (Math.floor((h + 2 * padding - kernel) / stride) + 1);
  const rows = ci % 8 === 0 ? 2 : 1;
  const tile = { rows, columns: columnsOf(co, 2 * rows) };
  const lanes = kernel ** 2 * (ci / 4 / tile.rows) * (co / 4 / tile.columns);
  const wanted = Math.min(lines, ceilDiv(TUNING[driver].dwLanes, lanes));
  return { algorithm: "direct", tile, splits: ceilDiv(lines, ceilDiv(lines, wanted)) };
}

/** Input and output channels of the pass. */
function channelsOf({ pass, ci, co }: ConvShape): [from: number, to: number] {
  return pass === "dx" ? [co, ci] : [ci, co];
}

/** The most groups of 4 channels that fill a tile without rest. */
function columnsOf(channels: number, most = 4): number {
  return [4, 3, 2].find((count) => count <= most && (channels / 4) % count === 0) ?? 1;
}

function canBeWinograd({ h, w, kernel, stride, padding }: ConvShape): boolean {
  return kernel === 3 && stride === 1 && padding === 1 && h >= TILE && w >= TILE;
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
