import { conv2dExtent, type Tile } from "../../shaders/conv2d.ts";
import { ceilDiv, LANES, type Shape } from "../../shaders/kernel.ts";
import { lanesOf, type SharedTile } from "../../shaders/shared_tile.ts";
import type { Teams } from "../../shaders/team.ts";
import { PLACES, TILE, tilesOf } from "../../shaders/winograd.ts";

/** What kernels are tuned for; a software adapter that is not known counts as SwiftShader. */
export type Driver = "gpu" | "lavapipe" | "swiftshader";

/**
 * Sizes that decide speed and never results beyond rounding: a fixed function of driver and shape, so
 * that a run can be repeated bit for bit.
 */
interface Tuning {
  /** Pixels, or tiles, a lane of a convolution makes. */
  convRows: number;
  /** Groups of 4 input channels that a lane of a weight gradient makes at most. */
  dwRows: number;
  /** By so many groups of output channels at most, of tiles. */
  winogradDwColumns: number;
  /** Channels from which on Winograd's way is the faster one. */
  winogradChannels: number;
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
 * Software adapters have a handful of lanes and pay for each load: few lanes, large register tiles, as
 * large as pays for compiling them (`deno task tune` and a stopwatch). GPUs hide loads behind tens of
 * thousands of lanes.
 */
const TUNING: Record<Driver, Tuning> = {
  lavapipe: {
    convRows: 8,
    dwRows: 2,
    winogradDwColumns: 2,
    winogradChannels: 32,
    winogradTiles: 256,
    winogradDwLanes: 512,
    dwLanes: 128,
    reductionLanes: 128,
    matmulLanes: 128,
    elementwiseChunk: 64,
  },
  swiftshader: {
    convRows: 8,
    dwRows: 4,
    winogradDwColumns: 4,
    winogradChannels: 4,
    winogradTiles: 256,
    winogradDwLanes: 512,
    dwLanes: 128,
    reductionLanes: 128,
    matmulLanes: 128,
    elementwiseChunk: 64,
  },
  gpu: {
    convRows: 8,
    dwRows: 2,
    winogradDwColumns: 2,
    // Saves 13.5 ci co of 18 operations a pixel and moves 22 (ci + co) bytes more: with equal channels c
    // it is faster where c > 3.3 times the operations the adapter does for each byte it moves, which is
    // some 8 (A100) to 25 (most others) and 50 (RTX 4090, large caches). Not measured.
    winogradChannels: 128,
    winogradTiles: 2048,
    winogradDwLanes: 32768,
    dwLanes: 32768,
    reductionLanes: 65536,
    matmulLanes: 32768,
    elementwiseChunk: 2,
  },
};

/** A 3x3 convolution by tiles and matrix products: see shaders/winograd.ts. */
export interface WinogradChoice extends Partial<Omit<SharedTile, "tile">> {
  /** Tells it from the others. */
  algorithm: "winograd";
  /**
   * Tiles, or input channels, by groups of 4 output channels that a lane of the products makes; through
   * workgroup memory where it is said what a workgroup makes.
   */
  tile: Tile;
  /** Of a batch's tiles, about so many go at a time: fewer take less memory, and stay in caches. */
  tiles: number;
}

/**
 * How a convolution or its data gradient is computed. "direct": each lane on its own, from registers.
 * "shared": workgroups together, as a matrix product through workgroup memory; for GPUs.
 */
export type ConvChoice =
  | { algorithm: "direct"; tile: Tile }
  | { algorithm: "shared" } & SharedTile
  | WinogradChoice;

/** How a weight gradient is computed; `splits`: parts its sum is cut into, of tiles those at a time. */
export type WeightGradientChoice =
  | { algorithm: "direct"; tile: Tile; splits: number }
  | { algorithm: "shared"; splits: number } & SharedTile
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
  algorithm = fastest(driver, shape),
): ConvChoice {
  if (algorithm === "winograd" && canBeWinograd(shape)) return winogradChoice(driver, shape);
  const [, to] = channelsOf(shape);
  if (algorithm === "shared") return { algorithm, ...sharedTile(pixelsOf(shape), to) };
  return { algorithm: "direct", tile: { rows: TUNING[driver].convRows, columns: columnsOf(to) } };
}

