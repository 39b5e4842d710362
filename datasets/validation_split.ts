import { type Dataset, type ImageSet, ImageSubset } from "./image_set.ts";

/**
 * Splits pictures off the training part, by chance and of each class alike. Pictures are not copied.
 *
 * @param fraction Of the training pictures of each class, rounded to whole pictures.
 * @param seed The same seed splits off the same pictures on every machine.
 * @returns The dataset with fewer training pictures, and those for validation.
 * @throws {RangeError} If a class would be left without a picture in either part.
 */
export function splitValidation(
  data: Dataset,
  fraction: number,
  seed: number,
): Dataset & { validation: ImageSet } {
  const { train, classes } = data;
  const byClass = classes.map((): number[] => []);
  for (let i = 0; i < train.length; i++) byClass[train.labels[i]!]!.push(i);
  const chosen = byClass.flatMap((pictures, label) => {
    const count = Math.round(fraction * pictures.length);
    if (!(count > 0 && count < pictures.length)) {
      throw new RangeError(
        `splitValidation: ${fraction} of the ${pictures.length} training pictures of class ` +
          `"${classes[label]}" leaves one part without any; choose another fraction`,
      );
    }
    return pictures
      .map((picture) => ({ picture, rank: mix(mix(seed) ^ picture) }))
      .sort((a, b) => a.rank - b.rank)
      .slice(0, count)
      .map(({ picture }) => picture);
  });
  const validation = new Set(chosen);
  const part = (name: string, wanted: boolean) => {
    const positions = Uint32Array.from({ length: train.length }, (_, i) => i)
      .filter((i) => validation.has(i) === wanted);
    const labels = positions.map((i) => train.labels[i]!);
    return new ImageSubset(name, train, positions, labels);
  };
  return {
    ...data,
    train: part("training part", false),
    validation: part("validation part", true),
  };
}

/** Scatters whole numbers over all of 32 bits, no two to the same: the end of MurmurHash3. */
function mix(value: number): number {
  value = Math.imul(value ^ value >>> 16, 0x85ebca6b);
  value = Math.imul(value ^ value >>> 13, 0xc2b2ae35);
  return (value ^ value >>> 16) >>> 0;
}
