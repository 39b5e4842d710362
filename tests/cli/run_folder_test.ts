import { assertEquals, assertRejects } from "@std/assert";
import { UsageError } from "../../cli/args.ts";
import { RunFolder, writeAtomically } from "../../cli/run_folder.ts";
import type { RunLine } from "../../cli/run_record.ts";
import { fakeScenario } from "./fake_run.ts";

const bytes = (text: string) => new TextEncoder().encode(text);

async function inTemporaryFolder(test: (path: string) => Promise<void>) {
  const path = await Deno.makeTempDir();
  try {
    await test(path);
  } finally {
    await Deno.remove(path, { recursive: true });
  }
}

function names(path: string): string[] {
  return [...Deno.readDirSync(path)].map(({ name }) => name).sort();
}

const LINE: RunLine = {
  type: "resume",
  step: 3,
  time: "2000-01-01T00:00:00Z",
  adapter: "none",
};

Deno.test("RunFolder.create() never takes a folder that exists", () =>
  inTemporaryFolder(async (path) => {
    const made = [];
    for (let i = 0; i < 3; i++) {
      made.push((await RunFolder.create(`${path}/runs`, "a", false)).name);
    }
    assertEquals(made, ["a", "a-2", "a-3"]);
    await assertRejects(
      () => RunFolder.create(`${path}/runs`, "a", true),
      UsageError,
      `${path}/runs/a exists; choose another --name, or continue it with --resume ${path}/runs/a`,
    );
  }));

Deno.test("RunFolder.create() says when the parent is a file", () =>
  inTemporaryFolder(async (path) => {
    await Deno.writeTextFile(`${path}/file`, "");
    await assertRejects(
      () => RunFolder.create(`${path}/file`, "a", false),
      UsageError,
      `--out ${path}/file is not a folder`,
    );
  }));

Deno.test("RunFolder.open() says what is missing", () =>
  inTemporaryFolder(async (path) => {
    await assertRejects(
      () => RunFolder.open(`${path}/none`),
      UsageError,
      "is not the folder of a run: no such folder",
    );
    await assertRejects(
      () => RunFolder.open(path),
      UsageError,
      "is not the folder of a run: it holds no scenario.json",
    );
    const made = await RunFolder.create(path, "a", true);
    await made.writeScenario(fakeScenario());
    await made.appendLine(LINE);
    const opened = await RunFolder.open(`${path}/a/`);
    assertEquals([opened.path, opened.name], [`${path}/a`, "a"]);
    assertEquals(await opened.readScenario(), fakeScenario());
    await assertRejects(
      () => opened.readModel(),
      UsageError,
      "holds no model.safetensors: it was stopped before its first checkpoint",
    );
  }));

Deno.test("a checkpoint is replaced as a whole, and leaves nothing behind", () =>
  inTemporaryFolder(async (path) => {
    const folder = await RunFolder.create(path, "a", true);
    await folder.writeCheckpoint(bytes("model 1"), bytes("state 1"));
    await folder.writeCheckpoint(bytes("model 2"), bytes("state 2"));
    assertEquals(await folder.readCheckpoint(), {
      weights: bytes("model 2"),
      state: bytes("state 2"),
    });
    assertEquals(names(folder.path).length, 2);
  }));

Deno.test("after a crash between state and model the old pair still stands", () =>
  inTemporaryFolder(async (path) => {
    const folder = await RunFolder.create(path, "a", true);
    await folder.writeCheckpoint(bytes("model 1"), bytes("state 1"));
    const next = await RunFolder.create(path, "b", true);
    await next.writeCheckpoint(bytes("model 2"), bytes("state 2"));
    // The crash: the new state is written, the new model is not.
    const state = names(next.path).find((name) => name.includes("state"))!;
    await Deno.copyFile(`${next.path}/${state}`, `${folder.path}/${state}`);
    assertEquals(await folder.readCheckpoint(), {
      weights: bytes("model 1"),
      state: bytes("state 1"),
    });
  }));

Deno.test("a model whose state is gone is not resumed with another's", () =>
  inTemporaryFolder(async (path) => {
    const folder = await RunFolder.create(path, "a", true);
    await folder.writeCheckpoint(bytes("model 1"), bytes("state 1"));
    await writeAtomically(`${folder.path}/model.safetensors`, "model 2");
    await assertRejects(
      () => folder.readCheckpoint(),
      UsageError,
      "the training state of its model.safetensors, is missing",
    );
  }));

Deno.test("lines are appended, replaced, and read up to a torn end", () =>
  inTemporaryFolder(async (path) => {
    const folder = await RunFolder.create(path, "a", true);
    await folder.appendLine(LINE);
    await folder.appendLine({ ...LINE, step: 4 });
    await Deno.writeTextFile(`${folder.path}/results.jsonl`, '{"type":"st', {
      append: true,
    });
    assertEquals(await folder.readLines(), [LINE, { ...LINE, step: 4 }]);
    await folder.replaceLines([LINE]);
    assertEquals(await folder.readLines(), [LINE]);
    await Deno.writeTextFile(`${folder.path}/results.jsonl`, "{}\nx\n{}\n");
    await assertRejects(
      () => folder.readLines(),
      UsageError,
      "results.jsonl, line 2, is not JSON",
    );
  }));

Deno.test("writeAtomically() replaces content and leaves no temporary file", () =>
  inTemporaryFolder(async (path) => {
    await writeAtomically(`${path}/a`, "a longer first content");
    await writeAtomically(`${path}/a`, "second");
    assertEquals(await Deno.readTextFile(`${path}/a`), "second");
    assertEquals(names(path), ["a"]);
  }));
