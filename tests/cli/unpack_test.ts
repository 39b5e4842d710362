import { assertEquals, assertRejects } from "@std/assert";
import { unpack } from "../../cli/unpack.ts";
import { inTemporaryFolder, type Members, published, tarGzip, tree, zip } from "./archives.ts";

const LONG = "0123456789".repeat(50_000);

/** A folder "set" that is wanted, and what an archive may hold besides. */
const MEMBERS: Members = {
  "set/": "",
  "set/a.txt": "first",
  "./set/b.txt": "second",
  "set/deep/er/c.txt": "third",
  "set/long.txt": LONG,
  "set/empty.txt": "",
  "set/unused.txt": "not wanted",
  "set/test/unused.txt": "not wanted",
  "set/../../evil.txt": "outside",
  "set\\..\\evil.txt": "outside",
  "/set/absolute.txt": "outside",
  "other/set/x.txt": "elsewhere",
  "set.txt": "beside",
};

const WANTED = {
  "a.txt": "first",
  "b.txt": "second",
  "deep/er/c.txt": "third",
  "empty.txt": "",
  "long.txt": LONG,
};

const publish = (bytes: Uint8Array, kind: string) =>
  published(bytes, {
    name: "set",
    folder: "set",
    url: `https://example.org/set.${kind}`,
    unused: /\/unused\.txt$/,
  });

for (
  const [kind, pack] of [["tar.gz", tarGzip], ["zip", zip]] as const
) {
  Deno.test(`unpack() of a ${kind} takes the wanted files of its folder, and no others`, () =>
    inTemporaryFolder(async (path) => {
      const bytes = await pack(MEMBERS);
      await Deno.writeFile(`${path}/archive`, bytes);
      const progress: number[] = [];
      await unpack(publish(bytes, kind), `${path}/archive`, `${path}/in/set`, {
        onProgress: (done) => progress.push(done),
      });
      assertEquals(tree(`${path}/in/set`), WANTED);
      assertEquals(Object.keys(tree(path)).length, 6); // with the archive
      assertEquals(progress.at(-1), bytes.length);
    }));

  Deno.test(`unpack() of a ${kind} stops when asked`, () =>
    inTemporaryFolder(async (path) => {
      const bytes = await pack({ ...MEMBERS, "set/z.txt": LONG + LONG });
      await Deno.writeFile(`${path}/archive`, bytes);
      const signal = AbortSignal.abort(new Error("enough"));
      await assertRejects(
        () => unpack(publish(bytes, kind), `${path}/archive`, path, { signal }),
        Error,
        "enough",
      );
    }));
}

Deno.test("unpack() of a damaged tar.gz fails", () =>
  inTemporaryFolder(async (path) => {
    const bytes = await tarGzip(MEMBERS);
    bytes.fill(0xff, bytes.length >> 2, bytes.length >> 1);
    await Deno.writeFile(`${path}/archive`, bytes);
    await assertRejects(
      () => unpack(publish(bytes, "tar.gz"), `${path}/archive`, path),
      TypeError,
    );
  }));
