/** Why a file cannot be streamed. */
export type StreamingProblem =
  /** No connection, or it broke, and retries did not help. */
  | "unreachable"
  /** The server refused: see `status`. */
  | "refused"
  /** Bodies ended early, and retries did not help. */
  | "truncated"
  /** The file is not the one it was at the first request. */
  | "changed";

/** A file could not be fetched; `problem` says what kind of failure it is. */
export class StreamingError extends Error {
  /** "StreamingError". */
  override name = "StreamingError";
  /** Of one file. @param message Follows the address. */
  constructor(
    /** What kind of failure it is. */
    readonly problem: StreamingProblem,
    /** The file's address. */
    readonly url: string,
    message: string,
    /** The answer's status, if there was one. */
    readonly status?: number,
  ) {
    super(`${url}: ${message}`);
  }
}

/** How a file is fetched. */
export interface FetchOptions {
  /** Instead of the global one; for headers of your own, for example. */
  fetch?: typeof fetch;
  /** Ends the download; what waits for it is refused with the signal's reason. */
  signal?: AbortSignal;
  /** Times that a request which failed in passing is made again (3). */
  retries?: number;
  /** Milliseconds before the first retry (300); each later one waits twice as long. */
  retryDelay?: number;
  /** Milliseconds without a byte after which a request has failed (30,000). */
  stallTimeout?: number;
  /**
   * Bytes to ask for first. By default 8, which tell how long the header is, so that not one byte too
   * many is fetched; 65536 saves a round trip where the header is shorter.
   */
  firstBytes?: number;
  /** Told of bytes that arrived. */
  onBytes?: (count: number) => void;
}

/** One try of a request. */
interface Attempt {
  /** Ends it. */
  signal: AbortSignal;
  /** Says that something came. */
  alive: () => void;
}

/** In which nothing comes, one after another, until a request has failed. */
const STALL_TICKS = 10;

/** Statuses that may be gone at the next try. */
const PASSING = new Set([408, 425, 429, 500, 502, 503, 504]);

/** A file on a web server, read part by part by range requests; whole, from a server that has none. */
export class StreamingFile {
  /** Bytes that arrived, those of retries included. */
  bytesLoaded = 0;
  /** Made so far. */
  requests = 0;
  /** Of the whole file; unknown where the server does not tell. */
  size: number | undefined;
  /** The file's beginning, as far as it is here. */
  #start: Uint8Array<ArrayBuffer> = new Uint8Array(0);
  #whole = false;
  /** ETag or date; null where the server tells neither. */
  #version: string | null = null;

  private constructor(readonly url: string, readonly options: FetchOptions) {}

  /** Makes the first request. @throws {StreamingError} If it fails. */
  static async open(url: string, options: FetchOptions = {}): Promise<StreamingFile> {
    const file = new StreamingFile(url, options);
    const asked = Math.max(1, options.firstBytes ?? 8);
    await file.#retrying(async (attempt) => {
      const response = await file.#request(attempt, 0, asked, true);
      file.#version = versionOf(response);
      file.#whole = response.status === 200;
      file.size = file.#whole ? undefined : totalOf(response);
      const chunks: Uint8Array[] = [];
      await file.#receive(attempt, response, (chunk) => chunks.push(chunk));
      file.#start = new Uint8Array(await new Blob(chunks as BlobPart[]).arrayBuffer());
      if (file.#whole) file.size = file.#start.length;
      const due = Math.min(asked, file.size ?? asked);
      if (file.#start.length < due) throw file.#short(file.#start.length, due);
    });
    return file;
  }

