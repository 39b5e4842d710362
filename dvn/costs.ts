import { batchNormLayers, convLayers, featureChannels, TAPS } from "./backbone.ts";
import type { TaskData } from "./data.ts";
import { taskHierarchy, taskLevels } from "./hierarchy.ts";
import type { Scenario } from "./scenario.ts";
import { scenarioPartition } from "./unit_partition.ts";

/** What one (task, level) costs. */
export interface NetworkCost {
  /** Its name. */
  task: string;
  /** From 1. */
  level: number;
  /** Active unit IDs, from 1, in the order they joined. */
  units: number[];
  /** Numbers of floats that are read. */
  parameters: {
    /** Convolution weights of the split layers: the paper's "memory". */
    trunk: number;
    stem: number;
    /** The fully connected layers: the task's hidden ones and the last, with biases and scales. */
    head: number;
    /** Scales and shifts, and the running means and variances that inference reads. */
    batchNorm: number;
    total: number;
  };
  /** 4 bytes for each of `parameters.total`. */
  bytes: number;
  /** Multiply-accumulates of convolutions and fully connected layers, for one image. */
  macs: number;
  /** `parameters.trunk` over that of the whole network. */
  density: number;
}

/**
 * What one level of a task reads and computes at inference.
 *
 * A weight counts when its input and its output unit are both active. The stem, its batch norm
 * included, counts at every level, also where tasks share it; head and other batch norms count for the
 * level's channels.
 * Source: Kim, Ahn, Torr and Oh, CVPR 2019, whose "memory" is `parameters.trunk`.
 *
 * @param task Index in `scenario.tasks`, from 0.
 * @param level From 1.
 * @param data The task's pictures, of which only the channels count, and its classes.
 * @throws {RangeError} If there is no such task, or it has no network at that level.
 */
export function networkCost(
  scenario: Scenario,
  task: number,
  level: number,
  data: Pick<TaskData, "channels" | "classes">,
): NetworkCost {
  const levels = taskLevels(scenario, task);
  const spec = scenario.tasks[task]!;
  if (!levels.includes(level)) {
    throw new RangeError(
      `networkCost: level must be one of task ${spec.name}'s, ${levels.join(", ")}; got ${level}`,
    );
  }
  const hierarchy = taskHierarchy(scenario, task);
  const active = hierarchy.activeUnits(level);
  const { backbone, stem } = scenario;
  const widthOf = activeWidth(scenario, active);
  const trunk = trunkCost(scenario, active);
  const stemWeights = stem.kernel ** 2 * data.channels * stem.channels;
  const head = headCost(
    widthOf(featureChannels(backbone)),
    spec.hidden ?? [],
    data.classes.length,
  );
  const batchNorm = sum(
    batchNormLayers(backbone, stem),
    ({ channels, split }) => {
      return 4 * (split ? widthOf(channels) : channels); // scale, shift, mean, variance
    },
  );
  const total = trunk.parameters + stemWeights + head.parameters + batchNorm;
  return {
    task: spec.name,
    level,
    units: hierarchy.unitsAt(level),
    parameters: {
      trunk: trunk.parameters,
      stem: stemWeights,
      head: head.parameters,
      batchNorm,
      total,
    },
    bytes: 4 * total,
    macs: stemWeights * stem.outputSize ** 2 + trunk.macs + head.macs,
    density: trunk.parameters /
      trunkCost(scenario, scenarioPartition(scenario).all).parameters,
  };
}

/**
 * Weights and, for one image, multiply-accumulates of the convolutions that units cut.
 *
 * @param active Units from 0, ascending.
 */
export function trunkCost(
  scenario: Pick<Scenario, "backbone" | "stem" | "units" | "unitShares">,
  active: readonly number[],
): { parameters: number; macs: number } {
  const widthOf = activeWidth(scenario, active);
  const layers = convLayers(scenario.backbone, scenario.stem).map((layer) => {
    const { inChannels, outChannels, inIsStem, outputSize } = layer;
    const weights = TAPS * (inIsStem ? inChannels : widthOf(inChannels)) *
      widthOf(outChannels);
    return { weights, macs: weights * outputSize ** 2 };
  });
  return {
    parameters: sum(layers, ({ weights }) => weights),
    macs: sum(layers, ({ macs }) => macs),
  };
}

/** Hidden layers, each of weights, biases and scales, then the layer that gives the logits. */
function headCost(
  features: number,
  hidden: readonly number[],
  classes: number,
): { parameters: number; macs: number } {
  const inputs = [features, ...hidden];
  const outputs = [...hidden, classes];
  const weights = sum(inputs, (width, i) => width * outputs[i]!);
  const biases = sum(outputs, (width) => width);
  const scales = sum(hidden, (width) => width);
  return { parameters: weights + biases + scales, macs: weights };
}

/** Channels that the active units have in a layer of so many. */
function activeWidth(
  scenario: Pick<Scenario, "units" | "unitShares">,
  active: readonly number[],
): (channels: number) => number {
  const partition = scenarioPartition(scenario);
  return (channels) => partition.channelsOf(channels, active).length;
}

function sum<T>(items: readonly T[], value: (item: T, index: number) => number): number {
  return items.reduce((total, item, i) => total + value(item, i), 0);
}
