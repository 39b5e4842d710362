import { type Dataset, type ImageSet, ImageSubset } from "./image_set.ts";

/**
 * The first pictures of each class, as a dataset of its own. Pictures are not copied.
 *
 * @param limit Pictures of each part, shared out evenly over the classes: where they do not divide, the
 *   first classes have one more, and where a class has too few, the others make up for it. A part that
 *   has no more than this stays as it is.
 */
export function limitImages(
  data: Dataset,
  limit: { train: number; test: number },
): Dataset {
  return {
    ...data,
    train: firstOfEach(data.train, limit.train),
    test: firstOfEach(data.test, limit.test),
  };
}

/** The first `count` pictures, counted class by class in turn; they keep their order. */
function firstOfEach(source: ImageSet, count: number): ImageSet {
  if (source.length <= count) return source;
  const seen = new Map<number, number>();
  const pictures = Array.from({ length: source.length }, (_, position) => {
    const label = source.labels[position]!;
    const turn = seen.get(label) ?? 0;
    seen.set(label, turn + 1);
    return { position, label, turn };
  });
  pictures.sort((a, b) => a.turn - b.turn || a.label - b.label);
  const positions = Uint32Array.from(
    pictures.slice(0, count),
    ({ position }) => position,
  ).sort();
  const labels = positions.map((position) => source.labels[position]!);
  return new ImageSubset("limited images", source, positions, labels);
}
