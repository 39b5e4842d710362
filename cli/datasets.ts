/** The datasets that a scenario can name. */
import { join } from "node:path";
import {
  DatasetError,
  type FileSource,
  type ImageCache,
  limitImages,
  loadCifar10,
  loadCifar100,
  loadDigits,
  loadStl10,
  loadTinyImageNet,
  selectClasses,
  splitValidation,
  type TaskData,
} from "../mod.ts";
import { type Archive, CIFAR_10, CIFAR_100, STL_10, TINY_IMAGENET } from "../datasets/archives.ts";
import type { Dataset, ImageSet } from "../datasets/image_set.ts";
import type { Scenario } from "../dvn/scenario.ts";
import { defaultCacheDir } from "./adapter/swiftshader.ts";
import { UsageError } from "./args.ts";
import { withLock } from "./file_lock.ts";
import { folderSource } from "./folder_source.ts";
import { formatCount } from "./format.ts";
import { decodePicture } from "./images.ts";
import { why, writeAtomically } from "./run_folder.ts";
import { WorkProgress } from "./work_progress.ts";

/** Where `deno task data` puts datasets, and the other commands look for them, unless told otherwise. */
export const DATA_FOLDER = "data";

/** Reads files once for all the datasets that are in them, by name. */
type Reader = (source: FileSource) => Promise<Record<string, Dataset>>;

interface Entry {
  read: Reader;
  /** None for what comes with the project. */
  archive?: Archive;
  /** Light ink on black, framed: drawings and photographs must be made like it. */
  ink?: boolean;
}

const CIFAR_100_ENTRY: Entry = {
  archive: CIFAR_100,
  read: async (source) => {
    const { fine, coarse } = await loadCifar100(source);
    return { "cifar-100": fine, "cifar-100-coarse": coarse };
  },
};

const DATASETS: Readonly<Record<string, Entry>> = {
  digits: { ink: true, read: async () => ({ digits: await loadDigits() }) },
  "cifar-10": {
    archive: CIFAR_10,
    read: async (source) => ({ "cifar-10": await loadCifar10(source) }),
  },
  "cifar-100": CIFAR_100_ENTRY,
  "cifar-100-coarse": CIFAR_100_ENTRY,
  "stl-10": {
    archive: STL_10,
    read: async (source) => ({ "stl-10": await loadStl10(source) }),
  },
  "tiny-imagenet": {
    archive: TINY_IMAGENET,
    read: async (source) => ({
      "tiny-imagenet": await readTinyImageNet(source),
    }),
  },
};

/** Pictures and classes of each dataset. */
const SIZES: Readonly<Record<string, { side: number; channels: number; classes: number }>> = {
  digits: { side: 8, channels: 1, classes: 10 },
  "cifar-10": { side: 32, channels: 3, classes: 10 },
  "cifar-100": { side: 32, channels: 3, classes: 100 },
  "cifar-100-coarse": { side: 32, channels: 3, classes: 20 },
  "stl-10": { side: 96, channels: 3, classes: 10 },
  "tiny-imagenet": { side: 64, channels: 3, classes: 200 },
};

/** All that can be fetched. */
export const archives: readonly Archive[] = [
  ...new Set(Object.values(DATASETS).flatMap(({ archive }) => archive ?? [])),
];

/**
 * The archive that a dataset is in.
 *
 * @throws {UsageError} If there is no such dataset, or it comes with the project.
 */
export function archiveOf(name: string): Archive {
  const { archive } = findEntry(name, "dataset");
  if (archive) return archive;
  throw new UsageError(
    `${name} comes with the project; nothing is to be fetched`,
  );
}

/** Whether pictures for this dataset are ink on a page. */
export function isInk(dataset: string): boolean {
  return DATASETS[dataset]?.ink ?? false;
}

/** What a task is trained and tested on; with pictures held out where the scenario asks for them. */
export interface TaskImages extends Dataset {
  readonly validation?: ImageSet;
}

/**
 * Loads what the tasks of a scenario are trained on, each file once. The scenario's limit is one on the
 * pictures that are trained on and those that are held out together.
 *
 * @param folder Holds the datasets in their official layouts.
 * @throws {UsageError} If a dataset or a class does not exist, a file is missing or damaged, or a class
 *   has too few pictures to hold some out.
 */
export async function loadTasks(
  { tasks, limit, seed, reportedEpoch }: Scenario,
  folder = DATA_FOLDER,
): Promise<Record<string, TaskImages>> {
  const entries = tasks.map(({ dataset }, i) => {
    return findEntry(dataset, `tasks[${i}].dataset`);
  });
  const contents = new Map<Entry, Record<string, Dataset>>();
  for (const entry of entries) {
    if (!contents.has(entry)) contents.set(entry, await read(entry, folder));
  }
  const result: Record<string, TaskImages> = {};
  for (const [i, { name, dataset, classes }] of tasks.entries()) {
    const data = contents.get(entries[i]!)![dataset]!;
    checkClasses(i, dataset, classes, data.classes.length);
    const selected = classes ? selectClasses(data, classes) : data;
    const task = limit ? limitImages(selected, limit) : selected;
    result[name] = reportedEpoch === "last"
      ? task
      : holdOut(name, task, reportedEpoch.validation, seed);
  }
  return result;
}

