/** Widths and depth of the backbone. */
export type BackboneSpec =
  /** Wide residual network WRN-depth-widen: stages of 16, 32 and 64 times `widen` channels. */
  | { kind: "wrn"; depth: number; widen: number }
  /** The paper's ResNet-42: four stages of 64, 128, 256 and 512 channels. `depth` = 8 * blocks + 2. */
  | { kind: "resnet"; depth: number }
  /** Any other residual network of the same family. */
  | { kind: "custom"; widths: number[]; blocks: number };

/** One task of a scenario. */
export interface TaskSpec {
  /** Unique; names the task everywhere: in results, checkpoints and commands. */
  name: string;
  /** Name of the dataset the caller resolves, such as "digits" or "cifar-10". */
  dataset: string;
  /** Keep these classes only, relabelled 0, 1, ... in this order. Default: all. */
  classes?: number[];
}

/**
 * A whole experiment as plain data. Each choice that the paper leaves open is a named field and is
 * written into the results.
 */
export interface Scenario {
  name: string;
  description?: string;
  /** Seeds the initialisation, the order of the images and the augmentation. */
  seed: number;
  backbone: BackboneSpec;
  stem: {
    /** Side of the square kernel: 1, 3 or 7. The paper's helper code has 7. */
    kernel: number;
    /** Output channels, shared by all units of the first stage. */
    channels: number;
    /** Side of the maps that enter stage 1; a task's stride is its image size over this. */
    outputSize: number;
  };
  /** Number of units the channels are cut into. The paper has one a task. */
  units: number;
  /** Units active at each level, increasing; the last equals `units`. */
  levels: number[];
  /** "rule": the paper's (Sec. 3.2). Or one order of unit IDs (from 1) for each task. */
  orders: "rule" | number[][];
  tasks: TaskSpec[];
  /** Images of each task at most, of each class alike; for whoever loads them. Default: all. */
  limit?: { train: number; test: number };
  batchNorm: {
    /** Scale and shift: one set for each (task, level), or one set that all share. */
    affine: "private" | "shared";
    /** Running statistics: one set for each (task, level), or one set that all share. */
    statistics: "private" | "shared";
    /** Weight of the old value in the running statistics. */
    momentum: number;
    epsilon: number;
  };
  training: {
    epochs: number;
    /** Images of each task in a step. */
    batchSize: number;
    learningRate: number;
    /** Nesterov momentum. */
    momentum: number;
    weightDecay: number;
    /** Decay scales, shifts and biases too (the group's public code does). */
    decayAll: boolean;
    /** Length of the linear warm-up: step s, from 0, is scaled by min(1, (s + 1) / warmupSteps). */
    warmupSteps: number;
    schedule:
      /** Multiplied by `factor` from each milestone on; milestones in epochs, fractions allowed. */
      | { kind: "step"; milestones: number[]; factor: number }
      /** Half a cosine, from 1 at the end of the warm-up to 0 at the end of the run. */
      | { kind: "cosine" };
  };
  augmentation: {
    /** Zero pixels added on every side before a random crop back to size. */
    pad: number;
    /** Mirror left-right with probability 1/2. */
    flip: boolean;
  };
  /** "unit": bytes over the dataset's maximum. "mean-std": then each channel to mean 0, deviation 1 over the training images. */
  normalization: "unit" | "mean-std";
}
