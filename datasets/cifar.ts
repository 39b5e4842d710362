/**
 * CIFAR-10 and CIFAR-100 in their binary versions.
 *
 * Source: A. Krizhevsky, https://www.cs.toronto.edu/~kriz/cifar.html
 *
 * @module
 */
import { CIFAR_10, CIFAR_100 } from "./archives.ts";
import { DatasetFiles, type FileSource } from "./dataset_files.ts";
import { type Dataset, MemoryImageSet } from "./image_set.ts";
import { permute, planeOrder } from "./planes.ts";

const SIDE = 32;
const PICTURE_BYTES = 3 * SIDE * SIDE;
const SIZE = { height: SIDE, width: SIDE, channels: 3, maximum: 255 };

/** The labels that stand before each picture. */
interface LabelByte {
  /** Names it in errors. */
  name: string;
  classes: number;
}

/** Pictures of one or more files. */
interface Records {
  /** `[n, 32, 32, 3]` */
  pixels: Uint8Array;
  /** For each label byte, `[n]`. */
  labels: Uint8Array[];
}

/**
 * Reads `cifar-10-batches-bin`: 50,000 training and 10,000 test pictures of 10 classes.
 *
 * @throws {DatasetError} If a file is missing, cut short or holds a wrong label.
 */
export async function loadCifar10(source: FileSource): Promise<Dataset> {
  const files = new DatasetFiles(source, CIFAR_10);
  const classes = await files.readNames("batches.meta.txt", 10);
  const label = [{ name: "label", classes: 10 }];
  const part = async (name: string, paths: string[]) => {
    const { pixels, labels } = await readRecords(files, paths, label);
    return new MemoryImageSet(`cifar-10 ${name}`, pixels, labels[0]!);
  };
  const batches = [1, 2, 3, 4, 5].map((i) => `data_batch_${i}.bin`);
  return {
    ...SIZE,
    classes,
    train: await part("train", batches),
    test: await part("test", ["test_batch.bin"]),
  };
}

/**
 * Reads `cifar-100-binary`: 50,000 training and 10,000 test pictures of 100 classes, which are also
 * of 20 coarse classes, five in each.
 *
 * @returns The same pictures, in the same memory, with either kind of labels.
 * @throws {DatasetError} If a file is missing, cut short or holds a wrong label.
 */
export async function loadCifar100(
  source: FileSource,
): Promise<{ fine: Dataset; coarse: Dataset }> {
  const files = new DatasetFiles(source, CIFAR_100);
  const coarseNames = await files.readNames("coarse_label_names.txt", 20);
  const fineNames = await files.readNames("fine_label_names.txt", 100);
  const labels = [
    { name: "coarse label", classes: 20 },
    { name: "fine label", classes: 100 },
  ];
  const coarseOf: number[] = [];
  const part = async (name: string) => {
    const path = `${name}.bin`;
    const records = await readRecords(files, [path], labels);
    const [coarse, fine] = records.labels as [Uint8Array, Uint8Array];
    fine.forEach((label, i) => {
      coarseOf[label] ??= coarse[i]!;
      if (coarseOf[label] === coarse[i]) return;
      throw files.damaged(
        `${path}, record ${i} (from 0)`,
        `fine label ${label} comes with coarse label ${coarse[i]}, but earlier with ${
          coarseOf[label]
        }`,
      );
    });
    return {
      fine: new MemoryImageSet(`cifar-100 ${name}`, records.pixels, fine),
      coarse: new MemoryImageSet(
        `cifar-100-coarse ${name}`,
        records.pixels,
        coarse,
      ),
    };
  };
  const [train, test] = [await part("train"), await part("test")];
  return {
    fine: { ...SIZE, classes: fineNames, train: train.fine, test: test.fine },
    coarse: {
      ...SIZE,
      classes: coarseNames,
      train: train.coarse,
      test: test.coarse,
    },
  };
}

/** Reads records of label bytes, then a red, a green and a blue plane, each row by row. */
async function readRecords(
  files: DatasetFiles,
  paths: string[],
  labelBytes: LabelByte[],
): Promise<Records> {
  const recordBytes = labelBytes.length + PICTURE_BYTES;
  const contents = [];
  let total = 0;
  for (const path of paths) {
    const bytes = await files.read(path);
    const count = files.countRecords(path, bytes, recordBytes);
    contents.push({ path, bytes, count });
    total += count;
  }
  const pixels = new Uint8Array(total * PICTURE_BYTES);
  const labels = labelBytes.map(() => new Uint8Array(total));
  const order = planeOrder(SIDE, "rows");
  let picture = 0;
  for (const { path, bytes, count } of contents) {
    for (let record = 0; record < count; record++, picture++) {
      const start = record * recordBytes;
      labelBytes.forEach(({ name, classes }, i) => {
        const label = bytes[start + i]!;
        if (label >= classes) {
          throw files.damaged(
            `${path}, record ${record} (from 0)`,
            `${name} ${label} is not 0 to ${classes - 1}`,
          );
        }
        labels[i]![picture] = label;
      });
      permute(
        bytes.subarray(start + labelBytes.length, start + recordBytes),
        order,
        pixels.subarray(picture * PICTURE_BYTES),
      );
    }
  }
  return { pixels, labels };
}
