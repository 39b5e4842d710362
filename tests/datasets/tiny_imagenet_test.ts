import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import encodeJpeg from "@jsquash/jpeg/encode.js";
import { decodePicture } from "../../cli/images.ts";
import {
  type ImageCache,
  type JpegDecoder,
  loadTinyImageNet,
} from "../../datasets/tiny_imagenet.ts";
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

/** IDs in an order that is not sorted: n00000199, n00000000, n00000001, ... */
const IDS = Array.from(
  { length: 200 },
  (_, i) => `n${String((i + 199) % 200).padStart(8, "0")}`,
);
const label = (id: string) => Number(id.slice(1));

/** One training picture a class, three for validation. A "JPEG" is its colour, which fills it. */
function tinyFiles(changes: Files = {}): Files {
  const files: Files = {
    "tiny-imagenet-200/wnids.txt": IDS.join("\n") + "\n",
    "tiny-imagenet-200/words.txt": [...IDS, "n99999999"]
      .map((id) => `${id}\tname ${label(id)}, other name\n`).join(""),
    "tiny-imagenet-200/val/val_annotations.txt":
      "val_7.JPEG\tn00000003\t0\t0\t9\t9\nval_0.JPEG\tn00000199\t0\t0\t9\t9\n",
    "tiny-imagenet-200/val/images/val_7.JPEG": Uint8Array.of(7, 70, 77),
    "tiny-imagenet-200/val/images/val_0.JPEG": Uint8Array.of(1, 10, 11),
  };
  for (const id of IDS) {
    const folder = `tiny-imagenet-200/train/${id}`;
    files[`${folder}/${id}_boxes.txt`] = `${id}_4.JPEG\t0\t10\t63\t58\n`;
    files[`${folder}/images/${id}_4.JPEG`] = Uint8Array.of(label(id), 1, 2);
  }
  for (const [name, content] of Object.entries(changes)) {
    files[`tiny-imagenet-200/${name}`] = content;
  }
  return files;
}

const fill: JpegDecoder = ([red, green, blue]) => {
  const rgba = new Uint8Array(64 * 64 * 4);
  for (let i = 0; i < rgba.length; i += 4) {
    rgba.set([red!, green!, blue!, 255], i);
  }
  return Promise.resolve({ width: 64, height: 64, rgba });
};

class MemoryCache implements ImageCache {
  readonly kept = new Map<string, Uint8Array>();
  writes = 0;
  read(name: string) {
    return Promise.resolve(this.kept.get(name));
  }
  write(name: string, bytes: Uint8Array) {
    this.kept.set(name, bytes);
    this.writes++;
    return Promise.resolve();
  }
}

Deno.test("loadTinyImageNet() sorts the classes by ID and tests on the validation pictures", async () => {
  const source = memorySource(tinyFiles());
  const data = await loadTinyImageNet(source, fill);
  const { height, width, channels, maximum }: TaskData = data;
  assertEquals([height, width, channels, maximum], [64, 64, 3, 255]);
  const order = Array.from({ length: 200 }, (_, i) => i);
  assertEquals(data.classes, order.map((i) => `name ${i}`));
  assertEquals(Array.from(data.train.labels), order);
  assertEquals(Array.from(data.test.labels), [3, 199]);
  assertEquals(pixel(data.train, 0, [0, 0], 64), [0, 1, 2]);
  assertEquals(pixel(data.train, 199, [63, 63], 64), [199, 1, 2]);
  assertEquals(pixel(data.test, 0, [12, 34], 64), [7, 70, 77]);
  assertEquals(pixel(data.test, 1, [12, 34], 64), [1, 10, 11]);
});

Deno.test("loadTinyImageNet() tells how far the decoding is, and stops when asked", async () => {
  const source = memorySource(tinyFiles());
  const steps: number[] = [];
  await loadTinyImageNet(source, fill, {
    onProgress: (decoded, total) => {
      assertEquals(total, 202);
      steps.push(decoded);
    },
  });
  assertEquals(steps, Array.from({ length: 202 }, (_, i) => i + 1));

  const controller = new AbortController();
  const cache = new MemoryCache();
  let decoded = 0;
  await assertRejects(
    () =>
      loadTinyImageNet(source, fill, {
        cache,
        signal: controller.signal,
        onProgress: (done) => {
          decoded = done;
          if (done === 50) controller.abort(new Error("enough"));
        },
      }),
    Error,
    "enough",
  );
  assertEquals([decoded, cache.writes], [50, 0]);
});

