/** The queue holds as much as it may. */
export class QueueFullError extends Error {
  override name = "QueueFullError";
}

/** Does one thing after another, and lets only so many wait. */
export class WorkQueue {
  #length = 0;
  #last: Promise<unknown> = Promise.resolve();

  /** @param limit Of things that wait or are being done. */
  constructor(readonly limit: number) {}

  /** Things that wait or are being done. */
  get length(): number {
    return this.#length;
  }

  /**
   * Does something when all before it is done, whatever became of that.
   *
   * @throws {QueueFullError} At once, if the queue is full.
   */
  async run<T>(work: () => Promise<T>): Promise<T> {
    if (this.#length >= this.limit) throw new QueueFullError(`${this.limit} requests wait already`);
    this.#length++;
    const before = this.#last;
    const result = before.then(work).finally(() => this.#length--);
    this.#last = result.catch(() => {});
    return await result;
  }
}