/** How a weight gradient is computed where nothing was measured. */
export function defaultWeightGradient(
  driver: Driver,
  shape: ConvShape,
  algorithm = fastest(driver, shape),
): WeightGradientChoice {
  if (algorithm === "winograd" && canBeWinograd(shape)) {
    return winogradWeightGradientChoice(driver, shape);
  }
  return algorithm === "shared"
    ? sharedWeightGradientChoice(shape)
    : directWeightGradientChoice(driver, shape);
}

/**
 * Transforming the weights costs as much as about 500 pixels save.
 *
 * @param least Channels from which on Winograd's way is the faster one.
 */
function fastest(driver: Driver, shape: ConvShape): ConvChoice["algorithm"] {
  const { pass, n, h, w, ci, co, kernel } = shape;
  const [, to] = channelsOf(shape);
  const shares = (rows: number) => driver === "gpu" && fillsSharedTile(rows, to);
  const tiled = Math.min(ci, co) >= TUNING[driver].winogradChannels &&
    n * h * w >= LEAST_PIXELS && canBeWinograd(shape);
  if (tiled && (driver !== "gpu" || shares(winogradTilesOf(shape)))) return "winograd";
  return shares(pass === "dw" ? kernel ** 2 * ci : pixelsOf(shape)) ? "shared" : "direct";
}

const LEAST_PIXELS = 512;

/** All ways to compute a convolution or its data gradient that are worth trying. */
export function convCandidates(driver: Driver, shape: ConvShape): ConvChoice[] {
  const [, to] = channelsOf(shape);
  const tiles = [4, 8].flatMap((rows) =>
    [4, 2, 1].filter((columns) => (to / 4) % columns === 0).map((columns) => ({ rows, columns }))
  );
  const choices = tiles.map((tile): ConvChoice => ({ algorithm: "direct", tile }));
  if (driver === "gpu") {
    const shared = sharedTilesFor(pixelsOf(shape), to);
    choices.push(...shared.map((shared): ConvChoice => ({ algorithm: "shared", ...shared })));
  }
  if (!canBeWinograd(shape)) return choices;
  const choice = winogradChoice(driver, shape);
  const lanes = choice.groupRows
    ? sharedTilesFor(Math.min(choice.tiles, winogradTilesOf(shape)), to)
    : [4, 6, 8].map((rows) => ({ tile: { ...choice.tile, rows } }));
  return [
    ...choices,
    ...lanes.map((lane) => ({ ...choice, ...lane })),
    ...[choice.tiles / 4, choice.tiles * 4].map((tiles) => ({
      ...choice,
      tiles: tilesAtATime(shape, tiles),
    })),
  ];
}

/** All ways to compute a weight gradient that are worth trying. */
export function weightGradientCandidates(
  driver: Driver,
  shape: ConvShape,
): WeightGradientChoice[] {
  const { n, h, ci, co, kernel } = shape;
  const isGpu = driver === "gpu";
  // Few splits leave lanes idle, many leave much to be summed up: on GPUs either can be worse.
  const times = isGpu ? [1 / 4, 1 / 2, 1, 2, 4] : [1, 2, 4];
  const lines = n * conv2dExtent(h, shape);
  const direct = directWeightGradientChoice(driver, shape);
  const choices: WeightGradientChoice[] = withSplits(direct, times, lines);
  for (const shared of isGpu ? sharedTilesFor(kernel ** 2 * ci, co) : []) {
    const choice = sharedWeightGradientChoice(shape, shared);
    choices.push(...withSplits(choice, times, ceilDiv(pixelsOf(shape), LEAST_DEPTH)));
  }
  if (!canBeWinograd(shape)) return choices;
  const choice = winogradWeightGradientChoice(driver, shape);
  const tiles = Math.min(choice.tiles, winogradTilesOf(shape));
  return [
    ...choices,
    ...choice.groupRows
      ? sharedTilesFor(ci, co).map((shared) => winogradWeightGradientChoice(driver, shape, shared))
      : [],
    ...withSplits(choice, isGpu ? [1 / 2, 1, 2] : [1, 2], ceilDiv(tiles, LEAST_DEPTH)),
    { ...choice, tiles: tilesAtATime(shape, choice.tiles * 4) },
  ];
}

