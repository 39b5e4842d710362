/** Archives in the official layouts, small. */
import { createHash } from "node:crypto";
import { type Zippable, zipSync } from "fflate";
import { packTar } from "modern-tar";
import type { Archive } from "../../datasets/archives.ts";

/** Files of an archive, by path. */
export type Members = Record<string, Uint8Array | string>;

const bytesOf = (content: Uint8Array | string) =>
  typeof content === "string" ? new TextEncoder().encode(content) : content;

export async function tarGzip(
  members: Members,
): Promise<Uint8Array<ArrayBuffer>> {
  const tar = await packTar(
    Object.entries(members).map(([name, content]) => {
      const body = bytesOf(content);
      return name.endsWith("/")
        ? { header: { name, size: 0, type: "directory" as const } }
        : { header: { name, size: body.length }, body };
    }),
  );
  const stream = new Blob([tar]).stream()
    .pipeThrough(new CompressionStream("gzip"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

/** Every other file is stored, the rest deflated. */
export function zip(members: Members): Uint8Array<ArrayBuffer> {
  const files: Zippable = {};
  for (const [i, [name, content]] of Object.entries(members).entries()) {
    files[name] = [bytesOf(content), { level: i % 2 ? 6 : 0 }];
  }
  return Uint8Array.from(zipSync(files));
}

/** How these bytes would be published. */
export function published(
  bytes: Uint8Array,
  archive: Pick<Archive, "name" | "folder" | "url" | "unused">,
): Archive {
  const md5 = createHash("md5").update(bytes).digest("hex");
  return { ...archive, bytes: bytes.length, md5, source: "" };
}

/** CIFAR-10 with two pictures in each file. */
export function cifar10Members(): Members {
  const members: Members = {
    "cifar-10-batches-bin/": "",
    "cifar-10-batches-bin/batches.meta.txt": "abcdefghij".split("").join("\n"),
    "cifar-10-batches-bin/readme.html": "<html>",
  };
  for (const name of [1, 2, 3, 4, 5].map((i) => `data_batch_${i}`)) {
    members[`cifar-10-batches-bin/${name}.bin`] = new Uint8Array(2 * 3073);
  }
  members["cifar-10-batches-bin/test_batch.bin"] = new Uint8Array(2 * 3073);
  return members;
}

/** All files below a folder, with their content as text, by path. */
export function tree(folder: string, below = ""): Record<string, string> {
  const files: Record<string, string> = {};
  for (const { name, isDirectory } of Deno.readDirSync(`${folder}/${below}`)) {
    const path = `${below}${name}`;
    if (isDirectory) Object.assign(files, tree(folder, `${path}/`));
    else files[path] = Deno.readTextFileSync(`${folder}/${path}`);
  }
  return files;
}

export async function inTemporaryFolder(
  test: (path: string) => Promise<void>,
): Promise<void> {
  const path = await Deno.makeTempDir();
  try {
    await test(path);
  } finally {
    await Deno.remove(path, { recursive: true });
  }
}