/**
 * Stands in for what {@linkcode loadTasks} gives, where only sizes count: no files are needed, and each
 * picture is black.
 *
 * @throws {UsageError} If a dataset or a class does not exist.
 */
export function blankTasks({ tasks }: Pick<Scenario, "tasks">): Record<string, TaskData> {
  const blank = { length: 1, read: () => {} };
  return Object.fromEntries(tasks.map(({ name, dataset, classes }, i) => {
    findEntry(dataset, `tasks[${i}].dataset`);
    const { side, channels, classes: count } = SIZES[dataset]!;
    checkClasses(i, dataset, classes, count);
    const names = Array.from({ length: classes?.length ?? count }, (_, label) => `${label}`);
    const size = { height: side, width: side, channels, maximum: 255 };
    return [name, { ...size, classes: names, train: blank, validation: blank, test: blank }];
  }));
}

function checkClasses(
  task: number,
  dataset: string,
  classes: readonly number[] | undefined,
  count: number,
): void {
  if (!classes?.some((label) => label >= count)) return;
  throw new UsageError(
    `tasks[${task}].classes: ${dataset} has classes 0 to ${count - 1}, got [${classes}]`,
  );
}

/** @throws {UsageError} If a class has too few pictures. */
function holdOut(task: string, data: Dataset, fraction: number, seed: number): TaskImages {
  try {
    return splitValidation(data, fraction, seed);
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    throw new UsageError(`task "${task}", reportedEpoch.validation: ${error.message}`);
  }
}

/**
 * Loads one dataset.
 *
 * @throws {UsageError} If a file of it is missing or damaged.
 */
export async function loadDataset(
  name: string,
  folder: string,
): Promise<Dataset> {
  return (await read(findEntry(name, "dataset"), folder))[name]!;
}

/** @param place Names what holds the name, in errors. */
function findEntry(name: string, place: string): Entry {
  const entry = Object.hasOwn(DATASETS, name) ? DATASETS[name] : undefined;
  if (entry) return entry;
  throw new UsageError(
    `${place} "${name}" is not known; known are: ${Object.keys(DATASETS).join(", ")}`,
  );
}

async function read(
  { read }: Entry,
  folder: string,
): Promise<Record<string, Dataset>> {
  try {
    return await read(folderSource(folder));
  } catch (error) {
    if (!(error instanceof DatasetError)) throw error;
    const { kind, problem, archive } = error;
    const dir = folder === DATA_FOLDER ? "" : ` --dir ${folder}`;
    const command = `deno task data ${archive.name}${dir}`;
    throw new UsageError(
      kind === "missing"
        ? `${problem}; "${command}" fetches it, and --data names the folder that holds ${archive.folder} where there is one`
        : `${problem}; "${command} --force" fetches it anew`,
    );
  }
}

/** Decodes the pictures once and keeps them in the cache; of several processes, one decodes. */
async function readTinyImageNet(source: FileSource): Promise<Dataset> {
  const cacheDir = defaultCacheDir();
  let progress: WorkProgress | undefined;
  const onProgress = (decoded: number, total: number) => {
    if (!progress) {
      console.error(
        `Decoding the images of ${TINY_IMAGENET.name}, to be kept in ${cacheDir}`,
      );
      progress = new WorkProgress(total, formatCount);
    }
    progress.show(decoded);
  };
  const lock = join(cacheDir, `${TINY_IMAGENET.name}.lock`);
  try {
    await Deno.mkdir(cacheDir, { recursive: true });
    (await Deno.open(lock, { create: true, write: true })).close();
  } catch (error) {
    console.error(
      `${cacheDir} cannot be written (${why(error)}): decoding for this run only`,
    );
    return await loadTinyImageNet(source, decodePicture, { onProgress });
  }
  const cache = new FolderCache(cacheDir);
  try {
    return await withLock(
      lock,
      () =>
        console.error(
          `Waiting for another process that reads ${TINY_IMAGENET.name}`,
        ),
      () => loadTinyImageNet(source, decodePicture, { cache, onProgress }),
    );
  } finally {
    progress?.clear();
  }
}

/** Files in a folder. */
class FolderCache implements ImageCache {
  constructor(readonly folder: string) {}

  async read(name: string): Promise<Uint8Array | undefined> {
    try {
      return await Deno.readFile(join(this.folder, name));
    } catch {
      return undefined; // absent or unreadable
    }
  }

  async write(name: string, bytes: Uint8Array): Promise<void> {
    const path = join(this.folder, name);
    try {
      await writeAtomically(path, bytes);
    } catch (error) {
      await Deno.remove(`${path}.tmp`).catch(() => {}); // it may not be there
      console.error(
        `${path} cannot be written (${why(error)}): decoding for this run only`,
      );
    }
  }
}
