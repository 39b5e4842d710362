/** From decoded pictures to the bytes a network reads. */

/** A decoded picture, 8 bits a channel, row by row. */
export interface Picture {
  /** Pixels in a row. */
  width: number;
  /** Rows of pixels. */
  height: number;
  /** `height * width * 4` bytes: red, green, blue, alpha (not multiplied in). */
  rgba: Uint8ClampedArray;
}

/** Samples in [0, 1], row by row, channels last. */
export interface Raster {
  width: number;
  height: number;
  channels: number;
  data: Float32Array;
}

/** What a network reads; a `VirtualNetwork` has these. */
export interface PictureFormat {
  /** Rows of pixels. */
  height: number;
  /** Pixels in a row. */
  width: number;
  /** 1 (grey) or 3 (red, green, blue). */
  channels: number;
  /** The byte that stands for white. */
  maximum: number;
}

/** Lays the picture on white and, for one channel, weighs the colours by their brightness (Rec. 601). */
export function toRaster(picture: Picture, channels: number): Raster {
  const { width, height, rgba } = picture;
  const data = new Float32Array(width * height * channels);
  for (let i = 0; i < width * height; i++) {
    const alpha = rgba[4 * i + 3]! / 255;
    const over = (c: number) => 1 - alpha + alpha * rgba[4 * i + c]! / 255;
    if (channels === 1) {
      data[i] = 0.299 * over(0) + 0.587 * over(1) + 0.114 * over(2);
    } else {
      for (let c = 0; c < 3; c++) data[3 * i + c] = over(c);
    }
  }
  return { width, height, channels, data };
}

/** The largest centred part that has the proportions of `width` x `height`. */
export function cropToProportions(
  raster: Raster,
  width: number,
  height: number,
): Raster {
  const scale = Math.min(raster.width / width, raster.height / height);
  const w = Math.max(1, Math.round(width * scale));
  const h = Math.max(1, Math.round(height * scale));
  const left = (raster.width - w) >> 1;
  return crop(raster, left, (raster.height - h) >> 1, w, h);
}

/**
 * Cuts out a rectangle; where it reaches over the edge it is filled with `fill`.
 */
export function crop(
  raster: Raster,
  left: number,
  top: number,
  width: number,
  height: number,
  fill = 0,
): Raster {
  const { channels } = raster;
  const data = new Float32Array(width * height * channels).fill(fill);
  for (let y = 0; y < height; y++) {
    const from = top + y;
    if (from < 0 || from >= raster.height) continue;
    const first = Math.max(0, -left);
    const last = Math.min(width, raster.width - left);
    const start = (from * raster.width + left) * channels;
    data.set(
      raster.data.subarray(start + first * channels, start + last * channels),
      (y * width + first) * channels,
    );
  }
  return { width, height, channels, data };
}

/** Resizes so that each new pixel is the mean of the area it covers in the old picture. */
export function resize(raster: Raster, width: number, height: number): Raster {
  const { channels } = raster;
  const columns = coverage(raster.width, width);
  const rows = coverage(raster.height, height);
  const data = new Float32Array(width * height * channels);
  for (let y = 0; y < height; y++) {
    for (const [fromY, weightY] of rows[y]!) {
      for (let x = 0; x < width; x++) {
        for (const [fromX, weightX] of columns[x]!) {
          const from = (fromY * raster.width + fromX) * channels;
          const to = (y * width + x) * channels;
          for (let c = 0; c < channels; c++) {
            data[to + c]! += weightY * weightX * raster.data[from + c]!;
          }
        }
      }
    }
  }
  return { width, height, channels, data };
}

/** For each of `to` equal parts of a line of `from` pixels: which it covers, and how much of it each makes up. */
function coverage(from: number, to: number): [number, number][][] {
  const size = from / to;
  return Array.from({ length: to }, (_, i) => {
    const start = i * size;
    const end = start + size;
    const parts: [number, number][] = [];
    for (let p = Math.floor(start); p < Math.min(end, from); p++) {
      const overlap = Math.min(end, p + 1) - Math.max(start, p);
      if (overlap > 1e-9) parts.push([p, overlap / size]);
    }
    return parts;
  });
}

/** The bytes a network reads: [height, width, channels], 0..maximum. */
export function toBytes(raster: Raster, maximum: number): Uint8Array {
  return Uint8Array.from(
    raster.data,
    (value) => Math.round(Math.min(1, Math.max(0, value)) * maximum),
  );
}
