import { Random } from "../../nn/random.ts";
import type { ImageSet, TaskData } from "../../dvn/data.ts";
import { parseScenario } from "../../dvn/parse_scenario.ts";
import type { Scenario } from "../../dvn/scenario.ts";

/** Two tasks, two uneven units, one block a stage: small enough to compile and train in seconds. */
export function tinyScenario(change: Partial<Scenario> = {}): Scenario {
  const scenario = parseScenario({
    name: "tiny",
    seed: 7,
    backbone: { kind: "custom", widths: [5, 6], blocks: 1 },
    stem: { kernel: 3, channels: 5, outputSize: 4 },
    tasks: [{ name: "a", dataset: "made" }, { name: "b", dataset: "made" }],
    training: { epochs: 2, batchSize: 4, learningRate: 0.05 },
    augmentation: { pad: 1, flip: true },
    normalization: "mean-std",
  });
  return { ...scenario, ...change };
}

class MadeImages implements ImageSet {
  constructor(readonly length: number, readonly seed: number, readonly pixels: number) {}

  /** The higher the class, the brighter: cropping and mirroring do not change that. */
  read(indices: Uint32Array, images: Uint8Array, labels: Uint32Array): void {
    indices.forEach((index, i) => {
      const random = new Random(this.seed, index);
      const label = index % 3;
      for (let pixel = 0; pixel < this.pixels; pixel++) {
        images[this.pixels * i + pixel] = random.below(64) + 80 * label;
      }
      labels[i] = label;
    });
  }
}

/** Made-up grey pictures of three classes, so many to train on and nine to test on. */
export function tinyTask(seed: number, { count = 14, side = 4 } = {}): TaskData {
  return {
    classes: ["dark", "medium", "bright"],
    ...{ height: side, width: side, channels: 1, maximum: 255 },
    train: new MadeImages(count, seed, side * side),
    test: new MadeImages(9, seed + 1, side * side),
  };
}

export const tinyData: Record<string, TaskData> = {
  a: tinyTask(1),
  b: tinyTask(3),
};
