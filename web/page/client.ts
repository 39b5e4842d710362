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
  readonly #waiting = new Map<number, Pick<PromiseWithResolvers<unknown>, "resolve" | "reject">>();
  #next = 0;
  /** Why there is no worker any more. */
  #failure: Error | undefined;

  /**
   * @param onEvent Told what the worker says unasked.
   * @param onFailure Told once that the worker can go on with nothing.
   */
  constructor(onEvent: (event: WorkerEvent) => void, onFailure: (error: Error) => void) {
    this.#worker.addEventListener("message", ({ data }: MessageEvent<FromWorker>) => {
      if ("event" in data) return onEvent(data.event);
      const waiting = this.#waiting.get(data.id);
      this.#waiting.delete(data.id);
      if ("error" in data) {
        waiting?.reject(Object.assign(new Error(data.error.message), { name: data.error.name }));
      } else waiting?.resolve(data.result);
    });
    this.#worker.addEventListener("error", (event) => {
      event.preventDefault(); // it is told on the page
      if (this.#failure) return;
      const reason = event.message || "it could not be loaded";
      const error = this.#failure = new Error(`the page's worker failed: ${reason}`);
      this.#worker.terminate(); // what it holds cannot be relied on
      for (const { reject } of this.#waiting.values()) reject(error);
      this.#waiting.clear();
      onFailure(error);
    });
  }

  ask<Name extends RequestName>(
    name: Name,
    ...[args]: Arguments<Name> extends undefined ? [] : [Arguments<Name>]
  ): Promise<Result<Name>> {
    if (this.#failure) return Promise.reject(this.#failure);
    const id = this.#next++;
    // No `Promise.withResolvers()`: browsers too old for it should open the page, which says so.
    return new Promise<unknown>((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject });
      this.#worker.postMessage({ id, name, args } satisfies ToWorker);
    }) as Promise<Result<Name>>;
  }
}
