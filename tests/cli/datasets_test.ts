import {
  assert,
  assertEquals,
  assertMatch,
  assertNotEquals,
  assertRejects,
  assertStringIncludes,
  assertThrows,
} from "@std/assert";
import encodeJpeg from "@jsquash/jpeg/encode.js";
import { UsageError } from "../../cli/args.ts";
import { blankTasks, loadDataset, loadTasks } from "../../cli/datasets.ts";
import type { ImageSet, MemoryImageSet } from "../../datasets/image_set.ts";
import type { Scenario, TaskSpec } from "../../dvn/scenario.ts";
import { digitsScenario } from "../../dvn/scenarios/digits.ts";
import { hasReal, histogram, REAL_FOLDER } from "../datasets/sources.ts";
import { cifar10Members, inTemporaryFolder } from "./archives.ts";

const load = (folder: string, ...tasks: TaskSpec[]) =>
  loadTasks({ ...digitsScenario, tasks }, folder);

async function writeFiles(
  folder: string,
  files: Record<string, Uint8Array | string>,
) {
  for (const [path, content] of Object.entries(files)) {
    const target = `${folder}/${path}`;
    await Deno.mkdir(target.replace(/[^/]*$/, ""), { recursive: true });
    if (typeof content === "string") {
      await Deno.writeTextFile(target, content);
    } else await Deno.writeFile(target, content);
  }
}

Deno.test("loadTasks() says how to get what is missing, and how to replace what is damaged", () =>
  inTemporaryFolder(async (path) => {
    const task = { name: "a", dataset: "cifar-10" };
    const missing = await assertRejects(
      () => load(path, task),
      UsageError,
    ) as Error;
    assertEquals(
      missing.message,
      `${path}/cifar-10-batches-bin/batches.meta.txt: no such file; "deno task data cifar-10 ` +
        `--dir ${path}" fetches it, and --data names the folder that holds cifar-10-batches-bin ` +
        "where there is one",
    );
    const { "cifar-10-batches-bin/": _, ...files } = cifar10Members();
    files["cifar-10-batches-bin/test_batch.bin"] = new Uint8Array(3000);
    await writeFiles(path, files);
    const damaged = await assertRejects(
      () => load(path, task),
      UsageError,
    ) as Error;
    assertMatch(damaged.message, /test_batch.bin: it is cut short /);
    assertStringIncludes(
      damaged.message,
      `; "deno task data cifar-10 --dir ${path} --force" fetches it anew`,
    );
    const defaults = await assertRejects(
      () => loadDataset("stl-10", "data"),
      UsageError,
    ) as Error;
    assertStringIncludes(defaults.message, '; "deno task data stl-10" fetches');
  }));

Deno.test("loadTasks() finds a wrong name before it reads a file", () =>
  assertRejects(
    () =>
      load(
        "nowhere",
        { name: "a", dataset: "cifar-10" },
        { name: "b", dataset: "nist" },
      ),
    UsageError,
    'tasks[1].dataset "nist" is not known; known are: digits, cifar-10, cifar-100, ' +
      "cifar-100-coarse, stl-10, tiny-imagenet",
  ));

Deno.test({
  name: "loadTasks() reads the real CIFAR-100 once for both kinds of labels",
  ignore: !await hasReal("cifar-100-binary"),
  fn: async () => {
    const { coarse, fine, five } = await load(
      REAL_FOLDER,
      { name: "coarse", dataset: "cifar-100-coarse" },
      { name: "fine", dataset: "cifar-100" },
      { name: "five", dataset: "cifar-100", classes: [95, 96, 97, 98, 99] },
    );
    assertEquals(coarse!.classes.length, 20);
    assertEquals(fine!.classes.length, 100);
    assertEquals(histogram(five!.train, 5), new Array(5).fill(60));
    const [a, b] = [coarse!.train, fine!.train] as MemoryImageSet[];
    assert(a!.pixels.length > 0 && a!.pixels === b!.pixels);
  },
});

