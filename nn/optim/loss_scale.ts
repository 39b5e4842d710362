import { f32Bits } from "../../shaders/kernel.ts";
import type { Gpu } from "../gpu/gpu.ts";
import type { Tape } from "../tape.ts";
import type { Tensor } from "../tensor.ts";

/** Where a run begins; PyTorch's. */
const INITIAL = 65536;

/** Words: the scale, clean updates in a row, whether this one overflows, updates skipped. */
const WORDS = 4;

/**
 * The factor of the losses that keeps the gradients of 16-bit activations within what 16 bits hold. It
 * lives on the GPU, which finds it by itself: no update waits for the CPU to look.
 */
export class LossScale {
  readonly #buffer: GPUBuffer;

  /** Begins at 65536. */
  constructor(readonly gpu: Gpu) {
    this.#buffer = gpu.buffer("loss scale", 4 * WORDS);
    this.write(Uint32Array.of(f32Bits(INITIAL), 0, 0, 0));
  }

  /** [4]: for the losses, and for what updates the weights. */
  tensor(tape: Tape): Tensor {
    return tape.bound("loss scale", [WORDS], this.#buffer);
  }

  /** All words, for {@linkcode LossScale.write}. */
  async read(): Promise<Uint32Array> {
    return new Uint32Array(await this.gpu.read(this.#buffer));
  }

  /** Sets what {@linkcode LossScale.read} gave. */
  write(words: Uint32Array<ArrayBuffer>): void {
    this.gpu.device.queue.writeBuffer(this.#buffer, 0, words);
  }

  /** Updates skipped so far, of what {@linkcode LossScale.read} gave. */
  static skipped(words: Uint32Array): number {
    return words[3]!;
  }

  /** Gives the memory back. */
  destroy(): void {
    this.gpu.free(this.#buffer);
  }
}
