import { assertEquals, assertStringIncludes } from "@std/assert";
import { loadStl10 } from "../../datasets/stl10.ts";
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

const PLANE = 96 * 96;
const NAMES = "airplane bird car cat deer dog horse monkey ship truck"
  .split(" ");

const sample = (id: number, plane: number, row: number, column: number) =>
  (97 * id + 50 * plane + 3 * row + column) % 256;

/** Pictures as the format has them: planes, each column by column. */
function planes(...ids: number[]): Uint8Array {
  const bytes = ids.flatMap((id) =>
    Array.from({ length: 3 * PLANE }, (_, j) => {
      const place = j % PLANE;
      return sample(
        id,
        Math.floor(j / PLANE),
        place % 96,
        Math.floor(place / 96),
      );
    })
  );
  return Uint8Array.from(bytes);
}

function stl10Files(changes: Files = {}): Files {
  const files: Files = {
    "stl10_binary/class_names.txt": NAMES.join("\n") + "\n",
    "stl10_binary/train_X.bin": planes(0, 1, 2),
    "stl10_binary/train_y.bin": Uint8Array.of(1, 10, 4),
    "stl10_binary/test_X.bin": planes(3),
    "stl10_binary/test_y.bin": Uint8Array.of(2),
  };
  for (const [name, content] of Object.entries(changes)) {
    files[`stl10_binary/${name}`] = content;
  }
  return files;
}

Deno.test("loadStl10() turns columns into rows and counts labels from 0", async () => {
  const data: TaskData = await loadStl10(memorySource(stl10Files()));
  const { height, width, channels, maximum, classes } = data;
  assertEquals([height, width, channels, maximum], [96, 96, 3, 255]);
  assertEquals(classes, NAMES);
  const { train, test } = await loadStl10(memorySource(stl10Files()));
  assertEquals(Array.from(train.labels), [0, 9, 3]);
  assertEquals(Array.from(test.labels), [1]);
  for (const [row, column] of [[0, 0], [0, 95], [95, 0], [17, 60]] as const) {
    for (let id = 0; id < 4; id++) {
      const want = [0, 1, 2].map((plane) => sample(id, plane, row, column));
      const [set, picture] = id < 3 ? [train, id] : [test, 0];
      assertEquals(pixel(set, picture, [row, column], 96), want);
    }
  }
});

Deno.test("loadStl10() names the file, the record and the remedy", async (t) => {
  const cases: [string, Files, string][] = [
    ["missing", { "test_y.bin": undefined }, "test_y.bin: no such file"],
    [
      "truncated",
      { "train_X.bin": planes(0, 1, 2).subarray(1) },
      "train_X.bin: it is cut short or of another kind: 82943 bytes are not whole records of 27648",
    ],
    [
      "fewer pictures than labels",
      { "train_X.bin": planes(0, 1) },
      "train_X.bin: it holds 2 pictures, but train_y.bin 3 labels: one of the two is cut short",
    ],
    [
      "label 0",
      { "train_y.bin": Uint8Array.of(1, 10, 0) },
      "train_y.bin, record 2 (from 0): label 0 is not 1 to 10",
    ],
    [
      "label 11",
      { "test_y.bin": Uint8Array.of(11) },
      "test_y.bin, record 0 (from 0): label 11 is not 1 to 10",
    ],
    [
      "wrong names",
      { "class_names.txt": "airplane\n" },
      "class_names.txt: it holds 1 class names, not 10",
    ],
  ];
  for (const [name, changes, want] of cases) {
    await t.step(name, async () => {
      const { problem, message } = await problemOf(
        loadStl10,
        stl10Files(changes),
      );
      assertStringIncludes(problem, `data/stl10_binary/${want}`);
      assertStringIncludes(message, "; unpack stl10_binary.tar.gz ");
    });
  }
});

Deno.test({
  name: "the real STL-10 has its classes alike and stands upright",
  ignore: !await hasReal("stl10_binary"),
  fn: async () => {
    const { train, test, classes } = await loadStl10(realSource);
    assertEquals(histogram(train, 10), new Array(10).fill(80));
    assertEquals(histogram(test, 10), new Array(10).fill(40));
    assertEquals(classes[train.labels[0]!], "bird");
    // Of the file: bytes 96 * column + row of each plane of 9,216.
    assertEquals(pixel(train, 0, [0, 95], 96), [162, 159, 126]);
    assertEquals(pixel(train, 0, [95, 0], 96), [135, 119, 110]);
    assertEquals(pixel(train, 0, [10, 20], 96), [136, 123, 92]);
  },
});