const ALL = ["cifar-10", "cifar-100", "cifar-100-coarse", "stl-10", "tiny-imagenet"];
const FOLDERS = ["cifar-10-batches-bin", "cifar-100-binary", "stl10_binary", "tiny-imagenet-200"];
const hasAll = (await Promise.all(FOLDERS.map(hasReal))).every((there) => there);

for (const datasets of [["digits"], ALL]) {
  Deno.test({
    name: `blankTasks() has the sizes of the pictures that it stands in for: ${
      datasets.join(", ")
    }`,
    ignore: datasets === ALL && !hasAll,
    fn: async () => {
      const tasks = datasets.flatMap((dataset) => [
        { name: `all ${dataset}`, dataset },
        { name: `some ${dataset}`, dataset, classes: [7, 2, 5] },
      ]);
      const real = await load(REAL_FOLDER, ...tasks);
      const blank = blankTasks({ tasks });
      assertEquals(Object.keys(blank), Object.keys(real));
      for (const [name, { height, width, channels, classes }] of Object.entries(real)) {
        const stand = blank[name]!;
        assertEquals([stand.height, stand.width, stand.channels], [height, width, channels], name);
        assertEquals(stand.classes.length, classes.length, name);
      }
    },
  });
}

Deno.test("blankTasks() finds the mistakes that loadTasks() finds", () => {
  const complaint = (task: TaskSpec) =>
    assertThrows(() => blankTasks({ tasks: [task] }), UsageError).message;
  assertMatch(complaint({ name: "a", dataset: "nist" }), /^tasks\[0\].dataset "nist" is not known/);
  assertEquals(
    complaint({ name: "a", dataset: "stl-10", classes: [3, 10] }),
    "tasks[0].classes: stl-10 has classes 0 to 9, got [3,10]",
  );
});

/** How many of each of the digits 0 to 4, in the order of the labels. */
const digitsOf = (images: ImageSet) => histogram(images, 5);

/** All pictures, each as text. */
function pictures(set: ImageSet): string[] {
  const pixels = new Uint8Array(64 * set.length), labels = new Uint32Array(set.length);
  set.read(Uint32Array.from(labels, (_, i) => i), pixels, labels);
  return Array.from(labels, (_, i) => `${pixels.subarray(64 * i, 64 * (i + 1))}`);
}

Deno.test("loadTasks() holds pictures of each class out, within the limit", async () => {
  const tasks = [
    { name: "low", dataset: "digits", classes: [0, 1, 2, 3, 4] },
    { name: "all", dataset: "digits" },
  ];
  const scenario: Scenario = {
    ...digitsScenario,
    tasks,
    limit: { train: 100, test: 50 },
    reportedEpoch: { validation: 0.2 },
  };
  const { low, all } = await loadTasks(scenario);
  assertEquals(digitsOf(low!.train), [16, 16, 16, 16, 16]);
  assertEquals(digitsOf(low!.validation!), [4, 4, 4, 4, 4]);
  assertEquals(digitsOf(low!.test), [10, 10, 10, 10, 10]);
  assertEquals([all!.train, all!.validation!, all!.test].map(({ length }) => length), [80, 20, 50]);

  // Together they are what is trained on where nothing is held out.
  const whole = (await loadTasks({ ...scenario, reportedEpoch: "last" })).low!;
  assert(!("validation" in whole));
  const parts = [...pictures(low!.train), ...pictures(low!.validation!)];
  assertEquals(parts.sort(), pictures(whole.train).sort());

  const heldOut = async (seed: number) =>
    pictures((await loadTasks({ ...scenario, seed })).low!.validation!);
  assertEquals(await heldOut(1), await heldOut(1));
  assertNotEquals(await heldOut(1), await heldOut(2));
});

Deno.test("loadTasks() says which task has a class with too few pictures to hold some out", () =>
  assertRejects(
    () =>
      loadTasks({
        ...digitsScenario,
        limit: { train: 20, test: 20 },
        reportedEpoch: { validation: 0.2 },
      }),
    UsageError,
    'task "digits", reportedEpoch.validation: splitValidation: 0.2 of the 2 training pictures of ' +
      "class ",
  ));

