import { assertEquals, assertThrows } from "@std/assert";
import { selectClasses } from "../../datasets/class_split.ts";
import { decodeDigits, loadDigits } from "../../datasets/digits.ts";
import { type ImageSet, MemoryImageSet } from "../../datasets/image_set.ts";
import type { TaskData } from "../../dvn/data.ts";

/** Of optdigits.tes, as the UCI Machine Learning Repository has it. */
const UCI_SHA256 = "6ebb3d2fee246a4e99363262ddf8a00a3c41bee6014c373ed9d9216ba7f651b8";
const UCI_FILE = new URL(
  "../../../shared/data/digits/optdigits.tes",
  import.meta.url,
);

/** The decoded pictures as the text of the UCI file. */
async function decodedText(): Promise<string> {
  const { pixels, labels } = await decodeDigits();
  return Array.from(labels, (label, i) => {
    return [...pixels.subarray(i * 64, (i + 1) * 64), label].join(",") + "\n";
  }).join("");
}

Deno.test("the shipped digits are the UCI file, by its sha256", async () => {
  const bytes = new TextEncoder().encode(await decodedText());
  const digest = await crypto.subtle.digest("SHA-256", bytes);
  assertEquals(new Uint8Array(digest).toHex(), UCI_SHA256);
});

Deno.test({
  name: "the shipped digits are the UCI file, byte for byte",
  ignore: !await Deno.stat(UCI_FILE).catch(() => false),
  fn: async () => {
    assertEquals(await decodedText(), await Deno.readTextFile(UCI_FILE));
  },
});

interface Pictures {
  images: Uint8Array;
  labels: number[];
}

/** Everything a set has. */
function readAll(set: ImageSet, pictureBytes: number): Pictures {
  const images = new Uint8Array(set.length * pictureBytes);
  const labels = new Uint32Array(set.length);
  set.read(
    Uint32Array.from({ length: set.length }, (_, i) => i),
    images,
    labels,
  );
  return { images, labels: [...labels] };
}

/** Pictures as text, to compare sets of them. */
function pictures({ images, labels }: Pictures): string[] {
  return labels.map((label, i) => {
    return `${images.subarray(i * 64, (i + 1) * 64)}: ${label}`;
  });
}

Deno.test("loadDigits() cuts all pictures into 1,438 and 359", async () => {
  const { train, test } = await loadDigits();
  assertEquals([train.length, test.length], [1438, 359]);
  const parts = [train, test].flatMap((set) => pictures(readAll(set, 64)));
  const { pixels, labels } = await decodeDigits();
  const all = pictures({ images: pixels, labels: [...labels] });
  assertEquals(parts.toSorted(), all.toSorted());
});

Deno.test("loadDigits() tests on every fifth picture of each class, from the third on", async () => {
  const { pixels, labels } = await decodeDigits();
  const all = pictures({ images: pixels, labels: [...labels] });
  const { train, test } = await loadDigits();
  const trained = pictures(readAll(train, 64));
  const tested = pictures(readAll(test, 64));
  for (let digit = 0; digit < 10; digit++) {
    const ofDigit = (picture: string) => picture.endsWith(`: ${digit}`);
    const isThird = (_: string, i: number) => i % 5 === 2;
    const isNot = (_: string, i: number) => i % 5 !== 2;
    const group = all.filter(ofDigit);
    assertEquals(tested.filter(ofDigit), group.filter(isThird));
    assertEquals(trained.filter(ofDigit), group.filter(isNot));
  }
});

Deno.test("loadDigits() gives what the trainer reads", async () => {
  const data: TaskData = await loadDigits();
  assertEquals(data.classes, "0 1 2 3 4 5 6 7 8 9".split(" "));
  const { height, width, channels, maximum } = data;
  assertEquals([height, width, channels, maximum], [8, 8, 1, 16]);
});

/** Five pictures of two bytes: picture i is [10 i, 10 i + 1]. */
function sample() {
  const pixels = Uint8Array.of(0, 1, 10, 11, 20, 21, 30, 31, 40, 41);
  return new MemoryImageSet("sample", pixels, Uint8Array.of(2, 0, 1, 2, 1));
}

