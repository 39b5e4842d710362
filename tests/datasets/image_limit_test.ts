import { assertEquals, assertStrictEquals } from "@std/assert";
import { limitImages } from "../../datasets/image_limit.ts";
import { type Dataset, MemoryImageSet } from "../../datasets/image_set.ts";

/** One-pixel pictures, each of the brightness of its position. */
function dataset(train: number[], test: number[]): Dataset {
  const set = (name: string, labels: number[]) =>
    new MemoryImageSet(
      name,
      Uint8Array.from(labels.keys()),
      Uint8Array.from(labels),
    );
  return {
    classes: ["a", "b", "c"],
    ...{ height: 1, width: 1, channels: 1, maximum: 255 },
    train: set("train", train),
    test: set("test", test),
  };
}

function contents({ train }: Dataset) {
  const indices = Uint32Array.from({ length: train.length }, (_, i) => i);
  const images = new Uint8Array(train.length);
  const labels = new Uint32Array(train.length);
  train.read(indices, images, labels);
  assertEquals([...labels], Array.from(train.labels));
  return { images: [...images], labels: [...labels] };
}

const CASES: [
  what: string,
  labels: number[],
  count: number,
  images: number[],
][] = [
  ["sorted by class", [0, 0, 0, 1, 1, 1, 2, 2, 2], 6, [0, 1, 3, 4, 6, 7]],
  ["in turn", [0, 1, 2, 0, 1, 2], 3, [0, 1, 2]],
  ["not divisible", [2, 2, 1, 1, 0, 0], 4, [0, 2, 4, 5]],
  ["a class too small", [0, 0, 0, 1, 2, 2], 5, [0, 1, 3, 4, 5]],
  ["fewer than classes", [2, 1, 0], 2, [1, 2]],
];
for (const [what, labels, count, images] of CASES) {
  Deno.test(`limitImages(): first of each class, ${what}`, () => {
    const limited = limitImages(dataset(labels, [0]), {
      train: count,
      test: 1,
    });
    assertEquals(contents(limited), {
      images,
      labels: images.map((position) => labels[position]!),
    });
  });
}

Deno.test("limitImages() leaves a part alone that is small enough", () => {
  const data = dataset([0, 1, 2], [0, 1, 2, 0]);
  const limited = limitImages(data, { train: 3, test: 3 });
  assertStrictEquals(limited.train, data.train);
  assertEquals(limited.test.length, 3);
  assertEquals(limited.classes, data.classes);
});
