import type { Plan } from "../nn/gpu/plan.ts";
import { Tape } from "../nn/tape.ts";
import type { Tensor } from "../nn/tensor.ts";
import { identityMatrices } from "./augmentation.ts";
import { type BatchInput, recordImages, recordInput } from "./batch_input.ts";
import type { ImageSet } from "./data.ts";
import { ImageOrder } from "./image_order.ts";
import type { DeepVirtualNetwork } from "./network.ts";

/** Training images that statistics are measured on. */
const IMAGES = 2048;

/**
 * Measures the batch-norm statistics of some levels of a task anew: the average over batches of
 * training images, each weighing the same, with the weights as they are.
 * Source: Yu and Huang, US-Nets, arXiv 1903.05134, Sec. 3.4.
 */
export class Recalibration {
  private constructor(
    readonly net: DeepVirtualNetwork,
    readonly shown: number,
    readonly plan: Plan,
    readonly input: BatchInput,
    readonly average: Tensor,
    readonly labels: Uint32Array,
  ) {}

  /**
   * @param task Index from 0. @param levels From 1.
   * @param shown Task whose images are shown, index from 0.
   */
  static async create(
    net: DeepVirtualNetwork,
    task: number,
    levels: readonly number[],
    shown: number,
  ): Promise<Recalibration> {
    const batch = net.scenario.training.batchSize;
    const info = net.tasks[task]!;
    const tape = new Tape(net.gpu);
    const input = recordInput(tape, net.tasks[shown]!, batch);
    const average = tape.input("weight of the batches before", [1]);
    tape.withoutGradient(() => {
      const stem = net.stem(tape, task, recordImages(tape, input, info), { average });
      for (const level of levels) net.features(tape, task, level, stem, { average });
    });
    const plan = await tape.compile(`recalibrate ${info.name}`);
    identityMatrices(plan.input(input.matrices, Float32Array));
    return new Recalibration(net, shown, plan, input, average, new Uint32Array(batch));
  }

  /** @param images Training images of the task that is shown. */
  run(images: ImageSet): void {
    const { plan, labels, net } = this;
    const { name, height, width, channels } = net.tasks[this.shown]!;
    const batch = labels.length;
    const order = new ImageOrder(images.length, net.scenario.seed, `recalibrate ${name}`);
    const batches = Math.ceil(Math.min(IMAGES, images.length) / batch);
    for (let done = 0; done < batches; done++) {
      const bytes = plan.input(this.input.bytes, Uint8Array);
      images.read(
        order.indices(done, batch),
        bytes.subarray(0, batch * height * width * channels),
        labels,
      );
      plan.input(this.average, Float32Array)[0] = done / (done + 1);
      plan.run();
    }
  }

  destroy(): void {
    this.plan.destroy();
  }
}
