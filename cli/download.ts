/** Downloads that survive broken connections and interrupts. */
import { formatBytes } from "./format.ts";

/** What is wrong, for the user: one line that says how to go on. */
export class DownloadError extends Error {
  override name = "DownloadError";
}

/** The connection or the server failed in a way that may pass. */
class Interruption extends Error {}

export interface DownloadOptions {
  signal?: AbortSignal;
  /** Told the bytes in the file so far; fewer than before if the server made it start again. */
  onProgress?: (bytes: number) => void;
  /** Told why a connection is tried again. */
  log?: (line: string) => void;
  /** Tries in a row that bring nothing before it gives up. */
  tries?: number;
  /** Before the second try; doubles with each. */
  pauseMs?: number;
  /** A connection without a byte for this long is broken. */
  stallMs?: number;
}

/**
 * Fetches what is missing at the end of a file. What has been fetched stays in it, whatever happens.
 *
 * @param bytes Size of the whole.
 * @param path Of the file, which holds the beginning or does not exist.
 * @throws {DownloadError} If the server cannot be reached or has something else; the signal's reason
 *   if that is aborted.
 */
export async function download(
  url: string,
  bytes: number,
  path: string,
  {
    signal,
    onProgress,
    log,
    tries = 5,
    pauseMs = 1000,
    stallMs = 30_000,
  }: DownloadOptions = {},
): Promise<void> {
  using file = await Deno.open(path, { create: true, read: true, write: true });
  let had = (await file.stat()).size;
  let failures = 0;
  while (had !== bytes) {
    if (had > bytes) {
      await file.truncate(0); // it is no part of the whole
      had = 0;
    }
    try {
      await fetchRest(url, bytes, file, had, { signal, onProgress, stallMs });
    } catch (error) {
      if (!(error instanceof Interruption)) throw error;
      signal?.throwIfAborted();
      const has = (await file.stat()).size;
      failures = has > had ? 1 : failures + 1;
      if (failures >= tries) {
        throw new DownloadError(
          `${url}: ${error.message}; ${formatBytes(has)} of ${
            formatBytes(bytes)
          } are kept, and the same command goes on from there`,
        );
      }
      const pause = pauseMs * 2 ** (failures - 1);
      log?.(`${error.message}; trying again in ${Math.ceil(pause / 1000)} s`);
      await sleep(pause, signal);
    }
    had = (await file.stat()).size;
  }
}

/** In which nothing comes, one after another, until a connection is broken. */
const STALL_TICKS = 10;

/** One connection: from `had` on, or, if the server cannot, from the start. */
async function fetchRest(
  url: string,
  bytes: number,
  file: Deno.FsFile,
  had: number,
  { signal, onProgress, stallMs }: {
    signal: AbortSignal | undefined;
    onProgress: DownloadOptions["onProgress"];
    stallMs: number;
  },
): Promise<void> {
  const stalled = new AbortController();
  // In ticks: however long this thread is kept from running, that is one, and what has come
  // meanwhile is handled before the next.
  let ticks = 0;
  const timer = setInterval(() => {
    if (++ticks < STALL_TICKS) return;
    stalled.abort(new Error(`nothing came for ${stallMs / 1000} s`));
  }, stallMs / STALL_TICKS);
  let body: ReadableStreamDefaultReader<Uint8Array> | undefined;
  try {
    const response = await passing(fetch(url, {
      headers: {
        "accept-encoding": "identity", // the file as it is: its size and checksum are known
        ...had > 0 ? { range: `bytes=${had}-` } : {},
      },
      signal: AbortSignal.any(
        signal ? [signal, stalled.signal] : [stalled.signal],
      ),
    }));
    body = response.body?.getReader();
    const start = startOf(response, url, bytes, had);
    if (start === undefined || !body) {
      await file.truncate(0);
      throw new Interruption("the server does not go on where the file ends");
    }
    if (start === 0) await file.truncate(0);
    await file.seek(start, Deno.SeekMode.Start);
    let done = start;
    onProgress?.(done);
    while (true) {
      const { value, done: ended } = await passing(body.read());
      if (ended) break;
      ticks = 0;
      if (done + value.length > bytes) throw wrongSize(url, bytes, "more");
      for (let written = 0; written < value.length;) {
        written += await file.write(value.subarray(written));
      }
      onProgress?.(done += value.length);
    }
    if (done < bytes) throw new Interruption("the connection broke");
  } finally {
    clearInterval(timer);
    await body?.cancel().catch(() => {}); // it may be broken
  }
}

/**
 * Where in the file the body of a response begins.
 *
 * @returns Undefined if it is not the part that was asked for.
 */
function startOf(
  response: Response,
  url: string,
  bytes: number,
  had: number,
): number | undefined {
  const { status, statusText, headers } = response;
  if (status === 416) return undefined;
  if (status === 408 || status === 429 || status >= 500) {
    throw new Interruption(`the server answers ${status} ${statusText}`);
  }
  if (status === 206) {
    const [, start, total] =
      /^bytes (\d+)-\d+\/(\d+|\*)$/.exec(headers.get("content-range") ?? "") ??
        [];
    if (Number(start) !== had) return undefined;
    if (total !== "*" && Number(total) !== bytes) {
      throw wrongSize(url, bytes, total!);
    }
    return had;
  }
  if (status !== 200) {
    throw new DownloadError(
      `${url}: the server answers ${status} ${statusText}; see whether the file has moved`,
    );
  }
  const length = headers.get("content-length");
  if (length !== null && Number(length) !== bytes) {
    throw wrongSize(url, bytes, length);
  }
  return 0;
}

function wrongSize(url: string, bytes: number, got: string): DownloadError {
  return new DownloadError(
    `${url}: the server offers ${got} bytes, not the ${bytes} of the file as it was published`,
  );
}

/** What goes wrong with a connection may pass. */
async function passing<T>(work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    const { message, cause } = error as Error;
    // fetch() hides the reason: "error sending request for url (...): client error (Connect): ..."
    const reason = cause instanceof Error ? cause.message : message;
    throw new Interruption(
      /reading a body/.test(reason)
        ? "the connection broke"
        : reason.split("\n")[0]!.replace(/^.*?client error \(\w+\): /, ""),
    );
  }
}

function sleep(ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const onAbort = () => {
      clearTimeout(timer);
      reject(signal!.reason);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener("abort", onAbort);
      resolve();
    }, ms);
    signal?.addEventListener("abort", onAbort, { once: true });
    if (signal?.aborted) onAbort();
  });
}