Deno.test("a grey JPEG fills all three channels", async () => {
  const jpeg = async (options: { color_space?: 1 | 3 }) => {
    const rgba = new Uint8ClampedArray(64 * 64 * 4).fill(255);
    for (let i = 0; i < 64 * 64; i++) rgba.set([200, 60, 20], 4 * i);
    const image = new ImageData(rgba, 64, 64);
    return new Uint8Array(await encodeJpeg(image, { quality: 95, ...options }));
  };
  const [grey, colour] = [await jpeg({ color_space: 1 }), await jpeg({})];
  const components = (bytes: Uint8Array) => {
    const frame = bytes.findIndex((byte, i) =>
      byte === 0xff && (bytes[i + 1] === 0xc0 || bytes[i + 1] === 0xc2)
    );
    return bytes[frame + 9];
  };
  assertEquals([components(grey), components(colour)], [1, 3]);
  const { test } = await loadTinyImageNet(
    memorySource(tinyFiles({
      "val/images/val_7.JPEG": grey,
      "val/images/val_0.JPEG": colour,
    })),
    (bytes) => bytes.length === 3 ? fill(bytes) : decodePicture(bytes),
  );
  const [r, g, b] = pixel(test, 0, [5, 6], 64) as [number, number, number];
  assertEquals([g, b], [r, r]);
  const luma = 0.299 * 200 + 0.587 * 60 + 0.114 * 20;
  assert(Math.abs(r - luma) < 4, `${r}, expected about ${luma}`);
  const [red, green, blue] = pixel(test, 1, [5, 6], 64);
  assert(Math.abs(red! - 200) < 6 && Math.abs(green! - 60) < 6);
  assert(Math.abs(blue! - 20) < 6);
});

Deno.test("loadTinyImageNet() names the file, the line and the remedy", async (t) => {
  const boxes = "train/n00000005/n00000005_boxes.txt";
  const cases: [string, Files, string][] = [
    ["no IDs", { "wnids.txt": undefined }, "wnids.txt: no such file"],
    [
      "too few IDs",
      { "wnids.txt": "n00000001\n" },
      "wnids.txt: it holds 1 class names, not 200",
    ],
    [
      "an ID twice",
      { "wnids.txt": IDS.with(9, IDS[3]!).join("\n") },
      `wnids.txt, line 10: "${IDS[3]}" is not a WordNet ID of its own`,
    ],
    [
      "a wrong ID",
      { "wnids.txt": IDS.with(9, "../etc").join("\n") },
      'wnids.txt, line 10: "../etc" is not a WordNet ID of its own',
    ],
    [
      "a class without a name",
      { "words.txt": "n00000001\tgoldfish\n" },
      "words.txt: it has no name for n00000000 of wnids.txt",
    ],
    ["no list of a class", { [boxes]: undefined }, `${boxes}: no such file`],
    [
      "a picture of another class in the list",
      { [boxes]: "n00000005_0.JPEG\t0\nn00000006_1.JPEG\t0\n" },
      `${boxes}, line 2: "n00000006_1.JPEG" is not the name of a picture, such as n00000005_0.JPEG`,
    ],
    [
      "a listed picture that is not there",
      { [boxes]: "n00000005_4.JPEG\t0\nn00000005_5.JPEG\t0\n" },
      "train/n00000005/images/n00000005_5.JPEG: no such file",
    ],
    [
      "a wrong name in the annotations",
      { "val/val_annotations.txt": "val_7.JPEG\tn00000001\n../x\tn00000001\n" },
      'val/val_annotations.txt, line 2: "../x" is not the name of a picture',
    ],
    [
      "a wrong class in the annotations",
      { "val/val_annotations.txt": "val_7.JPEG\tn12345678\n" },
      'val/val_annotations.txt, line 1: class "n12345678" is not in wnids.txt',
    ],
    [
      "a line cut short in the annotations",
      { "val/val_annotations.txt": "val_7.JPEG" },
      'val/val_annotations.txt, line 1: class "" is not in wnids.txt',
    ],
    [
      "a damaged picture",
      { "val/images/val_7.JPEG": Uint8Array.of(0xff, 0xd8, 0xff, 9) },
      "val/images/val_7.JPEG: the JPEG is damaged",
    ],
    [
      "an empty picture",
      { "val/images/val_0.JPEG": new Uint8Array() },
      "val/images/val_0.JPEG: it is empty",
    ],
    [
      "a picture of another size",
      {
        "val/images/val_7.JPEG": new Uint8Array(
          await encodeJpeg(new ImageData(32, 64)),
        ),
      },
      "val/images/val_7.JPEG: it is 32x64, not 64x64",
    ],
  ];
  const load = (source: ReturnType<typeof memorySource>) =>
    loadTinyImageNet(
      source,
      (bytes) => bytes.length === 3 ? fill(bytes) : decodePicture(bytes),
    );
  for (const [name, changes, want] of cases) {
    await t.step(name, async () => {
      const { problem, message } = await problemOf(load, tinyFiles(changes));
      assertStringIncludes(problem, `data/tiny-imagenet-200/${want}`);
      assertStringIncludes(message, "; unpack tiny-imagenet-200.zip ");
    });
  }
});

