/**
 * What a contender is, and how it is served to another process.
 *
 * A contender lives in a process of its own: {@linkcode serve} answers the requests that
 * `remote.ts` sends there, one JSON value each.
 *
 * @module
 */
import type { Work } from "./workloads.ts";

/** Who does the work, and on what. */
export interface About {
  contender: string;
  version: string;
  /** As the adapter names itself. */
  adapter: string;
  /** The adapter is a processor. */
  software: boolean;
}

/** What a job tells of itself besides its time. */
export interface Facts {
  /** Compiled by the process so far. */
  pipelines?: number;
  /** Device memory held by the process. */
  bytesHeld?: number;
  /** Weights, gradients and momentum, and what a step of the largest network must keep at least. */
  bytesNeeded?: number;
  /** Memory of the process itself. */
  residentBytes?: number;
  dispatches?: number;
  /** CPU time to submit a run, in microseconds for each dispatch. */
  cpuPerDispatch?: number;
  kernels?: {
    kernel: string;
    dispatches: number;
    milliseconds: number;
    /** Of all that the dispatches have bound. */
    bytes: number;
  }[];
  /** GPU time of a whole step: its kernels, copies into textures, and gaps. */
  stepMilliseconds?: number;
}

/** Work that is ready to be done. */
export interface Job {
  /** Asks for the work once more. */
  run(): void | Promise<void>;
  /** Resolves when all that was asked for is done. */
  settle(): Promise<void>;
  /** Root mean square of what a run makes, the same for all contenders; asked after one. */
  check?(): Promise<number>;
  /** Does one more training step and gives its loss. */
  loss?(): Promise<number>;
  facts?(): Promise<Facts>;
  release(): void;
}

export interface Contender {
  readonly about: About;
  /** @returns undefined if this contender has no such op. */
  prepare(work: Work): Promise<Job | undefined>;
}

/** What goes over the pipe. Jobs are known by the number that `prepare` was sent with. */
export type Request =
  | { method: "about" }
  | { method: "prepare"; job: number; work: Work }
  | { method: "run"; job: number; times: number }
  | { method: "check" | "loss" | "facts" | "release"; job: number };

/**
 * Makes a function that answers requests, one at a time.
 *
 * @param open Starts the contender, when it is first asked for something.
 * @returns Of "about", {@linkcode About}; of "prepare", whether there is such an op; of "run", milliseconds;
 *   of the rest what the job's method gives, null where it has none.
 */
export function serve(open: () => Promise<Contender>): (request: Request) => Promise<unknown> {
  let contender: Promise<Contender> | undefined;
  const jobs = new Map<number, Job>();
  return async (request) => {
    const opened = await (contender ??= open());
    if (request.method === "about") return opened.about;
    if (request.method === "prepare") {
      const job = await opened.prepare(request.work);
      if (job) jobs.set(request.job, job);
      return job !== undefined;
    }
    const job = jobs.get(request.job);
    if (!job) throw new Error(`${opened.about.contender} has no job ${request.job}`);
    switch (request.method) {
      case "run": {
        const start = performance.now();
        for (let run = 0; run < request.times; run++) await job.run();
        await job.settle();
        return performance.now() - start;
      }
      case "release":
        jobs.delete(request.job);
        job.release();
        return null;
      default: {
        const value = await job[request.method]?.() ?? null;
        // JSON has no word for it.
        if (typeof value === "number" && !Number.isFinite(value)) {
          throw new Error(`its ${request.method} is ${value}`);
        }
        return value;
      }
    }
  };
}