/** A part of a sum is to be over as many pixels, or tiles, as go into workgroup memory at a time. */
const LEAST_DEPTH = 16;

/**
 * The choice with so many times its splits, as far as that makes a difference.
 *
 * @param most Splits that have something to sum.
 */
function withSplits<Choice extends WeightGradientChoice>(
  choice: Choice,
  times: readonly number[],
  most: number,
): Choice[] {
  const counts = times.map((times) =>
    Math.max(1, Math.min(most, MOST_SPLITS, Math.round(choice.splits * times)))
  );
  return [...new Set(counts)].map((splits) => ({ ...choice, splits }));
}

function winogradChoice(driver: Driver, shape: ConvShape): WinogradChoice {
  const [, to] = channelsOf(shape);
  const { convRows: rows } = TUNING[driver];
  const tiles = tilesAtATime(shape, TUNING[driver].winogradTiles);
  const atATime = Math.min(tiles, winogradTilesOf(shape));
  const lane = driver === "gpu" && fillsSharedTile(atATime, to)
    ? sharedTile(atATime, to, PLACES)
    : { tile: { rows, columns: columnsOf(to) } };
  return { algorithm: "winograd", ...lane, tiles };
}

/** @param shared Default: the best as far as is known, where one is filled. */
function winogradWeightGradientChoice(
  driver: Driver,
  shape: ConvShape,
  shared?: SharedTile,
): WinogradChoice & { splits: number } {
  const { ci, co } = shape;
  const { winogradDwLanes } = TUNING[driver];
  const winogradTiles = tilesAtATime(shape, TUNING[driver].winogradTiles);
  const tiles = Math.min(winogradTiles, winogradTilesOf(shape));
  if (driver === "gpu" && fillsSharedTile(ci, co)) {
    shared ??= sharedTile(ci, co, PLACES * ceilDiv(tiles, 64));
    const lanes = PLACES * sharedLanes(shared, ci, co);
    const splits = Math.min(ceilDiv(tiles, 64), ceilDiv(winogradDwLanes, lanes));
    return { algorithm: "winograd", ...shared, tiles: winogradTiles, splits };
  }
  const tile = {
    rows: dwRowsOf(driver, ci),
    columns: columnsOf(co, TUNING[driver].winogradDwColumns),
  };
  const lanes = PLACES * (ci / 4 / tile.rows) * (co / 4 / tile.columns);
  const splits = Math.max(1, Math.min(ceilDiv(tiles, 16), ceilDiv(winogradDwLanes, lanes)));
  return { algorithm: "winograd", tile, tiles: winogradTiles, splits };
}

/**
 * Images of a batch that go through Winograd's tiles at a time: with no more than so many tiles, but at
 * least those between two places where a binding may begin.
 *
 * @param co Channels of the result.
 */
export function imagesAtATime([n, h, w, ci]: Shape, co: number, tiles: number): number {
  // WebGPU binds from multiples of 256 bytes on, 128 numbers of 16 bits. A power of two divides both
  // numbers of channels if it does this one.
  let aligned = 1;
  while (aligned * h! * w! * (ci! | co) % 128) aligned *= 2;
  const most = Math.floor(tiles / tilesOf([aligned, h!, w!]).known) || 1;
  return Math.min(n!, aligned * ceilDiv(n!, aligned * ceilDiv(n!, aligned * most)));
}

/** So many, or as many, by fours, as can be bound within WebGPU's default limit, 128 MiB. */
function tilesAtATime({ ci, co }: ConvShape, tiles: number): number {
  return Math.min(tiles, 4 * Math.floor(2 ** 27 / 16 / PLACES / Math.max(ci, co)));
}

/** Tiles of a whole batch. */
function winogradTilesOf({ n, h, w }: ConvShape): number {
  return tilesOf([n, h, w]).known;
}

/**
 * Tiles for workgroup memory, largest first. For each float from memory, tiles of 64x64 make 32
 * multiplications; for each from workgroup memory, lanes with 8x8 make 4. Smaller ones are for more lanes
 * where the product is small, and for adapters with few registers (Intel).
 */