Deno.test("decoded pictures are kept, and used when they are whole and of the same files", async (t) => {
  const source = memorySource(tinyFiles());
  const cache = new MemoryCache();
  let decoded = 0;
  const load = async (from = source) => {
    decoded = 0;
    const onProgress = () => decoded++;
    return await loadTinyImageNet(from, fill, { cache, onProgress });
  };
  const first = await load();
  assertEquals([decoded, cache.writes, cache.kept.size], [202, 1, 1]);
  const [name] = cache.kept.keys();
  const whole = cache.kept.get(name!)!.slice();

  await t.step("a second load decodes nothing and gives the same", async () => {
    const second = await load();
    assertEquals(decoded, 0);
    assertEquals(second.classes, first.classes);
    for (const part of ["train", "test"] as const) {
      const set = second[part];
      assertEquals(Array.from(set.labels), Array.from(first[part].labels));
      for (const i of [0, 1]) {
        const place: [number, number] = [3, 4];
        assertEquals(
          pixel(set, i, place, 64),
          pixel(first[part], i, place, 64),
        );
      }
    }
  });

  const lineEnd = whole.indexOf(10);
  const header = new TextDecoder().decode(whole.subarray(0, lineEnd));
  const withHeader = (text: string) => {
    const head = new TextEncoder().encode(text);
    const changed = new Uint8Array(head.length + whole.length - lineEnd);
    changed.set(head);
    changed.set(whole.subarray(lineEnd), head.length);
    return changed;
  };
  const damage: Record<string, Uint8Array> = {
    "empty": new Uint8Array(),
    "cut short": whole.subarray(0, -1),
    "cut within the header": whole.subarray(0, 40),
    "too long": Uint8Array.of(...whole.subarray(0, lineEnd + 1), 0),
    "a wrong label": whole.map((byte, i) => i === lineEnd + 1 ? 200 : byte),
    "another version": withHeader(
      header.replace('"version":1', '"version":0'),
    ),
    "another count": withHeader(header.replace('"train":200', '"train":199')),
    "another key": withHeader(header.replace(/"key":"./, '"key":"x')),
    "no JSON": withHeader(header.slice(1)),
  };
  for (const [what, bytes] of Object.entries(damage)) {
    await t.step(`${what}: decoded again and replaced`, async () => {
      cache.kept.set(name!, bytes);
      await load();
      assertEquals(decoded, 202);
      assertEquals(cache.kept.get(name!), whole);
    });
  }

  await t.step("other labels are another name", async () => {
    const annotations = "val_7.JPEG\tn00000004\nval_0.JPEG\tn00000199\n";
    const changed = tinyFiles({ "val/val_annotations.txt": annotations });
    const { test } = await load(memorySource(changed));
    assertEquals(decoded, 202);
    assertEquals(Array.from(test.labels), [4, 199]);
    assertEquals(cache.kept.size, 2);
  });
});

/** Of the real cut, the first training picture of each class and some for validation. */
const realPart = {
  name: realSource.name,
  read: async (path: string) => {
    const bytes = await realSource.read(path);
    const lines = path.endsWith("_boxes.txt")
      ? 1
      : path.endsWith("val_annotations.txt")
      ? 12
      : undefined;
    if (!bytes || lines === undefined) return bytes;
    const text = new TextDecoder().decode(bytes);
    const kept = text.split("\n").slice(0, lines).join("\n");
    return new TextEncoder().encode(kept);
  },
};

Deno.test({
  name: "the real Tiny ImageNet is decoded to the pixels that libjpeg-turbo gives",
  ignore: !await hasReal("tiny-imagenet-200"),
  fn: async () => {
    const { train, test, classes } = await loadTinyImageNet(
      realPart,
      decodePicture,
    );
    assertEquals(histogram(train, 200), new Array(200).fill(1));
    assertEquals(test.length, 12);
    assertEquals(new Set(classes).size, 200);
    assertEquals(classes[0], "goldfish");
    // As `djpeg -ppm` prints them.
    assertEquals(pixel(train, 0, [0, 0], 64), [0xff, 0x88, 0xc1]);
    assertEquals(pixel(train, 0, [0, 1], 64), [0xff, 0x8a, 0xc0]);
    assertEquals(classes[test.labels[0]!], "go-kart");
    assertEquals(pixel(test, 0, [0, 1], 64), [0xb6, 0xb6, 0xbe]);
    // val_10.JPEG has a single channel.
    assertEquals(pixel(test, 10, [0, 1], 64), [0x91, 0x91, 0x91]);
    const image = new Uint8Array(64 * 64 * 3);
    test.read(Uint32Array.of(0), image, new Uint32Array(1));
    const hash = await crypto.subtle.digest("SHA-256", image);
    assertEquals(
      new Uint8Array(hash).toHex(),
      "9456565426ea9f4790d0d29baeffb0a9633b18ac622283b4c5e55e5016651dbf",
    );
  },
});

Deno.test({
  name: "the real Tiny ImageNet lists its classes alike",
  ignore: !await hasReal("tiny-imagenet-200"),
  fn: async () => {
    const { train, test } = await loadTinyImageNet(realSource, fill);
    assertEquals(histogram(train, 200), new Array(200).fill(20));
    assertEquals(histogram(test, 200), new Array(200).fill(5));
  },
});
