import { assertEquals, assertStringIncludes } from "@std/assert";
import { loadCifar10, loadCifar100 } from "../../datasets/cifar.ts";
import type { Dataset } from "../../datasets/image_set.ts";
import type { TaskData } from "../../dvn/data.ts";
import {
  type Files,
  hasReal,
  histogram,
  memorySource,
  pixel,
  problemOf,
  realSource,
} from "./sources.ts";

const PLANE = 32 * 32;

/** A byte of a picture, different in each picture, plane, row and column nearby. */
const sample = (id: number, plane: number, row: number, column: number) =>
  (97 * id + 50 * plane + 3 * row + column) % 256;

/** Records of label bytes and planes as the format has them. The pictures are `first`, `first` + 1, ... */
function records(first: number, ...labels: number[][]): Uint8Array {
  const bytes = labels.flatMap((label, i) => {
    const picture = Array.from({ length: 3 * PLANE }, (_, j) => {
      const place = j % PLANE;
      return sample(
        first + i,
        Math.floor(j / PLANE),
        Math.floor(place / 32),
        place % 32,
      );
    });
    return [...label, ...picture];
  });
  return Uint8Array.from(bytes);
}

const NAMES = "airplane automobile bird cat deer dog frog horse ship truck"
  .split(" ");

/** Two pictures in each of the six files; those of file i are 2i and 2i + 1. */
function cifar10Files(changes: Files = {}): Files {
  const files: Files = {
    "cifar-10-batches-bin/batches.meta.txt": NAMES.join("\n") + "\n\n",
  };
  for (let i = 0; i < 6; i++) {
    const name = i < 5 ? `data_batch_${i + 1}` : "test_batch";
    files[`cifar-10-batches-bin/${name}.bin`] = records(2 * i, [i], [9 - i]);
  }
  for (const [name, content] of Object.entries(changes)) {
    files[`cifar-10-batches-bin/${name}`] = content;
  }
  return files;
}

const names = (count: number) => Array.from({ length: count }, (_, i) => `class ${i}\n`).join("");

/** Four training and two test pictures; fine class f is of coarse class f % 20. */
function cifar100Files(changes: Files = {}): Files {
  const files: Files = {
    "cifar-100-binary/coarse_label_names.txt": names(20),
    "cifar-100-binary/fine_label_names.txt": names(100),
    "cifar-100-binary/train.bin": records(
      0,
      [5, 5],
      [19, 99],
      [5, 25],
      [5, 5],
    ),
    "cifar-100-binary/test.bin": records(4, [19, 99], [0, 0]),
  };
  for (const [name, content] of Object.entries(changes)) {
    files[`cifar-100-binary/${name}`] = content;
  }
  return files;
}

function assertPicture(data: Dataset, part: "train" | "test", i: number) {
  const id = part === "train" ? i : data.train.length + i;
  for (const [row, column] of [[0, 0], [0, 31], [31, 0], [17, 4]] as const) {
    const want = [0, 1, 2].map((plane) => sample(id, plane, row, column));
    assertEquals(pixel(data[part], i, [row, column], 32), want);
  }
}

Deno.test("loadCifar10() reads the five batches in order, then the test batch", async () => {
  const data: TaskData & Dataset = await loadCifar10(
    memorySource(cifar10Files()),
  );
  const { height, width, channels, maximum, classes, train, test } = data;
  assertEquals([height, width, channels, maximum], [32, 32, 3, 255]);
  assertEquals(classes, NAMES);
  assertEquals(Array.from(train.labels), [0, 9, 1, 8, 2, 7, 3, 6, 4, 5]);
  assertEquals(Array.from(test.labels), [5, 4]);
  for (let i = 0; i < 10; i++) assertPicture(data, "train", i);
  for (let i = 0; i < 2; i++) assertPicture(data, "test", i);
});

Deno.test("loadCifar10() names the file, the record and the remedy", async (t) => {
  const one = records(0, [1]);
  const cases: [string, Files, string][] = [
    [
      "missing",
      { "data_batch_3.bin": undefined },
      "data_batch_3.bin: no such file",
    ],
    [
      "missing names",
      { "batches.meta.txt": undefined },
      "batches.meta.txt: no such file",
    ],
    [
      "empty",
      { "test_batch.bin": new Uint8Array() },
      "test_batch.bin: it is empty",
    ],
    [
      "truncated",
      { "data_batch_2.bin": one.subarray(0, 3000) },
      "data_batch_2.bin: it is cut short or of another kind: 3000 bytes are not whole records of 3073",
    ],
    [
      "too long",
      { "data_batch_2.bin": records(0, [1, 1]) },
      "data_batch_2.bin: it is cut short or of another kind: 3074 bytes are",
    ],
    [
      "wrong label",
      { "data_batch_5.bin": records(0, [9], [10]) },
      "data_batch_5.bin, record 1 (from 0): label 10 is not 0 to 9",
    ],
    [
      "too few names",
      { "batches.meta.txt": "airplane\nbird\n" },
      "batches.meta.txt: it holds 2 class names, not 10",
    ],
    [
      "a name left out",
      { "batches.meta.txt": NAMES.with(4, "").join("\n") },
      "batches.meta.txt: it holds 9 class names, not 10",
    ],
  ];
  for (const [name, changes, want] of cases) {
    await t.step(name, async () => {
      const { kind, problem, message } = await problemOf(
        loadCifar10,
        cifar10Files(changes),
      );
      assertStringIncludes(problem, `data/cifar-10-batches-bin/${want}`);
      const missing = Object.values(changes)[0] === undefined;
      assertEquals(kind, missing ? "missing" : "damaged");
      assertStringIncludes(
        message,
        `; unpack cifar-10-binary.tar.gz ${missing ? "there" : "again"}, ` +
          "which is at https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz",
      );
    });
  }
});