const SHARED_TILES: readonly SharedTile[] = [
  { groupRows: 128, groupColumns: 128, tile: { rows: 8, columns: 2 } },
  { groupRows: 128, groupColumns: 64, tile: { rows: 8, columns: 2 } },
  { groupRows: 64, groupColumns: 64, tile: { rows: 8, columns: 2 } },
  { groupRows: 64, groupColumns: 64, tile: { rows: 4, columns: 2 } },
  { groupRows: 64, groupColumns: 64, tile: { rows: 4, columns: 1 } },
  { groupRows: 64, groupColumns: 32, tile: { rows: 8, columns: 1 } },
  { groupRows: 64, groupColumns: 32, tile: { rows: 4, columns: 1 } },
  { groupRows: 64, groupColumns: 16, tile: { rows: 4, columns: 1 } },
  { groupRows: 32, groupColumns: 32, tile: { rows: 4, columns: 1 } },
];

/**
 * Whether a matrix product [rows, columns] fills a small tile. The direct kernels have fewer lanes, and
 * these load what lies apart; but they leave none of them empty.
 */
function fillsSharedTile(rows: number, columns: number): boolean {
  return rows >= 64 && columns >= 16;
}

/** The largest tile, of up to 64x64, that leaves lanes enough for a batch of products [rows, columns]. */
function sharedTile(rows: number, columns: number, batch = 1): SharedTile {
  // Narrow tiles load more, but not if many columns of wide ones were empty.
  const padded = (width: number) => width * ceilDiv(columns, width);
  const width = [64, 32].find((width) => padded(width) < 1.25 * padded(width / 2)) ?? 16;
  const tiles = SHARED_TILES.filter(({ groupRows, groupColumns }) =>
    groupRows <= 64 && groupColumns === Math.min(groupRows, width)
  );
  const wanted = TUNING.gpu.matmulLanes;
  return tiles.find((shared) => batch * sharedLanes(shared, rows, columns) >= wanted) ??
    tiles.at(-1)!;
}

/** The tiles that a product [rows, columns] fills by more than a bit. */
function sharedTilesFor(rows: number, columns: number): SharedTile[] {
  return SHARED_TILES.filter(({ groupRows, groupColumns }) =>
    groupRows < rows + 32 && groupColumns < columns + 32
  );
}

/** Lanes that make one product [rows, columns]. */
function sharedLanes(shared: SharedTile, rows: number, columns: number): number {
  const { groupRows, groupColumns } = shared;
  return ceilDiv(rows, groupRows) * ceilDiv(columns, groupColumns) * lanesOf(shared);
}

/** Of a weight gradient: the two stages that sum them up go through no more than 32 each. */
const MOST_SPLITS = 1024;

/** @param shared Default: the best as far as is known. */
function sharedWeightGradientChoice(
  shape: ConvShape,
  shared?: SharedTile,
): WeightGradientChoice & { algorithm: "shared" } {
  const { ci, co, kernel } = shape;
  const pixels = pixelsOf(shape), rows = kernel ** 2 * ci;
  // Splits make up for lanes that lack, down to 128 pixels each.
  const most = ceilDiv(pixels, 128);
  shared ??= sharedTile(rows, co, most);
  const wanted = ceilDiv(TUNING.gpu.dwLanes, sharedLanes(shared, rows, co));
  return { algorithm: "shared", ...shared, splits: Math.min(most, MOST_SPLITS, wanted) };
}

function directWeightGradientChoice(
  driver: Driver,
  shape: ConvShape,
): WeightGradientChoice & { algorithm: "direct" } {
  const { n, h, ci, co, kernel } = shape;
  const lines = n * conv2dExtent(h, shape);
  const rows = dwRowsOf(driver, ci);
  const tile = { rows, columns: columnsOf(co, 2 * rows) };
  const lanes = kernel ** 2 * (ci / 4 / tile.rows) * (co / 4 / tile.columns);
  const wanted = Math.min(lines, MOST_SPLITS, ceilDiv(TUNING[driver].dwLanes, lanes));
  return { algorithm: "direct", tile, splits: ceilDiv(lines, ceilDiv(lines, wanted)) };
}

/** Pixels of the pass's result; of a weight gradient, those it sums over. */
function pixelsOf(shape: ConvShape): number {
  const { pass, n, h, w } = shape;
  return pass === "dx" ? n * h * w : n * conv2dExtent(h, shape) * conv2dExtent(w, shape);
}

