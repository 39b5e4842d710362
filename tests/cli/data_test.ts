/** Fetching datasets: from bad servers, to folders that are in use, interrupted. */
import {
  assert,
  assertEquals,
  assertInstanceOf,
  assertMatch,
  assertRejects,
  assertStringIncludes,
} from "@std/assert";
import { UsageError } from "../../cli/args.ts";
import { main } from "../../cli/data.ts";
import { archiveOf, archives, loadDataset } from "../../cli/datasets.ts";
import { DownloadError } from "../../cli/download.ts";
import { obtain, type ObtainOptions } from "../../cli/obtain.ts";
import type { Archive } from "../../datasets/archives.ts";
import { type Answer, ArchiveServer, sampleBytes } from "./archive_server.ts";
import { pressCtrlC } from "./press_ctrl_c.ts";
import { cifar10Members, inTemporaryFolder, published, tarGzip, tree, zip } from "./archives.ts";

const MEMBERS = { "set/a.txt": "first", "set/b/c.txt": "second" };
const UNPACKED = { "set/a.txt": "first", "set/b/c.txt": "second" };
const BYTES = await tarGzip({ ...MEMBERS, "set/noise": sampleBytes(50_000) });
const SET = {
  name: "set",
  folder: "set",
  unused: /noise/,
  url: "https://example.org/dir/set.tar.gz",
};
const ARCHIVE = published(BYTES, SET);

/** What lies in a folder, hidden files too. */
const names = (path: string) => [...Deno.readDirSync(path)].map(({ name }) => name).sort();

/** Obtains the sample from a server with these manners. */
async function obtainFrom(
  dir: string,
  answers: Answer[] = [],
  options: ObtainOptions & { archive?: Archive } = {},
) {
  await using server = new ArchiveServer(BYTES, answers);
  const lines: string[] = [];
  const { archive = ARCHIVE, ...rest } = options;
  const work = obtain(archive, dir, {
    url: server.url,
    log: (line) => lines.push(line),
    connection: { pauseMs: 1, tries: 2 },
    ...rest,
  });
  const error = await work.then(() => undefined, (error: Error) => error);
  return { lines, error, ranges: server.ranges };
}

/** The message of the error that must have come. */
function messageOf(
  { error }: { error?: Error | undefined },
  type: new (message: string) => Error,
): string {
  assertInstanceOf(error, type);
  return (error as Error).message;
}

Deno.test("obtain() fetches, checks and unpacks, and leaves the folder alone behind", () =>
  inTemporaryFolder(async (path) => {
    const dir = `${path}/new/data`;
    const { error, lines, ranges } = await obtainFrom(dir);
    assertEquals([error, ranges], [undefined, [null]]);
    assertEquals(tree(dir), UNPACKED);
    assertEquals(names(dir), ["set"]);
    assertMatch(
      lines.join("\n"),
      /^Downloading http:\S+, [\d.]+ kB\nComparing the checksum\nUnpacking to .*set$/,
    );
  }));

Deno.test("obtain() unpacks a zip where the address says so", () =>
  inTemporaryFolder(async (path) => {
    const bytes = zip(MEMBERS);
    const url = "https://example.org/set.zip";
    await using server = new ArchiveServer(bytes);
    const archive = published(bytes, { ...SET, url });
    await obtain(archive, path, { url: server.url });
    assertEquals(tree(path), UNPACKED);
  }));

Deno.test("obtain() goes on with the part that an earlier call has left", () =>
  inTemporaryFolder(async (path) => {
    const part = `${path}/set.tar.gz.part`;
    const broken = await obtainFrom(path, [
      { breakAfter: 20_000 },
      { breakAfter: 0 },
    ]);
    assertMatch(
      messageOf(broken, DownloadError),
      /20.0 kB of [\d.]+ kB are kept, and the same command goes on from there$/,
    );
    assertEquals(names(path), ["set.tar.gz.part"]);
    assertEquals(await Deno.readFile(part), BYTES.subarray(0, 20_000));

    const { error, lines, ranges } = await obtainFrom(path);
    assertEquals([error, ranges], [undefined, ["bytes=20000-"]]);
    assertMatch(lines[0]!, /^Going on with http:\S+ at 20.0 kB of [\d.]+ kB$/);
    assertEquals(names(path), ["set"]);
    assertEquals(tree(path), UNPACKED);
  }));