  /**
   * Bytes `[start, end)` of the file. What ends early or fails in passing is asked for again from where
   * it ended.
   *
   * @throws {StreamingError} If they cannot be had.
   */
  async read(start: number, end: number): Promise<Uint8Array<ArrayBuffer>> {
    const bytes = new Uint8Array(end - start);
    const here = this.#start.subarray(start, end);
    bytes.set(here);
    let done = here.length;
    if (done === bytes.length) return bytes;
    if (this.#whole) throw this.#short(this.#start.length, end);
    await this.#retrying(async (attempt) => {
      const response = await this.#request(attempt, start + done, end);
      await this.#receive(attempt, response, (chunk) => {
        if (done + chunk.length > bytes.length) {
          throw this.#error("refused", `sent more than bytes ${start} to ${end - 1}`, response);
        }
        bytes.set(chunk, done);
        done += chunk.length;
      });
      if (done < bytes.length) throw this.#short(start + done, end);
    });
    return bytes;
  }

  /** Asks for bytes `[start, end)` and checks that the answer is about them and about the same file. */
  async #request(
    { signal, alive }: Attempt,
    start: number,
    end: number,
    first = false,
  ): Promise<Response> {
    const { fetch = globalThis.fetch } = this.options;
    this.requests++;
    const response = await fetch(this.url, {
      headers: { range: `bytes=${start}-${end - 1}` },
      signal,
      // A browser's cache answers requests for one address one after another.
      cache: "no-store",
    }).catch((error) => {
      this.options.signal?.throwIfAborted();
      throw this.#error("unreachable", `cannot be reached: ${(error as Error).message}`);
    });
    alive();
    const problem = this.#problem(response, start, first);
    if (!problem) return response;
    await response.body?.cancel().catch(() => {});
    throw problem;
  }

  #problem(response: Response, start: number, first: boolean): StreamingError | undefined {
    const { status } = response;
    if (first && status === 200) return;
    const changed = this.#error("changed", "changed while it was fetched; begin again", response);
    if (status !== 206) {
      if (status === 200 || status === 416 && !first) return changed;
      const answer = `${status} ${response.statusText}`.trim();
      return this.#error("refused", `the server answered ${answer}`, response);
    }
    const [, from] = /^bytes (\d+)-/.exec(response.headers.get("content-range") ?? "") ?? [];
    if (from !== undefined && Number(from) !== start) {
      const message = `asked for bytes from ${start} on, got those from ${from} on`;
      return this.#error("refused", message, response);
    }
    if (first) return;
    const total = totalOf(response);
    const resized = total !== undefined && this.size !== undefined && total !== this.size;
    if (resized || versionOf(response) !== this.#version) return changed;
  }

  async #receive(
    { alive }: Attempt,
    response: Response,
    take: (chunk: Uint8Array) => void,
  ): Promise<void> {
    const { signal, onBytes } = this.options;
    const reader = response.body?.getReader();
    if (!reader) return;
    try {
      while (true) {
        const { done, value } = await reader.read().catch((error) => {
          signal?.throwIfAborted();
          throw this.#error("truncated", `broke off: ${(error as Error).message}`, response);
        });
        if (done) return;
        alive();
        this.bytesLoaded += value.length;
        onBytes?.(value.length);
        take(value);
      }
    } finally {
      await reader.cancel().catch(() => {});
    }
  }

  /** Does something again while it fails in passing. */
  async #retrying(work: (attempt: Attempt) => Promise<void>): Promise<void> {
    const { retries = 3, retryDelay = 300, stallTimeout = 30_000, signal } = this.options;
    for (let attempt = 0;; attempt++) {
      signal?.throwIfAborted();
      const stalled = new AbortController();
      // In ticks: however long this thread is kept from running, by compiling for example, that is
      // one, and what has come meanwhile is handled before the next.
      let ticks = 0;
      const timer = setInterval(() => {
        if (++ticks < STALL_TICKS) return;
        stalled.abort(new Error(`nothing came for ${stallTimeout / 1000} s`));
      }, stallTimeout / STALL_TICKS);
      const alive = () => {
        ticks = 0;
      };
      const either = AbortSignal.any(signal ? [signal, stalled.signal] : [stalled.signal]);
      try {
        return await work({ signal: either, alive });
      } catch (error) {
        if (!(error instanceof StreamingError)) throw error;
        const passing = error.problem === "unreachable" || error.problem === "truncated" ||
          error.problem === "refused" && PASSING.has(error.status ?? 0);
        if (!passing || attempt >= retries) throw error;
        await pause(retryDelay * 2 ** attempt, signal);
      } finally {
        clearInterval(timer);
      }
    }
  }

  #short(got: number, due: number): StreamingError {
    return this.#error("truncated", `ended at byte ${got}, before byte ${due}`);
  }

  #error(problem: StreamingProblem, message: string, response?: Response): StreamingError {
    return new StreamingError(problem, this.url, message, response?.status);
  }
}

function versionOf({ headers }: Response): string | null {
  return headers.get("etag") ?? headers.get("last-modified");
}

/** Size of the whole file, as a partial answer tells it. */
function totalOf({ headers }: Response): number | undefined {
  const [, total] = /\/(\d+)$/.exec(headers.get("content-range") ?? "") ?? [];
  return total === undefined ? undefined : Number(total);
}

/** Waits, unless the signal is or gets aborted. */
function pause(milliseconds: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const stop = () => {
      clearTimeout(timer);
      reject(signal!.reason);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener("abort", stop);
      resolve();
    }, milliseconds);
    signal?.addEventListener("abort", stop, { once: true });
    if (signal?.aborted) stop();
  });
}