Deno.test("loadCifar100() gives the same pictures fine and coarse labels", async () => {
  const { fine, coarse } = await loadCifar100(memorySource(cifar100Files()));
  assertEquals([fine.classes.length, coarse.classes.length], [100, 20]);
  assertEquals(Array.from(fine.train.labels), [5, 99, 25, 5]);
  assertEquals(Array.from(coarse.train.labels), [5, 19, 5, 5]);
  assertEquals(Array.from(fine.test.labels), [99, 0]);
  assertEquals(Array.from(coarse.test.labels), [19, 0]);
  for (const data of [fine, coarse]) {
    for (let i = 0; i < 4; i++) assertPicture(data, "train", i);
    for (let i = 0; i < 2; i++) assertPicture(data, "test", i);
  }
});

Deno.test("loadCifar100() names the file, the record and the remedy", async (t) => {
  const cases: [string, Files, string][] = [
    ["missing", { "test.bin": undefined }, "test.bin: no such file"],
    [
      "truncated",
      { "train.bin": records(0, [5, 5]).subarray(1) },
      "train.bin: it is cut short or of another kind: 3073 bytes are not whole records of 3074",
    ],
    [
      "wrong coarse label",
      { "train.bin": records(0, [20, 5]) },
      "train.bin, record 0 (from 0): coarse label 20 is not 0 to 19",
    ],
    [
      "wrong fine label",
      { "test.bin": records(4, [19, 99], [0, 100]) },
      "test.bin, record 1 (from 0): fine label 100 is not 0 to 99",
    ],
    [
      "contradiction within a file",
      { "train.bin": records(0, [5, 5], [6, 5]) },
      "train.bin, record 1 (from 0): fine label 5 comes with coarse label 6, but earlier with 5",
    ],
    [
      "contradiction between the files",
      { "test.bin": records(0, [18, 99]) },
      "test.bin, record 0 (from 0): fine label 99 comes with coarse label 18, but earlier with 19",
    ],
    [
      "too many names",
      { "coarse_label_names.txt": names(21) },
      "coarse_label_names.txt: it holds 21 class names, not 20",
    ],
  ];
  for (const [name, changes, want] of cases) {
    await t.step(name, async () => {
      const { problem, message } = await problemOf(
        loadCifar100,
        cifar100Files(changes),
      );
      assertStringIncludes(problem, `data/cifar-100-binary/${want}`);
      assertStringIncludes(message, "/cifar-100-binary.tar.gz");
    });
  }
});

Deno.test({
  name: "the real CIFAR-10 has its classes alike and its known first pixels",
  ignore: !await hasReal("cifar-10-batches-bin"),
  fn: async () => {
    const { train, test, classes } = await loadCifar10(realSource);
    assertEquals(classes, NAMES);
    assertEquals(histogram(train, 10), new Array(10).fill(500));
    assertEquals(histogram(test, 10), new Array(10).fill(100));
    assertEquals(NAMES[train.labels[0]!], "frog");
    assertEquals(pixel(train, 0, [0, 0], 32), [59, 62, 63]);
    assertEquals(NAMES[test.labels[0]!], "cat");
    assertEquals(pixel(test, 0, [0, 0], 32), [158, 112, 49]);
  },
});

Deno.test({
  name: "the real CIFAR-100 has its classes alike and its known first pixels",
  ignore: !await hasReal("cifar-100-binary"),
  fn: async () => {
    const { fine, coarse } = await loadCifar100(realSource);
    assertEquals(histogram(fine.train, 100), new Array(100).fill(60));
    assertEquals(histogram(fine.test, 100), new Array(100).fill(20));
    assertEquals(histogram(coarse.train, 20), new Array(20).fill(300));
    assertEquals(histogram(coarse.test, 20), new Array(20).fill(100));
    assertEquals(fine.classes[fine.train.labels[0]!], "cattle");
    assertEquals(
      coarse.classes[coarse.train.labels[0]!],
      "large_omnivores_and_herbivores",
    );
    assertEquals(pixel(fine.train, 0, [0, 0], 32), [255, 255, 255]);
    assertEquals(fine.classes[fine.test.labels[0]!], "mountain");
    assertEquals(pixel(coarse.test, 0, [0, 0], 32), [199, 215, 249]);
  },
});
