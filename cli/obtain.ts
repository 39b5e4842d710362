import { createHash } from "node:crypto";
import { basename, join } from "node:path";
import type { Archive } from "../datasets/archives.ts";
import { UsageError } from "./args.ts";
import { download, DownloadError, type DownloadOptions } from "./download.ts";
import { withLock } from "./file_lock.ts";
import { formatBytes } from "./format.ts";
import { unpack } from "./unpack.ts";
import { WorkProgress } from "./work_progress.ts";

export interface ObtainOptions {
  /** An archive that the user has: nothing is fetched. */
  from?: string;
  /** Another address of the same archive. */
  url?: string;
  /** Replace the folder where there is one. */
  force?: boolean;
  signal?: AbortSignal;
  /** Told what is done next; progress is shown in between. */
  log?: (line: string) => void;
  connection?: Pick<DownloadOptions, "tries" | "pauseMs" | "stallMs">;
}

/**
 * Sees to it that a dataset's folder lies in `dir`. It is there as a whole or not at all: the archive is
 * fetched to a file of its own, which a later call goes on with, compared with its published size and
 * checksum, unpacked beside its place, and renamed into it.
 *
 * @throws {UsageError} If the archive the user has is not the published one.
 * @throws {DownloadError} If the published one cannot be had.
 */
export async function obtain(
  archive: Archive,
  dir: string,
  options: ObtainOptions = {},
): Promise<void> {
  const { from, force, signal, log } = options;
  const folder = join(dir, archive.folder);
  const isDone = async () => !force && await exists(folder);
  if (await isDone()) {
    log?.(`${folder} is there already; --force replaces it`);
    return;
  }
  if (from) await checkGiven(archive, from, options);
  await Deno.mkdir(dir, { recursive: true });
  const onBusy = () => {
    throw new DownloadError(
      `another process is at work on ${folder}; wait for it`,
    );
  };
  await withLock(join(dir, `.${archive.folder}.lock`), onBusy, async () => {
    if (await isDone()) return; // another process has just been at work
    const file = from ?? await fetchArchive(archive, dir, options);
    const unpacked = join(dir, `.${archive.folder}.unpacking`);
    const replaced = join(dir, `.${archive.folder}.replaced`);
    await removeAll(unpacked, replaced); // a crash may have left them
    try {
      log?.(`Unpacking to ${folder}`);
      await withProgress(
        archive.bytes,
        (onProgress) => unpack(archive, file, unpacked, { signal, onProgress }),
      );
      if (await exists(folder)) await Deno.rename(folder, replaced);
      await Deno.rename(unpacked, folder);
      await removeAll(replaced);
    } finally {
      await removeAll(unpacked);
    }
    if (!from) await Deno.remove(file);
  });
}

/** @returns The path of the whole archive, compared with the published one. */
async function fetchArchive(
  archive: Archive,
  dir: string,
  { url = archive.url, signal, log, connection }: ObtainOptions,
): Promise<string> {
  const file = join(dir, `${basename(new URL(archive.url).pathname)}.part`);
  const had = await exists(file) ? (await Deno.stat(file)).size : 0;
  const size = formatBytes(archive.bytes);
  log?.(
    had > 0
      ? `Going on with ${url} at ${formatBytes(had)} of ${size}`
      : `Downloading ${url}, ${size}`,
  );
  await withProgress(
    archive.bytes,
    (onProgress, progress) =>
      download(url, archive.bytes, file, {
        ...connection,
        signal,
        onProgress,
        log: (line) => {
          progress.clear();
          log?.(line);
        },
      }),
  );
  const found = await md5(file, archive, signal, log);
  if (found === archive.md5) return file;
  await Deno.remove(file);
  throw new DownloadError(
    `${url}: the MD5 checksum is ${found}, not ${archive.md5} as published; ` +
      "what came was deleted: try again, or another address with --url",
  );
}

async function checkGiven(
  archive: Archive,
  path: string,
  { signal, log }: ObtainOptions,
): Promise<void> {
  const remedy = `the published one is at ${archive.url}`;
  const { size } = await Deno.stat(path);
  if (size !== archive.bytes) {
    throw new UsageError(
      `${path} has ${size} bytes, not the ${archive.bytes} of the published archive of ` +
        `${archive.name}: it is cut short or another; ${remedy}`,
    );
  }
  const found = await md5(path, archive, signal, log);
  if (found !== archive.md5) {
    throw new UsageError(
      `${path} has the MD5 checksum ${found}, not ${archive.md5} of the published archive of ` +
        `${archive.name}: it is damaged or another; ${remedy}`,
    );
  }
}

async function md5(
  path: string,
  { bytes }: Archive,
  signal: AbortSignal | undefined,
  log: ObtainOptions["log"],
): Promise<string> {
  log?.("Comparing the checksum");
  const hash = createHash("md5");
  await withProgress(bytes, async (onProgress) => {
    let done = 0;
    for await (const chunk of (await Deno.open(path)).readable) {
      signal?.throwIfAborted();
      hash.update(chunk);
      onProgress(done += chunk.length);
    }
  });
  return hash.digest("hex");
}

/** Shows the progress of work on so many bytes. */
async function withProgress(
  bytes: number,
  work: (
    onProgress: (done: number) => void,
    progress: WorkProgress,
  ) => Promise<void>,
): Promise<void> {
  const progress = new WorkProgress(bytes, formatBytes);
  try {
    await work((done) => progress.show(done), progress);
  } finally {
    progress.clear();
  }
}

async function exists(path: string): Promise<boolean> {
  try {
    await Deno.stat(path);
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

async function removeAll(...paths: string[]): Promise<void> {
  for (const path of paths) {
    if (await exists(path)) await Deno.remove(path, { recursive: true });
  }
}