/** Input and output channels of the pass. */
function channelsOf({ pass, ci, co }: ConvShape): [from: number, to: number] {
  return pass === "dx" ? [co, ci] : [ci, co];
}

/** The most groups of 4 input channels, by halves, that fill a lane of a weight gradient without rest. */
function dwRowsOf(driver: Driver, channels: number): number {
  let rows = TUNING[driver].dwRows;
  while ((channels / 4) % rows !== 0) rows /= 2;
  return rows;
}

/** The most groups of 4 channels that fill a tile without rest. */
function columnsOf(channels: number, most = 4): number {
  return [4, 3, 2].find((count) => count <= most && (channels / 4) % count === 0) ?? 1;
}

function canBeWinograd(shape: ConvShape): boolean {
  const { n, h, w, ci, co, kernel, stride, padding } = shape;
  const least = winogradTilesOf({ ...shape, n: imagesAtATime([n, h, w, ci], co, 1) });
  return kernel === 3 && stride === 1 && padding === 1 && h >= TILE && w >= TILE &&
    tilesAtATime(shape, least) === least;
}

/** Register tile of a matrix product with [rows, columns] results. */
export function matmulTile(driver: Driver, rows: number, columns: number): Tile {
  return evenTile(driver, rows, ceilDiv(columns, 4), { rows: 8, columns: 4 });
}

/**
 * Tile in workgroup memory of a matrix product with [rows, columns] results, where that is the faster
 * way, or asked for, and possible.
 *
 * @param transposed The right operand is given as [columns, depth].
 */
export function matmulSharedTile(
  { driver, prefer }: { driver: Driver; prefer?: ConvChoice["algorithm"] },
  rows: number,
  columns: number,
  depth: number,
  transposed = false,
): SharedTile | undefined {
  if (columns % 4 || depth % 4) return undefined;
  const faster = driver === "gpu" && depth >= 16 && fillsSharedTile(rows, columns);
  if (!faster && prefer !== "shared") return undefined;
  // What turns the right operand counts on four loads a lane.
  return transposed ? SHARED_TILES[2] : sharedTile(rows, columns);
}

/** The same of the gradient [c, m] of the right operand, from n rows. */
export function matmulDwSharedTile(
  { driver, prefer }: { driver: Driver; prefer?: ConvChoice["algorithm"] },
  c: number,
  m: number,
  n: number,
): SharedTile | undefined {
  if (c % 4 || m % 4) return undefined;
  const faster = driver === "gpu" && n >= 16 && fillsSharedTile(c, m);
  return faster || prefer === "shared" ? sharedTile(c, m) : undefined;
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
  const lanes = ceilDiv(TUNING[driver].reductionLanes, c / 4);
  // On GPUs enough that what chunks leave is small next to what they read.
  return driver === "gpu"
    ? Math.max(16, ceilDiv(pixels, Math.min(2048, lanes)))
    : ceilDiv(pixels, Math.min(512, lanes));
}

/** Lanes for the last stage of such a reduction: on GPUs a workgroup for every 4 channels. */
export function channelTeams(driver: Driver): Teams {
  return driver === "gpu" ? { lanes: 256, team: 64 } : ALONE;
}

/** Lanes for the rows of a loss, which one workgroup goes through. */
export function rowTeams(driver: Driver): Teams {
  return driver === "gpu" ? { lanes: 256, team: 8 } : ALONE;
}

/** On software, where barriers cost more than they save, every lane works by itself. */
const ALONE: Teams = { lanes: LANES, team: 1 };

/**
 * Parts of a weight gradient's sum that its last stage goes through, one after another in each lane;
 * where there were more, another stage made them fewer.
 */
export function remainingSplits(driver: Driver, splits: number): number {
  return driver === "gpu" && splits > 16 ? Math.ceil(Math.sqrt(splits)) : splits;
}

/** Of the taps of a weight gradient, those that a lane of its last stage makes: on software, all. */
export function tapsPerLane(driver: Driver, taps: number): number {
  return driver === "gpu" ? 1 : taps;
}

/** Pixels that a lane of an element-wise kernel goes through. */
export function elementwiseChunk(driver: Driver): number {
  return TUNING[driver].elementwiseChunk;
}
