import { assert, assertEquals, assertThrows } from "@std/assert";
import { selectClasses, splitClasses } from "../../datasets/class_split.ts";
import { type Dataset, type ImageSet, MemoryImageSet } from "../../datasets/image_set.ts";
import { splitValidation } from "../../datasets/validation_split.ts";
import { histogram } from "./sources.ts";

/** `count` pictures of one byte, picture i of class i % classes and with the byte i. */
function dataset(count: number, classes: number): Dataset {
  const bytes = Uint8Array.from({ length: count }, (_, i) => i);
  const labels = bytes.map((i) => i % classes);
  const set = new MemoryImageSet("sample", bytes, labels);
  return {
    classes: Array.from({ length: classes }, (_, i) => `class ${i}`),
    ...{ height: 1, width: 1, channels: 1, maximum: 255 },
    ...{ train: set, test: set },
  };
}

/** The bytes of all pictures, once their labels are checked. */
function bytesOf(set: ImageSet, labelOf: (byte: number) => number): number[] {
  const images = new Uint8Array(set.length);
  const labels = new Uint32Array(set.length);
  set.read(Uint32Array.from(images.keys()), images, labels);
  assertEquals([...labels], Array.from(images, labelOf));
  assertEquals([...labels], Array.from(set.labels));
  return [...images];
}

Deno.test("splitValidation() splits off a part of each class and loses none", () => {
  const data = dataset(200, 4);
  const { train, validation, test } = splitValidation(data, 0.1, 1);
  assertEquals(histogram(train, 4), [45, 45, 45, 45]);
  assertEquals(histogram(validation, 4), [5, 5, 5, 5]);
  assertEquals(test, data.test);
  const all = [train, validation].flatMap((set) => bytesOf(set, (byte) => byte % 4));
  assertEquals(all.sort((a, b) => a - b), [...Array(200).keys()]);
});

Deno.test("splitValidation() depends on the seed alone, and not on the order", () => {
  const split = (seed: number) =>
    bytesOf(
      splitValidation(dataset(200, 4), 0.2, seed).validation,
      (byte) => byte % 4,
    );
  assertEquals(split(7), split(7));
  const seeds = [0, 1, 2, 3, 2 ** 32 - 1].map((seed) => split(seed).join());
  assertEquals(new Set(seeds).size, 5);
});

Deno.test("splitValidation() takes each picture equally often", () => {
  const counts = new Array<number>(50).fill(0);
  const data = dataset(50, 1);
  for (let seed = 0; seed < 400; seed++) {
    const { validation } = splitValidation(data, 0.2, seed);
    for (const picture of bytesOf(validation, () => 0)) counts[picture]!++;
  }
  // 80 expected, with a standard deviation of 8.
  assert(counts.every((count) => count > 80 - 40 && count < 80 + 40));
  const squares = counts.map((count) => (count - 80) ** 2);
  const variance = squares.reduce((sum, value) => sum + value) / 50;
  assert(variance > 30 && variance < 130, `variance ${variance}, expected 64`);
});

Deno.test("splitValidation() refuses to leave a class without pictures", () => {
  for (const fraction of [0, 0.01, 0.99, 1, -1, 2, NaN]) {
    assertThrows(
      () => splitValidation(dataset(20, 2), fraction, 1),
      RangeError,
      `splitValidation: ${fraction} of the 10 training pictures of class "class 0" leaves`,
    );
  }
});

Deno.test("splitValidation() and class splits are views of each other", () => {
  const data = dataset(80, 4);
  const [, last] = splitClasses(data, 2);
  const split = splitValidation(last!, 0.25, 3);
  assertEquals(histogram(split.validation, 2), [5, 5]);
  const low = bytesOf(split.validation, (byte) => byte % 4 - 2);
  assert(low.every((byte) => byte % 4 >= 2));
  const third = selectClasses(split, [1]);
  assertEquals(histogram(third.train, 1), [15]);
  assert(bytesOf(third.train, () => 0).every((byte) => byte % 4 === 3));
});

Deno.test("splitClasses() gives the first and last five, and four quarters", () => {
  const [first, last] = splitClasses(dataset(40, 10), 2);
  assertEquals(first!.classes, [0, 1, 2, 3, 4].map((i) => `class ${i}`));
  assertEquals(last!.classes, [5, 6, 7, 8, 9].map((i) => `class ${i}`));
  assertEquals(bytesOf(last!.test, (byte) => byte % 10 - 5).length, 20);
  const quarters = splitClasses(dataset(40, 8), 4);
  quarters.forEach((quarter, i) => {
    assertEquals(quarter.classes, [`class ${2 * i}`, `class ${2 * i + 1}`]);
    const bytes = bytesOf(quarter.train, (byte) => byte % 8 - 2 * i);
    assertEquals(bytes.length, 10);
  });
});

Deno.test("splitClasses() refuses groups that are not equal", () => {
  for (const groups of [0, 3, 1.5, -2, 20, NaN]) {
    assertThrows(
      () => splitClasses(dataset(40, 10), groups),
      RangeError,
      `splitClasses: 10 classes cannot be cut into ${groups} equal groups`,
    );
  }
});
