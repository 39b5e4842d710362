import { Random } from "../nn/random.ts";

/** Which images each step trains on: pass after pass over the set, each in a new order, no image left out. */
export class ImageOrder {
  #pass = -1;
  /** Of the pass; drawn once for all its steps. */
  #order: Uint32Array = new Uint32Array();

  constructor(readonly length: number, readonly seed: number, readonly task: string) {}

  /** The same for the same step, whatever came before. */
  indices(step: number, batch: number): Uint32Array {
    const indices = new Uint32Array(batch);
    for (let i = 0; i < batch; i++) {
      const position = step * batch + i;
      const pass = Math.floor(position / this.length);
      if (pass !== this.#pass) {
        this.#pass = pass;
        this.#order = new Random(this.seed, this.task, "order", pass).permutation(this.length);
      }
      indices[i] = this.#order[position % this.length]!;
    }
    return indices;
  }
}
