import { Gpu } from "../nn/gpu/gpu.ts";
import {
  decodeSafeTensorsHeader,
  HEADER_START,
  type SafeTensorsHeader,
  safeTensorsHeaderEnd,
} from "../nn/safetensors.ts";
import { taskLevels } from "./hierarchy.ts";
import { DeepVirtualNetwork } from "./network.ts";
import type { Part } from "./parameters.ts";
import { type FetchOptions, StreamingFile } from "./streaming_file.ts";
import type { VirtualNetwork } from "./virtual_network.ts";

/** How {@linkcode openStreaming} fetches a network, and how much of it. */
export interface StreamingOptions extends Omit<FetchOptions, "onBytes"> {
  /** Where the network runs. Default: one is opened, and goes with `destroy()`. */
  gpu?: Gpu;
  /** The highest level to fetch; default: the task's highest. */
  level?: number;
  /** Or in its place a budget in bytes of parameters: the highest level that fits. */
  budget?: number;
  /** Requests under way at once (6, which browsers allow). */
  parallel?: number;
  /** Told of each piece that arrives and of each level reached. */
  onProgress?: (progress: StreamingProgress) => void;
}

/** How far the download is. */
export interface StreamingProgress {
  /** The level that answers; 0 before the first. */
  level: number;
  /** Bytes that arrived, the file's header and those of retries included. */
  bytesLoaded: number;
  /** Bytes that the highest level to be fetched takes, the header and all levels below it included. */
  bytesTotal: number;
  /** Sent so far, retries included. */
  requests: number;
  /** Since {@linkcode openStreaming} was called. */
  milliseconds: number;
}

/** Bytes `[start, end)` of the file, and what of them goes where. */
interface Range {
  start: number;
  end: number;
  parts: (Part & { at: number })[];
}

/**
 * Opens a run's weights file, an ordinary `model.safetensors`, on a web server, and fetches one task's
 * network level by level: the header, then what level 1 reads and not a byte more, then what each
 * higher level reads beyond that. It answers as soon as level 1 is there and gets better in place.
 *
 * ```ts
 * const network = await openStreaming("https://example.org/runs/digits-seed1/model.safetensors", "digits");
 * const first = await network.predict(image); // waits for level 1
 * for await (const { level, bytesLoaded } of network.upgrades()) console.log(level, bytesLoaded);
 * const best = await network.predict(image);
 * network.destroy();
 * ```
 *
 * The server should support range requests; from one that does not, the whole file is fetched first.
 *
 * @param url Of the file; in a browser it may be relative.
 * @param task Its name; may be left out where the run has one.
 * @returns Once the header is read; the rest arrives in the background.
 * @throws {StreamingError} If the file cannot be fetched; `problem` says why.
 * @throws {SafeTensorsError} If it is not a safetensors file.
 * @throws {RangeError} If it is not a deep virtual network's, or has no such task or level.
 * @throws {GpuError} If there is no adapter, or no memory.
 */
export async function openStreaming(
  url: string | URL,
  task?: string,
  options: StreamingOptions = {},
): Promise<StreamingNetwork> {
  return await StreamingNetwork.open(url, task, options);
}

/** One task's network that arrives from a web server, level by level: see {@linkcode openStreaming}. */
export class StreamingNetwork {
  /** The task's levels that are fetched, ascending. */
  readonly levels: readonly number[];
  /** What each level takes that those below it have not brought. */
  readonly #ranges: ReadonlyMap<number, Range[]>;
  /** Bytes that must have arrived before each level answers. */
  readonly #needed: ReadonlyMap<number, number>;
  readonly #ready: ReadonlyMap<number, PromiseWithResolvers<StreamingProgress>>;
  #level = 0;
  /** That it was destroyed, once it was. */
  #gone: DOMException | undefined;

