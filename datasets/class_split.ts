import { checkIndices, type Dataset, type ImageSet } from "./image_set.ts";

/**
 * The pictures of some classes, as a dataset of its own. Pictures are not copied.
 *
 * @param classes Which, each once; they become classes 0, 1, ... in this order.
 * @throws {RangeError} If a class does not exist or is given twice, or none is given.
 */
export function selectClasses(
  data: Dataset,
  classes: readonly number[],
): Dataset {
  const count = data.classes.length;
  classes.forEach((label, i) => {
    if (data.classes[label] === undefined || classes.indexOf(label) !== i) {
      throw new RangeError(
        `selectClasses: classes must be distinct and from 0 to ${
          count - 1
        }, got [${classes}]`,
      );
    }
  });
  if (classes.length === 0) {
    throw new RangeError("selectClasses: name at least one class");
  }
  return {
    ...data,
    classes: classes.map((label) => data.classes[label]!),
    train: new ClassSubset(data.train, classes),
    test: new ClassSubset(data.test, classes),
  };
}

/** The pictures of some classes of a set, relabelled. */
class ClassSubset implements ImageSet {
  /** Where the source has each picture. */
  readonly #positions: Uint32Array;
  readonly labels: Uint32Array;

  constructor(readonly source: ImageSet, classes: readonly number[]) {
    const newLabels = new Map(classes.map((label, i) => [label, i]));
    this.#positions = Uint32Array.from({ length: source.length }, (_, i) => i)
      .filter((i) => newLabels.has(source.labels[i]!));
    this.labels = this.#positions
      .map((i) => newLabels.get(source.labels[i]!)!);
  }

  get length(): number {
    return this.#positions.length;
  }

  read(indices: Uint32Array, images: Uint8Array, labels: Uint32Array): void {
    checkIndices("selected classes", indices, this.length);
    const positions = indices.map((index) => this.#positions[index]!);
    this.source.read(positions, images, labels);
    indices.forEach((index, i) => labels[i] = this.labels[index]!);
  }
}
