import { type Dataset, MemoryImageSet } from "./image_set.ts";

/**
 * Decoded pictures in one run of bytes: a line of JSON, the {@linkcode PackedHeader}; the labels of
 * the training and of the test pictures, one byte each; their pixels in the same order.
 */
const FORMAT = "dvn-packed-images";
/** Raised whenever the layout, or how pictures get into it, changes. */
const VERSION = 1;

/** What the pictures are. */
export interface PackedHeader {
  /** Identifies what was decoded. */
  key: string;
  name: string;
  classes: string[];
  height: number;
  width: number;
  channels: number;
  /** Number of training pictures. */
  train: number;
  /** Number of test pictures. */
  test: number;
}

/** The parts of packed bytes, to be filled or read in place. */
export interface PackedImages {
  /** All of it. */
  bytes: Uint8Array;
  header: PackedHeader;
  /** `[train + test]` */
  labels: Uint8Array;
  /** `[train + test, height, width, channels]` */
  pixels: Uint8Array;
}

/** Room for the pictures, with the header in place. */
export function allocatePacked(header: PackedHeader): PackedImages {
  const line = JSON.stringify({ format: FORMAT, version: VERSION, ...header });
  const head = new TextEncoder().encode(`${line}\n`);
  const bytes = new Uint8Array(head.length + bodyBytes(header));
  bytes.set(head);
  return { bytes, header, ...divide(bytes.subarray(head.length), header) };
}

/**
 * @returns The parts; undefined if the bytes are of another version or key, of a wrong length, or
 *   have a wrong label.
 */
export function openPacked(
  bytes: Uint8Array,
  key: string,
): PackedImages | undefined {
  const end = bytes.indexOf("\n".charCodeAt(0));
  if (end < 0) return undefined;
  let header;
  try {
    header = JSON.parse(new TextDecoder().decode(bytes.subarray(0, end)));
  } catch {
    return undefined;
  }
  if (
    header?.format !== FORMAT || header.version !== VERSION ||
    header.key !== key
  ) return undefined;
  const body = bytes.subarray(end + 1);
  if (body.length !== bodyBytes(header)) return undefined;
  const parts = divide(body, header);
  const count = header.classes.length;
  if (parts.labels.some((label) => label >= count)) return undefined;
  return { bytes, header, ...parts };
}

/** The pictures as a dataset, which keeps the bytes. */
export function packedDataset(
  { header, labels, pixels }: PackedImages,
): Dataset {
  const { name, classes, height, width, channels, train } = header;
  const split = train * height * width * channels;
  return {
    classes,
    height,
    width,
    channels,
    maximum: 255,
    train: new MemoryImageSet(
      `${name} train`,
      pixels.subarray(0, split),
      labels.subarray(0, train),
    ),
    test: new MemoryImageSet(
      `${name} test`,
      pixels.subarray(split),
      labels.subarray(train),
    ),
  };
}

function bodyBytes(header: PackedHeader): number {
  const { height, width, channels, train, test } = header;
  return (train + test) * (1 + height * width * channels);
}

function divide(body: Uint8Array, { train, test }: PackedHeader) {
  const count = train + test;
  return { labels: body.subarray(0, count), pixels: body.subarray(count) };
}
