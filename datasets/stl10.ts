import { STL_10 } from "./archives.ts";
import { DatasetFiles, type FileSource } from "./dataset_files.ts";
import { type Dataset, MemoryImageSet } from "./image_set.ts";
import { permute, planeOrder } from "./planes.ts";

const SIDE = 96;
const PICTURE_BYTES = 3 * SIDE * SIDE;

/**
 * Reads `stl10_binary`: 5,000 training and 8,000 test pictures of 10 classes. The unlabelled ones are
 * not read.
 *
 * Source: A. Coates, H. Lee and A. Y. Ng, https://cs.stanford.edu/~acoates/stl10/
 *
 * @throws {DatasetError} If a file is missing, cut short or holds a wrong label.
 */
export async function loadStl10(source: FileSource): Promise<Dataset> {
  const files = new DatasetFiles(source, STL_10);
  return {
    height: SIDE,
    width: SIDE,
    channels: 3,
    maximum: 255,
    classes: await files.readNames("class_names.txt", 10),
    train: await readPart(files, "train"),
    test: await readPart(files, "test"),
  };
}

/** Pictures are a red, a green and a blue plane, each column by column; labels count from 1. */
async function readPart(
  files: DatasetFiles,
  name: string,
): Promise<MemoryImageSet> {
  const labelPath = `${name}_y.bin`;
  const labels = (await files.read(labelPath)).map((label, record) => {
    if (label >= 1 && label <= 10) return label - 1;
    throw files.damaged(
      `${labelPath}, record ${record} (from 0)`,
      `label ${label} is not 1 to 10`,
    );
  });
  const path = `${name}_X.bin`;
  const planes = await files.read(path);
  const count = files.countRecords(path, planes, PICTURE_BYTES);
  if (count !== labels.length) {
    throw files.damaged(
      path,
      `it holds ${count} pictures, but ${labelPath} ${labels.length} labels: one of the two is cut short`,
    );
  }
  const pixels = new Uint8Array(planes.length);
  const order = planeOrder(SIDE, "columns");
  for (let start = 0; start < planes.length; start += PICTURE_BYTES) {
    permute(planes.subarray(start), order, pixels.subarray(start));
  }
  return new MemoryImageSet(`stl-10 ${name}`, pixels, labels);
}
