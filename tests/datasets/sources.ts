import { DatasetError, type FileSource } from "../../datasets/dataset_files.ts";
import type { ImageSet } from "../../datasets/image_set.ts";
import { folderSource } from "../../cli/folder_source.ts";
import { assertRejects } from "@std/assert";

/** Files in memory, by path; `undefined` takes one away. */
export type Files = Record<string, Uint8Array | string | undefined>;

export function memorySource(files: Files): FileSource {
  return {
    name: "data",
    read: (path) => {
      const content = files[path];
      return Promise.resolve(
        typeof content === "string" ? new TextEncoder().encode(content) : content,
      );
    },
  };
}

/** Cut-down copies of the real datasets, in the official layouts; they lie beside the repository. */
export const REAL_FOLDER = `${import.meta.dirname}/../../../shared/data`;

/** Tests that need them are skipped where they are not. */
export async function hasReal(folder: string): Promise<boolean> {
  return await Deno.stat(`${REAL_FOLDER}/${folder}`).then(
    () => true,
    () => false,
  );
}

export const realSource: FileSource = folderSource(REAL_FOLDER);

/** How many pictures of each class a set has. */
export function histogram({ labels }: ImageSet, classes: number): number[] {
  const counts = new Array<number>(classes).fill(0);
  for (let i = 0; i < labels.length; i++) counts[labels[i]!]!++;
  return counts;
}

/** One pixel of a picture. */
export function pixel(
  set: ImageSet,
  picture: number,
  [row, column]: [number, number],
  side: number,
): number[] {
  const image = new Uint8Array(side * side * 3);
  set.read(Uint32Array.of(picture), image, new Uint32Array(1));
  const start = (row * side + column) * 3;
  return [...image.subarray(start, start + 3)];
}

/** What is wrong with changed files, as the reader tells it. */
export async function problemOf(
  load: (source: FileSource) => Promise<unknown>,
  files: Files,
): Promise<{ kind: string; problem: string; message: string }> {
  return await assertRejects(
    () => load(memorySource(files)),
    DatasetError,
  ) as DatasetError;
}
