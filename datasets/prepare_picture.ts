import { detectInk, type Ink, readInk } from "./ink.ts";
import {
  cropToProportions,
  type Picture,
  type PictureFormat,
  resize,
  toBytes,
  toRaster,
} from "./pictures.ts";

/**
 * How a picture is read: as ink on a page, lighter or darker than it or whichever is seen ("auto"), or
 * as it is ("none").
 */
export type InkChoice = Ink | "auto" | "none";

/** What {@linkcode preparePicture} gives. */
export interface PreparedPicture {
  /** [height, width, channels], each at most the format's `maximum`. */
  bytes: Uint8Array;
  /** Which ink was taken to be on it; absent for a picture read as it is. */
  ink?: Ink;
}

/**
 * Makes of a picture of any size what a network reads. As it is, it is cut to the network's proportions
 * around its middle and resized; ink on a page is cut to the ink, laid out as the digits are that a
 * network learns from, and made light on dark.
 *
 * @param format A `VirtualNetwork` has it.
 * @throws {RangeError} If ink is to be read, and the network reads colours.
 * @throws {Error} If ink is to be read, and the picture is of one tone.
 */
export function preparePicture(
  picture: Picture,
  format: PictureFormat,
  choice: InkChoice,
): PreparedPicture {
  const { width, height, channels, maximum } = format;
  if (choice !== "none" && channels !== 1) {
    throw new RangeError(
      `preparePicture: ink is read by networks of grey pictures, and this one has ${channels} ` +
        `channels; use "none"`,
    );
  }
  const raster = toRaster(picture, channels);
  if (choice === "none") {
    const part = cropToProportions(raster, width, height);
    return { bytes: toBytes(resize(part, width, height), maximum) };
  }
  const ink = choice === "auto" ? detectInk(raster) : choice;
  return { ink, bytes: toBytes(readInk(raster, ink, format), maximum) };
}
