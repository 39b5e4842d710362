import type { Plan } from "../nn/gpu/plan.ts";
import { crossEntropy, IGNORE_LABEL } from "../nn/ops/cross_entropy.ts";
import { Tape } from "../nn/tape.ts";
import type { Tensor } from "../nn/tensor.ts";
import { identityMatrices } from "./augmentation.ts";
import { recordImages, recordInput } from "./batch_input.ts";
import { Counters } from "./counters.ts";
import type { ImageSet } from "./data.ts";
import type { NetworkScore } from "./events.ts";
import type { DeepVirtualNetwork } from "./network.ts";

/** Scores some levels of a task on images, in inference mode. */
export class Evaluator {
  private constructor(
    readonly net: DeepVirtualNetwork,
    readonly task: number,
    readonly batch: number,
    readonly plan: Plan,
    readonly bytes: Tensor,
    readonly labels: Tensor,
    readonly counters: Counters,
  ) {}

  /** @param task Index from 0. @param levels From 1. @param batch Images at a time. */
  static async create(
    net: DeepVirtualNetwork,
    task: number,
    levels: readonly number[],
    batch: number,
  ): Promise<Evaluator> {
    const info = net.tasks[task]!;
    const tape = new Tape(net.gpu);
    const input = recordInput(tape, info, batch);
    const labels = tape.input(`${info.name} labels`, [batch]);
    const counters = new Counters(net.gpu, levels.map((level) => ({ task: info.name, level })));
    try {
      const stem = net.stem(tape, task, recordImages(tape, input, info), "inference");
      levels.forEach((level, index) => {
        const logits = net.forward(tape, task, level, stem, "inference");
        crossEntropy(tape, logits, labels, { counters: counters.tensor(tape, index) });
      });
      const plan = await tape.compile(`evaluate ${info.name}`);
      identityMatrices(plan.input(input.matrices, Float32Array));
      return new Evaluator(net, task, batch, plan, input.bytes, labels, counters);
    } catch (error) {
      counters.destroy();
      throw error;
    }
  }

  /** One score a level over the whole set. */
  async run(images: ImageSet): Promise<NetworkScore[]> {
    const { plan, batch, counters } = this;
    const bytes = plan.input(this.bytes, Uint8Array);
    const labels = plan.input(this.labels, Uint32Array);
    const { height, width, channels } = this.net.tasks[this.task]!;
    const length = height * width * channels;
    counters.write();
    for (let first = 0; first < images.length; first += batch) {
      const count = Math.min(batch, images.length - first);
      const indices = Uint32Array.from({ length: count }, (_, i) => first + i);
      labels.fill(IGNORE_LABEL);
      images.read(indices, bytes.subarray(0, count * length), labels.subarray(0, count));
      plan.run();
    }
    return counters.scores(await counters.read());
  }

  destroy(): void {
    this.plan.destroy();
    this.counters.destroy();
  }
}
