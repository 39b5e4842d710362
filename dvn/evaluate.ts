import type { Plan } from "../nn/gpu/plan.ts";
import { crossEntropy, IGNORE_LABEL } from "../nn/ops/cross_entropy.ts";
import { Tape } from "../nn/tape.ts";
import type { Tensor } from "../nn/tensor.ts";
import { identityMatrices } from "./augmentation.ts";
import { recordInput } from "./batch_input.ts";
import { Counters } from "./counters.ts";
import type { ImageSet } from "./data.ts";
import type { NetworkScore } from "./events.ts";
import type { DeepVirtualNetwork } from "./network.ts";

/** Scores every level of a task on images, in inference mode. */
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

  /** @param task Index from 0. @param batch Images at a time. */
  static async create(
    net: DeepVirtualNetwork,
    task: number,
    batch: number,
  ): Promise<Evaluator> {
    const { gpu, scenario } = net;
    const { name } = net.tasks[task]!;
    const tape = new Tape(gpu);
    const input = recordInput(tape, net.tasks[task]!, batch);
    const labels = tape.input(`${name} labels`, [batch]);
    const networks = scenario.levels.map((_, index) => ({
      task: name,
      level: index + 1,
    }));
    const counters = new Counters(gpu, networks);
    const stem = net.stem(tape, task, input.images, false);
    networks.forEach(({ level }, index) => {
      const logits = net.forward(tape, task, level, stem, false);
      crossEntropy(tape, logits, labels, {
        counters: counters.tensor(tape, index),
      });
    });
    const plan = await tape.compile(`evaluate ${name}`);
    identityMatrices(plan.input(input.matrices, Float32Array));
    return new Evaluator(net, task, batch, plan, input.bytes, labels, counters);
  }

  /** One score a level over the whole set. */
  async run(images: ImageSet): Promise<NetworkScore[]> {
    const { plan, batch, counters } = this;
    const bytes = plan.input(this.bytes, Uint8Array);
    const labels = plan.input(this.labels, Uint32Array);
    const imageBytes = this.net.tasks[this.task]!;
    const length = imageBytes.height * imageBytes.width * imageBytes.channels;
    counters.write();
    for (let first = 0; first < images.length; first += batch) {
      const count = Math.min(batch, images.length - first);
      const indices = Uint32Array.from({ length: count }, (_, i) => first + i);
      labels.fill(IGNORE_LABEL);
      images.read(
        indices,
        bytes.subarray(0, count * length),
        labels.subarray(0, count),
      );
      plan.run();
    }
    return counters.scores(await counters.read());
  }

  destroy(): void {
    this.plan.destroy();
    this.counters.destroy();
  }
}
