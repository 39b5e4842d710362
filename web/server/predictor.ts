import { HttpError } from "./http_error.ts";
import type { Job, Outcome } from "./predict_worker.ts";
import { QueueFullError, WorkQueue } from "./work_queue.ts";

/** Probabilities of the task's classes, and how long the network took. */
export interface Prediction {
  probabilities: Float32Array;
  milliseconds: number;
}

/** What classifies pictures. */
export interface Predictor {
  /** @throws {HttpError} 503 if it cannot now. */
  predict(job: Job): Promise<Prediction>;
  close(): void;
}

/** How a {@linkcode GpuPredictor} works. */
export interface GpuPredictorOptions {
  /** Finds an adapter, before the first picture. */
  prepareAdapter: () => Promise<unknown>;
  /** Pictures that may wait at once, that under way included. */
  queueLimit?: number;
  /**
   * Milliseconds that one picture may take, loading the network included, before the worker is given up
   * (300,000: a software adapter compiles a large network for minutes).
   */
  timeout?: number;
  /** The worker's module; another one in tests. */
  worker?: URL;
  /** Told what went wrong. */
  log?: (line: string) => void;
}

/**
 * Classifies pictures in a worker, one after another: waiting for the GPU blocks a thread, and whatever
 * happens to that one, the server goes on.
 */
export class GpuPredictor implements Predictor {
  readonly #queue: WorkQueue;
  readonly #log: (line: string) => void;
  #worker: Worker | undefined;
  #closed = false;
  #prepared: Promise<unknown> | undefined;

  constructor(readonly options: GpuPredictorOptions) {
    this.#queue = new WorkQueue(options.queueLimit ?? 64);
    this.#log = options.log ?? ((line) => console.error(line));
  }

  async predict(job: Job): Promise<Prediction> {
    try {
      return await this.#queue.run(async () => {
        await this.#prepare();
        const first = await this.#ask(job);
        // The device was lost before or during this picture: the next one has a new device.
        const outcome = first.kind === "lost" ? await this.#ask(job) : first;
        if (outcome.kind === "done") return outcome;
        throw new HttpError(503, outcome.code, outcome.message, { "retry-after": "5" });
      });
    } catch (error) {
      if (!(error instanceof QueueFullError)) throw error;
      throw new HttpError(503, "busy", `${error.message}; try again`, { "retry-after": "1" });
    }
  }

  /** Looks for an adapter; the next picture tries again where there was none. */
  async #prepare(): Promise<void> {
    this.#prepared ??= this.options.prepareAdapter();
    try {
      await this.#prepared;
    } catch (error) {
      this.#prepared = undefined;
      const { message } = error as Error;
      throw new HttpError(503, "no_adapter", message, { "retry-after": "60" });
    }
  }

  /** Gives the worker a job and waits for what becomes of it; a worker that is lost is replaced. */
  async #ask(job: Job): Promise<Outcome> {
    if (this.#closed) return { kind: "failed", code: "closing", message: "the server is closing" };
    const { worker: url = new URL("./predict_worker.ts", import.meta.url) } = this.options;
    const worker = this.#worker ??= new Worker(url, { type: "module" });
    const { promise, resolve } = Promise.withResolvers<Outcome>();
    const drop = (message: string) => {
      this.#log(`predict: ${message}; a new worker takes over`);
      worker.terminate();
      if (this.#worker === worker) this.#worker = undefined;
      resolve({ kind: "failed", code: "worker_failed", message });
    };
    const { timeout = 300_000 } = this.options;
    const timer = setTimeout(() => drop(`no answer within ${timeout / 1000} s`), timeout);
    worker.onmessage = ({ data }: MessageEvent<Outcome>) => resolve(data);
    worker.onerror = (event) => {
      event.preventDefault();
      drop(event.message);
    };
    this.#stop = () =>
      resolve({ kind: "failed", code: "closing", message: "the server is closing" });
    worker.postMessage(job);
    try {
      return await promise;
    } finally {
      clearTimeout(timer);
    }
  }

  #stop = () => {};

  close(): void {
    this.#closed = true;
    this.#worker?.terminate();
    this.#worker = undefined;
    this.#stop();
  }
}