  private constructor(
    /** The network that is filled; only what has arrived may be used. */
    readonly net: DeepVirtualNetwork,
    /** The task's name. */
    readonly task: string,
    top: number,
    header: { layout: SafeTensorsHeader; bytes: number },
    private readonly file: StreamingFile,
    private readonly options: StreamingOptions,
    private readonly stop: AbortController,
    private readonly started: number,
  ) {
    const index = net.taskNames.indexOf(task);
    this.levels = taskLevels(net.scenario, index).filter((level) => level <= top);
    const have = new Set<string>();
    this.#ranges = new Map(this.levels.map((level) => {
      const missing = net.parts(index, level).filter(({ name, start }) => {
        const key = `${name} ${start}`;
        return !have.has(key) && have.add(key);
      });
      return [level, joinParts(missing, header.layout)];
    }));
    let needed = header.bytes;
    this.#needed = new Map(this.levels.map((level) => {
      for (const { start, end } of this.#ranges.get(level)!) needed += end - start;
      return [level, needed];
    }));
    this.#ready = new Map(this.levels.map((level) => {
      const ready = Promise.withResolvers<StreamingProgress>();
      ready.promise.catch(() => {}); // told to whoever asks
      return [level, ready];
    }));
  }

  /** Use {@linkcode openStreaming}. */
  static async open(
    url: string | URL,
    task: string | undefined,
    options: StreamingOptions,
  ): Promise<StreamingNetwork> {
    const started = performance.now();
    const { href } = new URL(url, globalThis.location?.href);
    const stop = new AbortController();
    const signal = options.signal ? AbortSignal.any([options.signal, stop.signal]) : stop.signal;
    const opening = options.gpu ? undefined : Gpu.open();
    opening?.catch(() => {}); // thrown below, once the file is known to be right
    let net: DeepVirtualNetwork | undefined;
    try {
      let tell = () => {};
      const file = await StreamingFile.open(href, { ...options, signal, onBytes: () => tell() });
      const bytes = await readHeader(file);
      const layout = decodeSafeTensorsHeader(bytes, file.size);
      net = await DeepVirtualNetwork.empty(options.gpu ?? await opening!, layout);
      const name = task ?? onlyTask(net.taskNames);
      const { level: top } = net.virtual(
        name,
        options.level !== undefined
          ? { level: options.level }
          : { budget: options.budget ?? Infinity },
      );
      const header = { layout, bytes: bytes.length };
      const streaming = new StreamingNetwork(net, name, top, header, file, options, stop, started);
      tell = () => streaming.#tell();
      tell();
      streaming.#load(signal);
      return streaming;
    } catch (error) {
      stop.abort();
      net?.destroy();
      opening?.then((gpu) => gpu.destroy(), () => {});
      throw error;
    }
  }

  /** The level that answers now; 0 before the first. */
  get level(): number {
    return this.#level;
  }

  /** Bytes that arrived so far, the file's header and those of retries included. */
  get bytesLoaded(): number {
    return this.file.bytesLoaded;
  }

  /** Requests made so far. */
  get requests(): number {
    return this.file.requests;
  }

  /**
   * Bytes that must have arrived before a level answers: the file's header, and what the level and those
   * below it read.
   *
   * @param level Default: the highest that is fetched.
   * @throws {RangeError} If it is not fetched.
   */
  bytesNeeded(level: number = this.levels.at(-1)!): number {
    this.#check(level);
    return this.#needed.get(level)!;
  }

  /** The task's class names. */
  get classes(): readonly string[] {
    return this.virtual(this.levels[0]!).classes;
  }

  /**
   * The network of a level: its cost, the size of its pictures. Do not let it classify before
   * {@linkcode StreamingNetwork.ready} says that it may.
   *
   * @throws {RangeError} If it is not fetched.
   */
  virtual(level: number): VirtualNetwork {
    this.#check(level);
    return this.net.virtual(this.task, { level });
  }

  /**
   * Waits for a level.
   *
   * @param level Default: the lowest.
   * @returns How far the download was when the level could answer.
   * @throws What ended the download before, such as a {@linkcode StreamingError}, or the signal's reason.
   */
  ready(level: number = this.levels[0]!): Promise<StreamingProgress> {
    this.#check(level);
    return this.#ready.get(level)!.promise;
  }

  /** Gives each level once it can answer, those that already can at once. Throws as `ready()`. */
  async *upgrades(): AsyncGenerator<StreamingProgress, void, void> {
    for (const level of this.levels) yield await this.ready(level);
  }

  /**
   * Classifies images with the highest level that is here; waits for the first. If the download ended
   * early, the level reached goes on to answer.
   *
   * @param images [count, height, width, channels] bytes.
   * @returns Softmax probabilities, [count, classes], and the level that gave them.
   * @throws {RangeError} If the bytes are not a whole number of pictures. Without any level as `ready()`.
   */
  async predict(images: Uint8Array): Promise<{ level: number; probabilities: Float32Array }> {
    if (this.#gone) throw this.#gone;
    if (this.#level === 0) await this.ready();
    const level = this.#level;
    return { level, probabilities: await this.virtual(level).predict(images) };
  }

  /** Ends the download and frees all GPU memory; a device that was opened for it goes too. */
  destroy(): void {
    if (this.#gone) return;
    this.#gone = new DOMException("the streaming network was destroyed", "AbortError");
    this.stop.abort(this.#gone);
    this.net.destroy();
    if (!this.options.gpu) this.net.gpu.destroy();
  }

  #check(level: number): void {
    if (this.levels.includes(level)) return;
    throw new RangeError(
      `level must be one of those that are fetched, ${this.levels.join(", ")}; got ${level}`,
    );
  }

  #progress(): StreamingProgress {
    return {
      level: this.#level,
      bytesLoaded: this.bytesLoaded,
      bytesTotal: this.bytesNeeded(),
      requests: this.requests,
      milliseconds: performance.now() - this.started,
    };
  }

  #tell(): void {
    this.options.onProgress?.(this.#progress());
  }

  async #load(signal: AbortSignal): Promise<void> {
    try {
      for (const level of this.levels) {
        await Promise.all([
          this.#fetchLevel(level, signal),
          this.virtual(level).prepare(),
        ]);
        signal.throwIfAborted();
        this.#level = level;
        this.#ready.get(level)!.resolve(this.#progress());
        this.#tell();
      }
    } catch (error) {
      const cause = signal.aborted ? signal.reason : error;
      this.stop.abort(cause); // requests that are under way still, which may stall and be made again
      for (const { reject } of this.#ready.values()) reject(cause);
    }
  }

  /** A few requests at once; none for the next level before this one is here. */
  async #fetchLevel(level: number, signal: AbortSignal): Promise<void> {
    const waiting = [...this.#ranges.get(level)!];
    const work = async () => {
      for (let range = waiting.shift(); range; range = waiting.shift()) {
        const bytes = await this.file.read(range.start, range.end);
        signal.throwIfAborted();
        for (const { name, start, length, at } of range.parts) {
          this.net.store.writePart(name, start, new Float32Array(bytes.buffer, at, length));
        }
      }
    };
    const { parallel = 6 } = this.options;
    await Promise.all(Array.from({ length: Math.max(1, parallel) }, work));
  }
}

/** The file up to where its tensors' bytes begin. */
async function readHeader(file: StreamingFile): Promise<Uint8Array> {
  const first = await file.read(0, Math.min(HEADER_START, file.size ?? HEADER_START));
  const header = new Uint8Array(safeTensorsHeaderEnd(first, file.size));
  header.set(first);
  header.set(await file.read(first.length, header.length), first.length);
  return header;
}

function onlyTask(names: readonly string[]): string {
  if (names.length === 1) return names[0]!;
  throw new RangeError(`openStreaming: say which task; there are ${names.join(", ")}`);
}

/** Where parts lie in the file; neighbours joined, so that they take one request. */
function joinParts(parts: readonly Part[], { tensors }: SafeTensorsHeader): Range[] {
  const ranges: Range[] = [];
  const places = parts.map((part) => {
    const start = tensors.get(part.name)!.start + 4 * part.start;
    return { part, start, end: start + 4 * part.length };
  }).sort((a, b) => a.start - b.start);
  for (const { part, start, end } of places) {
    let last = ranges.at(-1);
    if (last?.end !== start) ranges.push(last = { start, end: start, parts: [] });
    last.parts.push({ ...part, at: start - last.start });
    last.end = end;
  }
  return ranges;
}
