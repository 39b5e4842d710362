import type {
  Arguments,
  FromWorker,
  RequestName,
  Result,
  ToWorker,
  WorkerEvent,
} from "./protocol.ts";

/** The page's end of the worker. */
export class Client {
  readonly #worker = new Worker("worker.js", { type: "module", name: "dvn" });
  readonly #waiting = new Map<number, PromiseWithResolvers<unknown>>();
  #next = 0;

  /** @param onEvent Told what the worker says unasked. */
  constructor(onEvent: (event: WorkerEvent) => void) {
    this.#worker.addEventListener("message", ({ data }: MessageEvent<FromWorker>) => {
      if ("event" in data) return onEvent(data.event);
      const waiting = this.#waiting.get(data.id);
      this.#waiting.delete(data.id);
      if ("error" in data) {
        waiting?.reject(Object.assign(new Error(data.error.message), { name: data.error.name }));
      } else waiting?.resolve(data.result);
    });
    this.#worker.addEventListener("error", (event) => {
      const error = new Error(`the worker failed: ${event.message || "it could not be loaded"}`);
      for (const { reject } of this.#waiting.values()) reject(error);
      this.#waiting.clear();
    });
  }

  ask<Name extends RequestName>(
    name: Name,
    ...[args]: Arguments<Name> extends undefined ? [] : [Arguments<Name>]
  ): Promise<Result<Name>> {
    const waiting = Promise.withResolvers<unknown>();
    const id = this.#next++;
    this.#waiting.set(id, waiting);
    this.#worker.postMessage({ id, name, args } satisfies ToWorker);
    return waiting.promise as Promise<Result<Name>>;
  }
}
