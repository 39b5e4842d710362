import { dirname, join } from "node:path";
import { Unzip, UnzipInflate } from "fflate";
import { createTarDecoder } from "modern-tar";
import type { Archive } from "../datasets/archives.ts";

export interface UnpackOptions {
  signal?: AbortSignal;
  /** Told how much of the archive has been read. */
  onProgress?: (bytes: number) => void;
}

/** A file in an archive; the content must be read before the next is asked for. */
interface Member {
  name: string;
  content: Uint8Array | ReadableStream<Uint8Array>;
}

/**
 * Unpacks the folder of a dataset, without the files that no reader wants.
 *
 * @param file A .tar.gz or .zip, as the archive's address says.
 * @param folder Receives what is in the archive's folder.
 * @throws {Error} If the archive cannot be unpacked, or with the signal's reason if that is aborted. The
 *   sums in a zip are not compared: the archive's own has been.
 */
export async function unpack(
  archive: Archive,
  file: string,
  folder: string,
  options: UnpackOptions = {},
): Promise<void> {
  const readMembers = archive.url.endsWith(".zip") ? readZip : readTarGzip;
  const bytes = await openCounted(file, options);
  const made = new Set<string>();
  const isWanted = (name: string) => pathOf(name, archive) !== undefined;
  for await (const { name, content } of readMembers(bytes, isWanted)) {
    const target = join(folder, pathOf(name, archive)!);
    const parent = dirname(target);
    if (!made.has(parent)) await Deno.mkdir(parent, { recursive: true });
    made.add(parent);
    await Deno.writeFile(target, content);
  }
}

/**
 * Where a member goes, relative to the dataset's folder.
 *
 * @returns Undefined for what is outside that folder, or is not wanted.
 */
function pathOf(name: string, { folder, unused }: Archive): string | undefined {
  const steps = name.split("/").filter((step) => step !== ".");
  if (
    steps[0] !== folder || steps.length < 2 ||
    steps.some((step) => step === "" || step === ".." || /[\\:]/.test(step)) ||
    unused?.test(steps.join("/"))
  ) return undefined;
  return steps.slice(1).join("/");
}

async function openCounted(
  path: string,
  { signal, onProgress }: UnpackOptions,
): Promise<ReadableStream<Uint8Array<ArrayBuffer>>> {
  let done = 0;
  const count = new TransformStream<
    Uint8Array<ArrayBuffer>,
    Uint8Array<ArrayBuffer>
  >({
    transform: (chunk, controller) => {
      onProgress?.(done += chunk.length);
      controller.enqueue(chunk);
    },
  });
  return (await Deno.open(path)).readable.pipeThrough(count, { signal });
}

async function* readTarGzip(
  bytes: ReadableStream<Uint8Array<ArrayBuffer>>,
  isWanted: (name: string) => boolean,
): AsyncGenerator<Member> {
  const entries = bytes.pipeThrough(new DecompressionStream("gzip"))
    .pipeThrough(createTarDecoder({ strict: true }));
  for await (const { header: { name, type }, body } of entries) {
    if (type === "file" && isWanted(name)) yield { name, content: body };
    else await body.cancel();
  }
}

async function* readZip(
  bytes: ReadableStream<Uint8Array<ArrayBuffer>>,
  isWanted: (name: string) => boolean,
): AsyncGenerator<Member> {
  const whole: Member[] = [];
  const unzip = new Unzip((file) => {
    if (!isWanted(file.name)) return;
    const chunks: Uint8Array<ArrayBuffer>[] = [];
    file.ondata = (error, chunk, isLast) => {
      if (error) throw error;
      chunks.push(chunk as Uint8Array<ArrayBuffer>);
      if (isLast) whole.push({ name: file.name, content: concat(chunks) });
    };
    file.start();
  });
  unzip.register(UnzipInflate);
  for await (const chunk of bytes) {
    unzip.push(chunk);
    yield* whole.splice(0);
  }
  unzip.push(new Uint8Array(0), true);
  yield* whole.splice(0);
}

function concat(chunks: readonly Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(
    chunks.reduce((sum, { length }) => sum + length, 0),
  );
  let start = 0;
  for (const chunk of chunks) {
    bytes.set(chunk, start);
    start += chunk.length;
  }
  return bytes;
}