Deno.test("obtain() uses nothing that has another checksum, and deletes it", () =>
  inTemporaryFolder(async (path) => {
    const content = BYTES.slice();
    content[30_000]! ^= 1;
    const { error } = await obtainFrom(path, [{ content }]);
    const message = messageOf({ error }, DownloadError);
    assertMatch(
      message,
      /^http:\S+: the MD5 checksum is [0-9a-f]{32}, not [0-9a-f]{32} as published; what came was deleted: /,
    );
    assertStringIncludes(message, `not ${ARCHIVE.md5} `);
    assertEquals(names(path), []);
    // A part that was damaged on the disk is found out in the same way.
    await Deno.writeFile(`${path}/set.tar.gz.part`, new Uint8Array(100));
    const resumed = await obtainFrom(path);
    assertStringIncludes(messageOf(resumed, DownloadError), "was deleted");
    assertEquals(names(path), []);
    assertEquals((await obtainFrom(path)).error, undefined);
  }));

Deno.test("obtain() leaves a folder that is there, unless forced", () =>
  inTemporaryFolder(async (path) => {
    await Deno.mkdir(`${path}/set`);
    await Deno.writeTextFile(`${path}/set/mine.txt`, "mine");
    const first = await obtainFrom(path);
    assertEquals([first.error, first.ranges], [undefined, []]);
    assertMatch(first.lines[0]!, /set is there already; --force replaces it$/);
    assertEquals(tree(path), { "set/mine.txt": "mine" });

    const failed = await obtainFrom(path, [
      { response: new Response(null, { status: 404 }) },
    ], { force: true });
    assertStringIncludes(messageOf(failed, DownloadError), "answers 404");
    assertEquals(tree(path)["set/mine.txt"], "mine");

    const forced = await obtainFrom(path, [], { force: true });
    assertEquals(forced.error, undefined);
    assertEquals(tree(path), UNPACKED);
    assertEquals(names(path), ["set"]);
  }));

Deno.test("obtain() takes an archive that the user has, if it is the published one", () =>
  inTemporaryFolder(async (path) => {
    const write = async (name: string, bytes: Uint8Array) => {
      await Deno.writeFile(`${path}/${name}`, bytes);
      return `${path}/${name}`;
    };
    const changed = BYTES.slice();
    changed[100]! ^= 1;
    const wrong: [Uint8Array, RegExp][] = [
      [
        BYTES.subarray(0, 999),
        /short has 999 bytes, not the \d+ of the published archive of set: .* at https:\S+$/,
      ],
      [
        changed,
        /short has the MD5 checksum \w{32}, not \w{32} of the published archive of set: .* at https:\S+$/,
      ],
    ];
    for (const [bytes, message] of wrong) {
      const from = await write("short", bytes);
      const { error } = await obtainFrom(`${path}/data`, [], { from });
      assertMatch(messageOf({ error }, UsageError), message);
      assertEquals(names(path), ["short"]);
    }
    await Deno.remove(`${path}/short`);
    const from = await write("mine.tgz", BYTES);
    const { error, ranges } = await obtainFrom(`${path}/data`, [], { from });
    assertEquals([error, ranges], [undefined, []]);
    assertEquals(tree(`${path}/data`), UNPACKED);
    assertEquals(names(`${path}/data`), ["set"]);
    assertEquals(await Deno.readFile(from), BYTES);
  }));

Deno.test("obtain() stopped while unpacking keeps the archive and leaves no folder", () =>
  inTemporaryFolder(async (path) => {
    const controller = new AbortController();
    const { error } = await obtainFrom(path, [], {
      signal: controller.signal,
      log: (line) => {
        if (line.startsWith("Unpacking")) controller.abort(new Error("stop"));
      },
    });
    assertEquals(error?.message, "stop");
    assertEquals(names(path), ["set.tar.gz.part"]);
    const again = await obtainFrom(path);
    assertEquals([again.error, again.ranges], [undefined, []]);
    assertEquals(tree(path), UNPACKED);
  }));

Deno.test("obtain() clears away what a killed process has left", () =>
  inTemporaryFolder(async (path) => {
    await Deno.mkdir(`${path}/.set.unpacking/b`, { recursive: true });
    await Deno.writeTextFile(`${path}/.set.unpacking/b/old.txt`, "old");
    await Deno.writeTextFile(`${path}/.set.lock`, "");
    assertEquals((await obtainFrom(path)).error, undefined);
    assertEquals(tree(path), UNPACKED);
    assertEquals(names(path), ["set"]);
  }));

Deno.test("obtain() is not done twice at once", () =>
  inTemporaryFolder(async (path) => {
    const [one, two] = await Promise.all([obtainFrom(path), obtainFrom(path)]);
    const errors = [one, two].flatMap(({ error }) => error ?? []);
    assertEquals(errors.length, 1);
    assertMatch(
      errors[0]!.message,
      /^another process is at work on .*set; wait/,
    );
    assertEquals(tree(path), UNPACKED);
  }));

Deno.test("what was obtained can be read", () =>
  inTemporaryFolder(async (path) => {
    const bytes = await tarGzip(cifar10Members());
    const archive = published(bytes, archiveOf("cifar-10"));
    await using server = new ArchiveServer(bytes);
    await obtain(archive, path, { url: server.url });
    const { train, test } = await loadDataset("cifar-10", path);
    assertEquals([train.length, test.length], [10, 2]);
  }));

