/** Drawings and photographs of handwriting, made like the pictures a network of digits was trained on. */
import { crop, type PictureFormat, type Raster, resize } from "./pictures.ts";

/** Whether the ink is lighter or darker than the page. */
export type Ink = "light" | "dark";

/** Larger pictures are first brought down to this many pixels a side: it evens out grain. */
const LARGEST_SIDE = 256;
/** Rows and columns at the edge with less ink than this part of the fullest are specks. */
const SPECK = 0.15;
/** Of the way from page to ink, what still counts as page: shadows and grain. */
const PAGE_RANGE = 0.2;
/** The part of the width that a digit may fill: the UCI digits leave the outer columns empty. */
const WIDEST = 6 / 8;

/**
 * What a network of digits reads of a picture: one of the network's size as it is, any other framed
 * with `frameInk`; light on dark in both cases.
 *
 * @param raster One channel.
 */
export function readInk(raster: Raster, ink: Ink, format: PictureFormat) {
  if (raster.width !== format.width || raster.height !== format.height) {
    return frameInk(raster, ink, format);
  }
  if (ink === "light") return raster;
  return { ...raster, data: raster.data.map((value) => 1 - value) };
}

/** Compares the page, taken to be what most of the border is, with the mean of the picture. */
export function detectInk({ width, height, data }: Raster): Ink {
  const border = data.filter((_, i) => {
    const x = i % width;
    const y = Math.floor(i / width);
    return x === 0 || y === 0 || x === width - 1 || y === height - 1;
  });
  const page = border.sort()[border.length >> 1]!;
  const mean = data.reduce((sum, value) => sum + value, 0) / data.length;
  return page > mean ? "dark" : "light";
}

/**
 * Separates ink from page, cuts the picture to the ink and lays it out as the UCI digits are: full
 * height, in the middle. Like those, each pixel then says how much of it is ink.
 *
 * @param raster One channel.
 * @returns Light ink on black, of the network's size.
 * @throws {Error} If the picture is of one tone.
 */
function frameInk(
  raster: Raster,
  ink: Ink,
  { width, height }: PictureFormat,
): Raster {
  const scale = Math.min(
    1,
    LARGEST_SIDE / Math.max(raster.width, raster.height),
  );
  const small = scale === 1 ? raster : resize(
    raster,
    Math.max(1, Math.round(raster.width * scale)),
    Math.max(1, Math.round(raster.height * scale)),
  );
  const inked = separateInk(small, ink);
  const [left, right] = extent(columnSums(inked));
  const [top, bottom] = extent(rowSums(inked));
  // The frame has the network's proportions and holds the box at full height or at the widest.
  const tall = bottom - top;
  const frameHeight = Math.max(
    tall,
    (right - left) / WIDEST * height / width,
  );
  const frameWidth = frameHeight * width / height;
  const framed = crop(
    inked,
    Math.round((left + right - frameWidth) / 2),
    Math.round((top + bottom - frameHeight) / 2),
    Math.max(1, Math.round(frameWidth)),
    Math.max(1, Math.round(frameHeight)),
  );
  return resize(framed, width, height);
}

/** 0 on the page, 1 on the ink, the two told apart by Otsu's method: least variance within both. */
function separateInk(raster: Raster, ink: Ink): Raster {
  const bins = 256;
  const histogram = new Float64Array(bins);
  for (const value of raster.data) histogram[Math.round(value * (bins - 1))]!++;
  const total = raster.data.length;
  const sum = histogram.reduce((acc, count, bin) => acc + count * bin, 0);
  let below = 0, sumBelow = 0, best = 0, dark = 0, light = 0;
  for (let bin = 0; bin < bins; bin++) {
    below += histogram[bin]!;
    sumBelow += histogram[bin]! * bin;
    const low = sumBelow / below;
    const high = (sum - sumBelow) / (total - below);
    const variance = below * (total - below) * (high - low) ** 2;
    // Where one part is empty this is NaN, which is not greater.
    if (variance > best) [best, dark, light] = [variance, low, high];
  }
  if (best === 0) throw new Error("there is nothing on it: all has one tone");
  const [page, full] = ink === "light" ? [dark, light] : [light, dark];
  const data = raster.data.map((value) => {
    const way = (value * (bins - 1) - page) / (full - page);
    return Math.min(1, Math.max(0, (way - PAGE_RANGE) / (1 - PAGE_RANGE)));
  });
  return { ...raster, data };
}

function rowSums({ width, height, data }: Raster): Float32Array {
  return Float32Array.from({ length: height }, (_, y) => {
    return data.subarray(y * width, (y + 1) * width)
      .reduce((sum, value) => sum + value, 0);
  });
}

function columnSums({ width, height, data }: Raster): Float32Array {
  const sums = new Float32Array(width);
  for (let i = 0; i < width * height; i++) sums[i % width]! += data[i]!;
  return sums;
}

/** From the first to past the last that is not empty, specks apart. */
function extent(sums: Float32Array): [number, number] {
  const least = SPECK * Math.max(...sums);
  const filled = (sum: number) => sum > least;
  return [sums.findIndex(filled), sums.findLastIndex(filled) + 1];
}
