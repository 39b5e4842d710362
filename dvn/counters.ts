import type { Gpu } from "../nn/gpu/gpu.ts";
import { COUNTER_LENGTH } from "../nn/ops/cross_entropy.ts";
import type { Tape } from "../nn/tape.ts";
import type { Tensor } from "../nn/tensor.ts";
import type { NetworkScore } from "./events.ts";

/** Bytes from one network's counters to the next: what a binding's offset must be a multiple of. */
const STRIDE = 256;

/** Losses and hits of some networks, summed up on the GPU so that no step need be read. */
export class Counters {
  readonly #buffer: GPUBuffer;

  /** @param networks Names whose scores these are. */
  constructor(
    readonly gpu: Gpu,
    readonly networks: readonly { task: string; level: number }[],
  ) {
    this.#buffer = gpu.buffer("counters", networks.length * STRIDE);
  }

  /** The counters of the index-th network, for a loss to add to. */
  tensor(tape: Tape, index: number): Tensor {
    return tape.bound(
      "counters",
      [COUNTER_LENGTH],
      this.#buffer,
      index * STRIDE,
    );
  }

  /** Sums since the last reset: for each network loss, hits and images. */
  async read(): Promise<Float32Array> {
    const all = new Float32Array(await this.gpu.read(this.#buffer));
    return Float32Array.from(
      { length: this.networks.length * COUNTER_LENGTH },
      (_, i) =>
        all[
          Math.floor(i / COUNTER_LENGTH) * (STRIDE / 4) + i % COUNTER_LENGTH
        ]!,
    );
  }

  /** Sets the sums: to zero, or to what {@linkcode Counters.read} gave. */
  write(sums?: Float32Array): void {
    const all = new Float32Array(this.networks.length * (STRIDE / 4));
    sums?.forEach((sum, i) => {
      all[Math.floor(i / COUNTER_LENGTH) * (STRIDE / 4) + i % COUNTER_LENGTH] = sum;
    });
    this.gpu.device.queue.writeBuffer(this.#buffer, 0, all);
  }

  /** Means, from what {@linkcode Counters.read} gave. */
  scores(sums: Float32Array): NetworkScore[] {
    return this.networks.map(({ task, level }, index) => {
      const [loss, hits, count] = sums.subarray(index * COUNTER_LENGTH);
      return {
        task,
        level,
        loss: loss! / count!,
        accuracy: hits! / count!,
        count: count!,
      };
    });
  }

  destroy(): void {
    this.gpu.free(this.#buffer);
  }
}
