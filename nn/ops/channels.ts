import { ShapeError } from "../gpu/errors.ts";
import type { Tensor } from "../tensor.ts";

/**
 * Channels that a map of `channels` channels is stored with: the next multiple of 4, so that all heavy
 * kernels move four at a time. The padding holds zeros, and every op keeps it so.
 */
export function padChannels(channels: number): number {
  return Math.ceil(channels / 4) * 4;
}

/** Checks that `x` is a map [n, h, w, padChannels(channels)]. */
export function checkMap(op: string, x: Tensor, channels?: number): void {
  const stored = x.shape[3]!;
  if (x.shape.length !== 4 || stored % 4 !== 0) {
    throw new ShapeError(
      `${op}: ${x.label} must be [n, h, w, channels padded to a multiple of 4], got [${x.shape}]`,
    );
  }
  if (channels !== undefined && stored !== padChannels(channels)) {
    throw new ShapeError(
      `${op}: ${x.label} has ${stored} stored channels, but ${channels} channels are stored as ` +
        `${padChannels(channels)}; pass the units of the map's own level`,
    );
  }
}

/** Checks that some units are active, and that they exist and ascend. */
export function checkUnits(
  what: string,
  units: readonly number[],
  widths: readonly number[],
): void {
  const ascend = units.every((unit, i) => unit in widths && (i === 0 || unit > units[i - 1]!));
  if (units.length === 0 || !ascend) {
    throw new ShapeError(
      `${what} must ascend within 0..${widths.length - 1}, got [${units}]`,
    );
  }
}
