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
  /** Levels, from 1 and increasing, at which the task has a network. Default: all. */
  levels?: number[];
  /**
   * Widths of fully connected layers between the pooled features and the head, each L2-normalised,
   * scaled and rectified (Wang, Ramanan and Hebert, CVPR 2017). Default: none.
   */
  hidden?: number[];
}

/** How tasks that arrive one after another are learnt; the images of earlier ones are gone. */
export interface SequentialSpec {
  /**
   * Levels of the first task in the first stage: "full", all of them, on all units; "grow", those whose
   * units belong to tasks that have arrived, unit i to task i, so that later stages add units. The paper
   * says neither.
   */
  firstStage: "full" | "grow";
  /** Softens both answers in eq. (6). LwF has 2; the paper gives none. */
  temperature: number;
  /** Which level of the frozen old network teaches a level of the new one: the old one's highest, or the same. */
  teacherLevel: "top" | "same";
  /** Stem and batch norm of a new task begin as copies of the task's before, or fresh. */
  newTask: "copy" | "fresh";
  /** Epochs in which LwF first trains the new head alone. */
  warmupEpochs: number;
}

/**
 * A whole experiment as plain data. Each choice that the paper leaves open is a named field and is
 * written into the results.
 */
export interface Scenario {
  /** For files and results. */
  name: string;
  /** One line, for people. */
  description?: string;
  /** Seeds the initialisation, the order of the images and the augmentation. */
  seed: number;
  /** The layers whose channels are cut into units. */
  backbone: BackboneSpec;
  /** What comes before them, and belongs to no unit. */
  stem: {
    /** Side of the square kernel: 1, 3 or 7. The paper's helper code has 7. */
    kernel: number;
    /** Output channels, shared by all units of the first stage. */
    channels: number;
    /** Side of the maps that enter stage 1; a task's stride is its image size over this. */
    outputSize: number;
    /** One for each task, or one for all tasks whose pictures have the same shape. The paper's wording allows both. */
    sharing: "task" | "size";
  };
  /** Number of units the channels are cut into. The paper has one a task. */
  units: number;
  /** "even", or for each unit its part of every layer's channels; the parts add up to 1. */
  unitShares: "even" | number[];
  /** Units active at each level, increasing; the last equals `units`. */
  levels: number[];
  /**
   * How each task's units join. "rule": the paper's (Sec. 3.2); "same": 1, 2, ... for all tasks;
   * "reversed": the rule's from last to first; "random": drawn from the seed. Or one order of unit IDs
   * (from 1) for each task.
   */
  orders: "rule" | "same" | "reversed" | "random" | number[][];
  /** In the order in which they choose their units. */
  tasks: TaskSpec[];
  /** Tasks are learnt one after another, in their order. Default: jointly. */
  sequential?: SequentialSpec;
  /**
   * Parts of the parameters that task 1, 2, ... has in the methods that nest the tasks (NestedNet, PackNet+);
   * increasing, the last 1. The paper gives them for each scenario. Default: 1/k, 2/k, ...
   */
  nestedDensities?: number[];
  /** Images of each task at most, of each class alike, held-out ones included; for whoever loads them. Default: all. */
  limit?: { train: number; test: number };
  /** Which networks share what. */
  batchNorm: {
    /** Scale and shift: one set for each (task, level), or one set that all share. */
    affine: "private" | "shared";
    /**
     * Running statistics: one set for each (task, level); one set that all share; or one for each,
     * measured anew over training images before each evaluation (US-Nets, arXiv 1903.05134).
     */
    statistics: "private" | "shared" | "recalibrated";
    /** Weight of the old value in the running statistics. */
    momentum: number;
    epsilon: number;
  };
  /** The optimiser and its schedule. */
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
    /** A step is one update by the sum of all tasks' losses, eq. (4), or one update for each task in turn. */
    mixing: "sum" | "alternate";
    /** Levels in an update: all, as in eq. (4); or lowest, highest and one drawn in between (US-Nets' sandwich rule). */
    levelSampling: "all" | "sandwich";
    /** What levels below the highest learn from: the labels, as in eq. (4), or the highest's answer (in-place distillation, US-Nets). */
    lowerLevels: "labels" | "top-level";
    /** Length of the linear warm-up: step s, from 0, is scaled by min(1, (s + 1) / warmupSteps). */
    warmupSteps: number;
    schedule:
      /** Multiplied by `factor` from each milestone on; milestones in epochs, fractions allowed. */
      | { kind: "step"; milestones: number[]; factor: number }
      /** Half a cosine, from 1 at the end of the warm-up to 0 at the end of the run. */
      | { kind: "cosine" };
    /**
     * How activations and their gradients are stored in training: in 32 bits, or in 16, which needs an
     * adapter with shader-f16 and scales the losses. Sums, weights and inference are 32-bit always.
     */
    activations: "f32" | "f16";
  };
  /** What is done to training images. */
  augmentation: {
    /** Zero pixels added on every side before a random crop back to size. */
    pad: number;
    /** Mirror left-right with probability 1/2. */
    flip: boolean;
  };
  /** "unit": bytes over the dataset's maximum. "mean-std": then each channel to mean 0, deviation 1 over the training images. */
  normalization: "unit" | "mean-std";
  /**
   * Which weights are tested and kept: the last epoch's; or those of the epoch that is best on a part
   * of each class's training images, held out (mean accuracy over all networks).
   */
  reportedEpoch: "last" | { validation: number };
}
