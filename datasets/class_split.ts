import { type Dataset, type ImageSet, ImageSubset } from "./image_set.ts";

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
        `selectClasses: classes must be distinct and from 0 to ${count - 1}, got [${classes}]`,
      );
    }
  });
  if (classes.length === 0) {
    throw new RangeError("selectClasses: name at least one class");
  }
  return {
    ...data,
    classes: classes.map((label) => data.classes[label]!),
    train: selectImages(data.train, classes),
    test: selectImages(data.test, classes),
  };
}

/**
 * Cuts the classes into groups of consecutive ones: two groups of CIFAR-10 are its first and last
 * five classes, four of Tiny ImageNet are quarters of its sorted IDs. Pictures are not copied.
 *
 * @throws {RangeError} If the classes cannot be shared out equally.
 */
export function splitClasses(data: Dataset, groups: number): Dataset[] {
  const count = data.classes.length, size = count / groups;
  if (!(groups >= 1 && Number.isInteger(groups) && Number.isInteger(size))) {
    throw new RangeError(
      `splitClasses: ${count} classes cannot be cut into ${groups} equal groups`,
    );
  }
  return Array.from({ length: groups }, (_, group) => {
    const classes = Array.from({ length: size }, (_, i) => group * size + i);
    return selectClasses(data, classes);
  });
}

/** The pictures of some classes of a set, relabelled. */
function selectImages(
  source: ImageSet,
  classes: readonly number[],
): ImageSubset {
  const newLabels = new Map(classes.map((label, i) => [label, i]));
  const positions = Uint32Array.from({ length: source.length }, (_, i) => i)
    .filter((i) => newLabels.has(source.labels[i]!));
  const labels = positions.map((i) => newLabels.get(source.labels[i]!)!);
  return new ImageSubset("selected classes", source, positions, labels);
}