Deno.test("the archives are those that are published", () => {
  assertEquals(archives.map(({ name }) => name), [
    "cifar-10",
    "cifar-100",
    "stl-10",
    "tiny-imagenet",
  ]);
  for (const { url, md5, bytes, folder } of archives) {
    assertMatch(url, /^https:\/\/\S+\.(tar\.gz|zip)$/);
    assertMatch(md5, /^[0-9a-f]{32}$/);
    assert(bytes > 1e8 && folder.length > 0);
  }
  assertEquals(archiveOf("cifar-100-coarse"), archiveOf("cifar-100"));
});

Deno.test("data: a wrong name, flag or value is one line", () =>
  inTemporaryFolder(async (path) => {
    const cases: [string[], string][] = [
      [[], "name one dataset of cifar-10, cifar-100, stl-10, tiny-imagenet"],
      [["cifar-10", "stl-10"], "name one dataset of cifar-10, "],
      [["cifar10"], 'dataset "cifar10" is not known; known are: digits, '],
      [["constructor"], 'dataset "constructor" is not known'],
      [["digits"], "digits comes with the project; nothing is to be fetched"],
      [["cifar-10", "--forse"], "did you mean --force?"],
      [["cifar-10", "--from", "a", "--url", "b"], "exclude each other"],
      [["cifar-10", "--url", "ftp://x"], "--url must begin with http"],
      [["cifar-10", "--url", "x"], "--url must begin with http"],
      [["cifar-10", "--from", `${path}/none`], "none: no such file"],
      [["cifar-10", "--from", path], "is a folder, not an archive"],
      [
        ["cifar-10", "--from", import.meta.filename!],
        "not the 170052171 of the published archive of cifar-10",
      ],
    ];
    for (const [args, message] of cases) {
      const line = [...args, "--dir", `${path}/data`];
      const error = await assertRejects(() => main(line), UsageError) as Error;
      assertStringIncludes(error.message, message);
      assertEquals(error.message.split("\n").length, 1);
    }
    assertEquals(names(path), []);
  }));

function command(...args: string[]): Deno.Command {
  return new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", `${import.meta.dirname}/../../cli/data.ts`, ...args],
    stdout: "piped",
    stderr: "piped",
  });
}

Deno.test("data: --help names every dataset and flag", async () => {
  const { code, stdout, stderr } = await command("--help").output();
  assertEquals([code, stderr.length], [0, 0]);
  const text = new TextDecoder().decode(stdout);
  for (const { name, url } of archives) {
    assertStringIncludes(text, `  ${name} `);
    assertStringIncludes(text, url);
  }
  for (const flag of ["dir", "from", "url", "force", "debug", "help"]) {
    assertStringIncludes(text, `  --${flag} `);
  }
});

Deno.test("data: Ctrl-C leaves a part, and the same command goes on from there", () =>
  inTemporaryFolder(async (path) => {
    const { bytes } = archiveOf("cifar-10");
    const headers = { "content-length": `${bytes}` };
    await using server = new ArchiveServer(sampleBytes(bytes / 100 | 0), [
      { hangAfter: 70_000, headers },
      {
        hangAfter: 5_000,
        headers: {
          "content-length": `${bytes - 70_000}`,
          "content-range": `bytes 70000-${bytes - 1}/${bytes}`,
        },
      },
    ]);
    const part = `${path}/cifar-10-binary.tar.gz.part`;
    const interruptAt = async (size: number) => {
      const args = ["cifar-10", "--dir", path, "--url", server.url];
      const child = command(...args).spawn();
      const output = child.output();
      let ended = false;
      child.status.then(() => ended = true);
      while (!ended && (await Deno.stat(part).catch(() => ({ size: -1 }))).size < size) {
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
      pressCtrlC(child);
      const { code, stdout, stderr } = await output;
      const text = new TextDecoder().decode(stderr);
      assertEquals([code, stdout.length], [130, 0], text);
      assertMatch(
        text,
        /\nInterrupted; the same command goes on from here.\n$/,
      );
      assertEquals(names(path), ["cifar-10-binary.tar.gz.part"]);
      return text;
    };
    assertMatch(await interruptAt(70_000), /^Downloading http:\S+, 170 MB\n/);
    assertMatch(
      await interruptAt(75_000),
      /^Going on with http:\S+ at 70.0 kB of 170 MB\n/,
    );
    assertEquals(server.ranges, [null, "bytes=70000-"]);
    assertEquals(
      await Deno.readFile(part),
      Uint8Array.from([
        ...server.content.subarray(0, 70_000),
        ...server.content.subarray(70_000, 75_000),
      ]),
    );
  }));