Deno.test("MemoryImageSet reads any pictures in any order, also twice", () => {
  const images = new Uint8Array(6), labels = new Uint32Array(3);
  sample().read(Uint32Array.of(4, 0, 4), images, labels);
  assertEquals([...images], [40, 41, 0, 1, 40, 41]);
  assertEquals([...labels], [1, 2, 1]);
});

Deno.test("MemoryImageSet refuses a picture that is not there, and writes nothing", () => {
  const images = new Uint8Array(4), labels = new Uint32Array(2);
  assertThrows(
    () => sample().read(Uint32Array.of(1, 5), images, labels),
    RangeError,
    "sample: there is no picture 5; it has 5, counted from 0",
  );
  assertEquals([...images, ...labels], [0, 0, 0, 0, 0, 0]);
});

Deno.test("MemoryImageSet refuses buffers of another size", () => {
  for (const [bytes, count] of [[3, 2], [6, 2], [4, 1], [4, 3]] as const) {
    assertThrows(
      () =>
        sample().read(
          Uint32Array.of(0, 1),
          new Uint8Array(bytes),
          new Uint32Array(count),
        ),
      RangeError,
      `sample: 2 pictures need buffers of 4 bytes and 2 labels, got ${bytes} and ${count}`,
    );
  }
});

Deno.test("MemoryImageSet refuses pixels that are not one size a picture", () => {
  assertThrows(
    () => new MemoryImageSet("sample", new Uint8Array(7), new Uint8Array(3)),
    RangeError,
    "sample: 7 bytes of pixels are not 3 pictures of one size",
  );
});

/** The sample as a dataset of classes a, b, c, tested on its training pictures. */
function dataset() {
  const size = { height: 1, width: 2, channels: 1, maximum: 255 };
  return { ...size, classes: ["a", "b", "c"], train: sample(), test: sample() };
}

Deno.test("selectClasses() keeps some classes, relabelled in the order given", () => {
  const { classes, train, test, maximum } = selectClasses(dataset(), [2, 0]);
  assertEquals(classes, ["c", "a"]);
  assertEquals(maximum, 255);
  for (const set of [train, test]) {
    assertEquals(set.length, 3);
    const { images, labels } = readAll(set, 2);
    assertEquals([...images], [0, 1, 10, 11, 30, 31]);
    assertEquals(labels, [0, 1, 0]);
    assertEquals(Array.from(set.labels), labels);
  }
});

Deno.test("selectClasses() of a selection selects again", () => {
  const once = selectClasses(dataset(), [2, 1]);
  const twice = selectClasses(once, [1]);
  assertEquals(twice.classes, ["b"]);
  assertEquals([...readAll(twice.train, 2).images], [20, 21, 40, 41]);
});

Deno.test("selectClasses() splits the digits and loses none", async () => {
  const digits = await loadDigits();
  const low = selectClasses(digits, [0, 1, 2, 3, 4]);
  const high = selectClasses(digits, [5, 6, 7, 8, 9]);
  for (const part of ["train", "test"] as const) {
    assertEquals(low[part].length + high[part].length, digits[part].length);
  }
  const { images, labels } = readAll(high.test, 64);
  const relabelled = { images, labels: labels.map((label) => label + 5) };
  const all = new Set(pictures(readAll(digits.test, 64)));
  assertEquals(pictures(relabelled).every((each) => all.has(each)), true);
});

Deno.test("selectClasses() refuses classes that do not exist or come twice", () => {
  for (const classes of [[3], [-1], [0.5], [1, 1]]) {
    assertThrows(
      () => selectClasses(dataset(), classes),
      RangeError,
      `classes must be distinct and from 0 to 2, got [${classes}]`,
    );
  }
  assertThrows(
    () => selectClasses(dataset(), []),
    RangeError,
    "name at least one class",
  );
});

Deno.test("a selection's read() counts its own pictures", () => {
  const { train } = selectClasses(dataset(), [0]);
  assertThrows(
    () => train.read(Uint32Array.of(1), new Uint8Array(2), new Uint32Array(1)),
    RangeError,
    "selected classes: there is no picture 1; it has 1, counted from 0",
  );
});