/** Tiny ImageNet with one picture a class and one for validation. */
async function writeTinyImageNet(folder: string) {
  const rgba = new Uint8ClampedArray(64 * 64 * 4).fill(120);
  const jpeg = new Uint8Array(await encodeJpeg(new ImageData(rgba, 64, 64)));
  const ids = Array.from(
    { length: 200 },
    (_, i) => `n${String(i).padStart(8, "0")}`,
  );
  const root = "tiny-imagenet-200";
  const files: Record<string, Uint8Array | string> = {
    [`${root}/wnids.txt`]: ids.join("\n"),
    [`${root}/words.txt`]: ids.map((id) => `${id}\tname of ${id}`).join("\n"),
    [`${root}/val/val_annotations.txt`]: `val_0.JPEG\t${ids[7]}`,
    [`${root}/val/images/val_0.JPEG`]: jpeg,
  };
  for (const id of ids) {
    files[`${root}/train/${id}/${id}_boxes.txt`] = `${id}_0.JPEG\t0\t0\t9\t9`;
    files[`${root}/train/${id}/images/${id}_0.JPEG`] = jpeg;
  }
  await writeFiles(folder, files);
}

/** Loads Tiny ImageNet in a process of its own, and gives what that says. */
async function loadElsewhere(data: string, cache: string): Promise<string> {
  const url = import.meta.resolve("../../cli/datasets.ts");
  // Set here, for Deno itself uses it too.
  const script = `
    Deno.env.set("XDG_CACHE_HOME", ${JSON.stringify(cache)});
    const { loadDataset } = await import(${JSON.stringify(url)});
    const data = await loadDataset("tiny-imagenet", ${JSON.stringify(data)});
    const { train, test } = data;
    console.log(train.length, test.length, test.labels[0], train.pixels[5]);`;
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["eval", script],
    cwd: `${import.meta.dirname}/../..`,
    stdout: "piped",
    stderr: "piped",
  }).output();
  const [out, err] = [stdout, stderr].map((b) => new TextDecoder().decode(b));
  assertEquals([code, out], [0, "200 1 7 120\n"], err);
  return err!;
}

Deno.test("Tiny ImageNet is decoded once, also by processes that start together", () =>
  inTemporaryFolder(async (path) => {
    const cache = `${path}/cache`;
    await writeTinyImageNet(path);
    const said = await Promise.all([
      loadElsewhere(path, cache),
      loadElsewhere(path, cache),
    ]);
    assertEquals(said.join("").match(/^Decoding .*$/gm)?.length, 1);
    const [kept, ...others] = [...Deno.readDirSync(`${cache}/dvn`)];
    assertMatch(kept!.name, /^tiny-imagenet-[0-9a-f]{16}\.images$/);
    assertEquals(others, []);

    // From here on there is nothing to decode.
    await Deno.remove(`${path}/tiny-imagenet-200/val/images/val_0.JPEG`);
    assertEquals(await loadElsewhere(path, cache), "");
  }));

Deno.test("Tiny ImageNet is decoded again where its cache is damaged", () =>
  inTemporaryFolder(async (path) => {
    const cache = `${path}/cache`;
    await writeTinyImageNet(path);
    await loadElsewhere(path, cache);
    const [{ name }] = [...Deno.readDirSync(`${cache}/dvn`)] as [Deno.DirEntry];
    const kept = `${cache}/dvn/${name}`;
    const { size } = await Deno.stat(kept);
    await Deno.truncate(kept, size - 1);
    assertMatch(
      await loadElsewhere(path, cache),
      /^Decoding the images of tiny-imagenet/,
    );
    assertEquals((await Deno.stat(kept)).size, size);
  }));

Deno.test("Tiny ImageNet is read where no cache can be written", () =>
  inTemporaryFolder(async (path) => {
    await writeTinyImageNet(path);
    await Deno.writeTextFile(`${path}/file`, "");
    assertMatch(
      await loadElsewhere(path, `${path}/file`),
      /file\/dvn cannot be written \(.*\): decoding for this run only\n/,
    );
  }));
