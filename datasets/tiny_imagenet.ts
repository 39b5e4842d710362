/**
 * Tiny ImageNet: folders of JPEGs, decoded once and kept.
 *
 * Source: Stanford CS231n; Y. Le and X. Yang, Tiny ImageNet Visual Recognition Challenge, 2015
 *
 * @module
 */
import { TINY_IMAGENET } from "./archives.ts";
import { DatasetFiles, type FileSource } from "./dataset_files.ts";
import type { Dataset } from "./image_set.ts";
import { allocatePacked, openPacked, packedDataset, type PackedImages } from "./packed_images.ts";

const SIDE = 64;
const CLASSES = 200;
const PIXELS = SIDE * SIDE;
/** Files read at once: enough to keep a disk or a server busy. */
const READ_AHEAD = 32;

/**
 * Decodes a JPEG, grey or colour.
 *
 * @returns `rgba`: `height * width * 4` bytes, row by row.
 * @throws {Error} If the file is damaged or cut short; the message continues a sentence about it.
 */
export type JpegDecoder = (
  bytes: Uint8Array,
) => Promise<{ width: number; height: number; rgba: ArrayLike<number> }>;

/** Keeps decoded pictures between runs. */
export interface ImageCache {
  /** Reads a file. @returns What was written under this name; undefined if nothing was. */
  read(name: string): Promise<Uint8Array | undefined>;
  /** Must replace the whole at once: a reader may come at any moment. */
  write(name: string, bytes: Uint8Array): Promise<void>;
}

/** How the pictures are decoded. */
export interface TinyImageNetOptions {
  /** Without one, each call decodes all pictures. */
  cache?: ImageCache;
  /** Told while pictures are decoded, at most once for each. */
  onProgress?: (decoded: number, total: number) => void;
  /** Stops the decoding; the call then rejects with its reason. */
  signal?: AbortSignal;
}

/** One picture of the dataset. */
interface Picture {
  path: string;
  label: number;
}

/**
 * Reads `tiny-imagenet-200`: 100,000 training pictures of 200 classes, and, as test pictures, the
 * 10,000 for validation (those for testing have no labels). The classes are in the order of their
 * sorted WordNet IDs.
 *
 * @throws {DatasetError} If a file is missing, names a wrong class, or is no JPEG of 64x64 pixels.
 */
export async function loadTinyImageNet(
  source: FileSource,
  decode: JpegDecoder,
  options: TinyImageNetOptions = {},
): Promise<Dataset> {
  const files = new DatasetFiles(source, TINY_IMAGENET);
  const ids = await readIds(files);
  const classes = await readClassNames(files, ids);
  const train = await listTrain(files, ids);
  const test = await listValidation(files, ids);
  const key = await digest(JSON.stringify([classes, train, test]));
  const name = `${TINY_IMAGENET.name}-${key.slice(0, 16)}.images`;
  const kept = await options.cache?.read(name);
  const opened = kept && openPacked(kept, key);
  if (opened) return packedDataset(opened);

  const packed = allocatePacked({
    key,
    name: TINY_IMAGENET.name,
    classes,
    height: SIDE,
    width: SIDE,
    channels: 3,
    train: train.length,
    test: test.length,
  });
  await decodeAll(files, [...train, ...test], decode, packed, options);
  await options.cache?.write(name, packed.bytes);
  return packedDataset(packed);
}

/** The WordNet IDs of the classes, sorted. */
async function readIds(files: DatasetFiles): Promise<string[]> {
  const path = "wnids.txt";
  const ids = await files.readNames(path, CLASSES);
  ids.forEach((id, i) => {
    if (!/^n\d{8}$/.test(id) || ids.indexOf(id) !== i) {
      throw files.damaged(
        `${path}, line ${i + 1}`,
        `"${id}" is not a WordNet ID of its own, such as n01443537`,
      );
    }
  });
  return ids.sort();
}

/** The first of the names that WordNet has for each class. */
async function readClassNames(
  files: DatasetFiles,
  ids: string[],
): Promise<string[]> {
  const path = "words.txt";
  const names = new Map<string, string>();
  for (const line of await files.readLines(path)) {
    const [id, words = ""] = line.split("\t");
    names.set(id!, words.split(",")[0]!);
  }
  return ids.map((id) => {
    const name = names.get(id);
    if (name) return name;
    throw files.damaged(path, `it has no name for ${id} of wnids.txt`);
  });
}

/** The training pictures, as the files of bounding boxes list them. */
async function listTrain(
  files: DatasetFiles,
  ids: string[],
): Promise<Picture[]> {
  const lists = await Promise.all(ids.map(async (id, label) => {
    const path = `train/${id}/${id}_boxes.txt`;
    return (await files.readLines(path)).map((line, i) => {
      const [name] = line.split("\t");
      if (!new RegExp(`^${id}_\\d+\\.JPEG$`).test(name!)) {
        throw files.damaged(
          `${path}, line ${i + 1}`,
          `"${name}" is not the name of a picture, such as ${id}_0.JPEG`,
        );
      }
      return { path: `train/${id}/images/${name}`, label };
    });
  }));
  return lists.flat();
}

async function listValidation(
  files: DatasetFiles,
  ids: string[],
): Promise<Picture[]> {
  const path = "val/val_annotations.txt";
  return (await files.readLines(path)).map((line, i) => {
    const [name, id = ""] = line.split("\t");
    if (!/^val_\d+\.JPEG$/.test(name!)) {
      throw files.damaged(
        `${path}, line ${i + 1}`,
        `"${name}" is not the name of a picture, such as val_0.JPEG`,
      );
    }
    const label = ids.indexOf(id);
    if (label < 0) {
      throw files.damaged(
        `${path}, line ${i + 1}`,
        `class "${id}" is not in wnids.txt`,
      );
    }
    return { path: `val/images/${name}`, label };
  });
}

async function decodeAll(
  files: DatasetFiles,
  pictures: Picture[],
  decode: JpegDecoder,
  { labels, pixels }: PackedImages,
  { onProgress, signal }: TinyImageNetOptions,
): Promise<void> {
  for (let first = 0; first < pictures.length; first += READ_AHEAD) {
    const batch = pictures.slice(first, first + READ_AHEAD);
    const contents = await Promise.all(
      batch.map(({ path }) => files.read(path)),
    );
    for (const [i, { path, label }] of batch.entries()) {
      signal?.throwIfAborted();
      const rgba = await decodePicture(files, path, contents[i]!, decode);
      const start = (first + i) * PIXELS * 3;
      for (let pixel = 0; pixel < PIXELS; pixel++) {
        for (let channel = 0; channel < 3; channel++) {
          pixels[start + 3 * pixel + channel] = rgba[4 * pixel + channel]!;
        }
      }
      labels[first + i] = label;
      onProgress?.(first + i + 1, pictures.length);
    }
  }
}

async function decodePicture(
  files: DatasetFiles,
  path: string,
  bytes: Uint8Array,
  decode: JpegDecoder,
): Promise<ArrayLike<number>> {
  let picture;
  try {
    picture = await decode(bytes);
  } catch (error) {
    throw files.damaged(path, (error as Error).message);
  }
  const { width, height, rgba } = picture;
  if (width !== SIDE || height !== SIDE) {
    throw files.damaged(path, `it is ${width}x${height}, not ${SIDE}x${SIDE}`);
  }
  return rgba;
}

async function digest(text: string): Promise<string> {
  const bytes = new TextEncoder().encode(text);
  const hash = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
  return Array.from(hash, (byte) => byte.toString(16).padStart(2, "0")).join(
    "",
  );
}
