import { backboneStages } from "../backbone.ts";
import type { Scenario } from "../scenario.ts";

/** How a scenario is made smaller. */
interface Reduction {
  /** Channels, the stem's too, are divided by this. */
  narrower: number;
  /** Residual blocks of each stage. */
  blocks: number;
  epochs: number;
  /** Images of each task. */
  limit: { train: number; test: number };
  /** Images of each task in a step, and side of the maps that enter stage 1. Default: the scenario's. */
  batchSize?: number;
  outputSize?: number;
}

/** A size at which the paper's scenarios can be run. */
export type Scale = "paper" | "gpu-30min" | "cpu-30min" | "ci";

const REDUCTIONS: Record<Scale, Reduction | undefined> = {
  paper: undefined,
  /**
   * 0.6 (S1) to 2.4 (J3) times 10^15 multiply-accumulates of training, so half an hour or less at
   * 1.4 * 10^12 a second; 4.7 for S2, whose network is twice as wide, so about an hour. An estimate from
   * the counts, not a measurement.
   */
  "gpu-30min": {
    narrower: 2,
    blocks: 2,
    epochs: 20,
    limit: { train: 50_000, test: 10_000 },
  },
  /**
   * S1 with three methods and three seeds within about half an hour on two processor cores, for
   * pictures enough to learn from: the scale of what `bench/results` holds of a machine without a GPU.
   */
  "cpu-30min": {
    narrower: 4,
    blocks: 1,
    epochs: 10,
    limit: { train: 5000, test: 1000 },
    batchSize: 32,
    outputSize: 16,
  },
  /**
   * Seconds on two processor cores, half a minute for J2, J3 and S2: losses fall and answers beat
   * guessing, which `tests/paper` holds it to, and no more. Test images are many, as of 100 classes
   * only one in 50 is told right.
   */
  ci: {
    narrower: 4,
    blocks: 1,
    epochs: 2,
    limit: { train: 1000, test: 2000 },
    batchSize: 64,
    outputSize: 8,
  },
};

/** All of them. */
export const scaleNames: readonly Scale[] = Object.keys(REDUCTIONS) as Scale[];

/**
 * One of the paper's scenarios at a smaller size. Tasks, units, levels, losses and optimiser stay;
 * widths, depth, epochs (those that warm up a head, too), images and, on processors, batch and map size
 * shrink. The name tells: J1-ci.
 *
 * @param scale `paper` leaves all as it is.
 */
export function scaleScenario(scenario: Scenario, scale: Scale): Scenario {
  const reduction: Reduction | undefined = REDUCTIONS[scale];
  if (!reduction) return scenario;
  const { narrower, blocks, epochs, limit, batchSize, outputSize } = reduction;
  const { stem, training, ...rest } = scenarioWithEpochs(scenario, epochs);
  return {
    ...rest,
    name: `${scenario.name}-${scale}`,
    backbone: {
      kind: "custom",
      widths: backboneStages(scenario.backbone)
        .map(({ channels }) => channels / narrower),
      blocks,
    },
    stem: {
      ...stem,
      channels: stem.channels / narrower,
      outputSize: outputSize ?? stem.outputSize,
    },
    training: { ...training, batchSize: batchSize ?? training.batchSize },
    limit: { ...limit },
  };
}

/** The same scenario over fewer or more epochs; those that warm up a head follow, but at least one stays. */
export function scenarioWithEpochs(scenario: Scenario, epochs: number): Scenario {
  const { training, sequential } = scenario;
  const result = { ...scenario, training: withEpochs(training, epochs) };
  if (!sequential || sequential.warmupEpochs === 0) return result;
  const warmupEpochs = Math.round(sequential.warmupEpochs * epochs / training.epochs);
  return { ...result, sequential: { ...sequential, warmupEpochs: Math.max(1, warmupEpochs) } };
}

/** The same training over fewer or more epochs; milestones move in proportion. */
export function withEpochs(
  training: Scenario["training"],
  epochs: number,
): Scenario["training"] {
  const { schedule } = training;
  if (schedule.kind !== "step") return { ...training, epochs };
  const milestones = schedule.milestones
    .map((milestone) => milestone * epochs / training.epochs);
  return { ...training, epochs, schedule: { ...schedule, milestones } };
}

/** What a scale has changed, in one line; empty if nothing. */
export function describeScale(from: Scenario, to: Scenario): string {
  const before = sizes(from);
  return Object.entries(sizes(to))
    .filter(([what, size]) => before[what] !== size)
    .map(([what, size]) => `${what} ${before[what]} -> ${size}`)
    .join("; ");
}

/** All that a scale may change, but for the milestones, which follow the epochs. */
function sizes({ backbone, stem, training, sequential, limit }: Scenario) {
  const stages = backboneStages(backbone);
  const count = (part: "train" | "test") => `${limit?.[part] ?? "all"}`;
  const result: Record<string, string> = {
    widths: stages.map(({ channels }) => channels).join(","),
    "blocks a stage": `${stages[0]!.blocks}`,
    "stem channels": `${stem.channels}`,
    "map size": `${stem.outputSize}`,
    epochs: `${training.epochs}`,
    ...sequential ? { "warm-up epochs": `${sequential.warmupEpochs}` } : {},
    "batch size": `${training.batchSize}`,
    "training images a task": count("train"),
    "test images a task": count("test"),
  };
  return result;
}
