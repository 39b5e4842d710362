import { constant, rows, xavier, zeros } from "../nn/init.ts";
import { pairLayout } from "../nn/ops/batch_norm.ts";
import { type BlockLayout, blockRange, type ParamStore } from "../nn/params.ts";
import { batchNormLayers, convLayers, featureChannels, TAPS } from "./backbone.ts";
import { type Hierarchy, taskLevels } from "./hierarchy.ts";
import type { Scenario } from "./scenario.ts";
import type { TaskInfo } from "./task_info.ts";
import { scenarioPartition } from "./unit_partition.ts";

/**
 * Declares all parameters and states of a deep virtual network. Their names are the checkpoint's:
 *
 * - `stem.<task>.conv.weight`, `stem.<task>.bn.affine` and `.running`: a task's own; or, if tasks with
 *   pictures of one shape share a stem, `stem.32x32x3...`, though the running statistics stay each
 *   task's own unless those are shared too;
 * - `stage1.block1.conv1.weight`: the trunk's, block-major, `[out unit][in unit][tap][c_in][c_out]`;
 * - `<task>.level<l>.stage1.block1.bn1.affine` and `.running`: a (task, level)'s own, [2, channels], or
 *   without the prefix if all share them, then `[unit][2][channels of the unit]`;
 * - `<task>.level<l>.hidden1.weight` [channels, width], `.bias` and `.scale` [width], for a task with
 *   hidden layers;
 * - `<task>.level<l>.head.weight` [channels, classes] and `.bias` [classes].
 *
 * An affine array holds scales, then shifts; a running one means, then variances.
 */
export function declareParameters(
  store: ParamStore,
  scenario: Scenario,
  tasks: readonly TaskInfo[],
  hierarchies: readonly Hierarchy[],
): void {
  const { backbone, stem, training, batchNorm } = scenario;
  const partition = scenarioPartition(scenario);
  // Scales, shifts and biases.
  const asTold = { decay: training.decayAll };

  for (const task of tasks) {
    const { weight, affine, running } = stemNames(scenario, task);
    if (!store.states.has(running)) store.state(running, [2, stem.channels], rows(0, 1));
    if (store.params.has(weight)) continue; // another task's too
    const { channels } = task;
    const taps = stem.kernel ** 2;
    store.param(
      weight,
      [taps, channels, stem.channels],
      xavier(taps * channels, taps * stem.channels),
      {
        decay: true,
        layout: { taps, inWidths: [channels], outWidths: [stem.channels] },
      },
    );
    store.param(affine, [2, stem.channels], rows(1, 0), asTold);
  }

  for (const layer of convLayers(backbone, stem)) {
    const { name, inChannels, outChannels, inIsStem } = layer;
    const inWidths = inIsStem ? [inChannels] : partition.widths(inChannels, name);
    const outWidths = partition.widths(outChannels, name);
    store.param(
      `${name}.weight`,
      [TAPS * inChannels * outChannels],
      xavier(TAPS * inChannels, TAPS * outChannels),
      { decay: true, layout: { taps: TAPS, inWidths, outWidths } },
    );
  }

  const splitNorms = batchNormLayers(backbone, stem).filter(({ split }) => split);
  for (const { name, channels } of splitNorms) {
    const layout = pairLayout(partition.widths(channels, name));
    const pairs = (first: number, second: number) => (values: Float32Array) => {
      let at = 0;
      for (const width of layout.outWidths) {
        values.fill(first, at, at + width);
        values.fill(second, at + width, at += 2 * width);
      }
    };
    if (batchNorm.affine === "shared") {
      store.param(`${name}.affine`, [2 * channels], pairs(1, 0), {
        ...asTold,
        layout,
      });
    }
    if (batchNorm.statistics === "shared") {
      store.state(`${name}.running`, [2 * channels], pairs(0, 1), layout);
    }
  }

  tasks.forEach(({ name: task, classes }, index) => {
    for (const level of taskLevels(scenario, index)) {
      const active = hierarchies[index]!.activeUnits(level);
      const prefix = `${task}.level${level}`;
      for (const { name, channels } of splitNorms) {
        const own = partition.channelsOf(channels, active, name).length;
        if (batchNorm.affine === "private") {
          store.param(`${prefix}.${name}.affine`, [2, own], rows(1, 0), asTold);
        }
        if (batchNorm.statistics !== "shared") {
          store.state(`${prefix}.${name}.running`, [2, own], rows(0, 1));
        }
      }
      let width = partition.channelsOf(featureChannels(backbone), active).length;
      const fullyConnected = (name: string, to: number) => {
        const weight = `${prefix}.${name}.weight`;
        store.param(weight, [width, to], xavier(width, to), { decay: true });
        store.param(`${prefix}.${name}.bias`, [to], zeros, asTold);
        width = to;
      };
      scenario.tasks[index]!.hidden?.forEach((to, i) => {
        const name = `hidden${i + 1}`;
        fullyConnected(name, to);
        // So that the normalised features begin with a mean square of 1.
        store.param(`${prefix}.${name}.scale`, [to], constant(Math.sqrt(to)), asTold);
      });
      fullyConnected("head", classes.length);
    }
  });
}

/** A range of a parameter or a state, in floats. */
export interface Part {
  /** Of the array. */
  name: string;
  /** Its first float. */
  start: number;
  /** In floats. */
  length: number;
}

/**
 * What one (task, level) reads at inference, of the arrays that {@linkcode declareParameters} declares:
 * the task's stem, the level's own batch norm and head, and the trunk's blocks whose input and output
 * unit are both active. Together as many floats as `networkCost().parameters.total`.
 *
 * @param taskIndex From 0.
 * @param level From 1.
 */
export function networkParts(
  { params, states }: Pick<ParamStore, "params" | "states">,
  scenario: Scenario,
  task: TaskInfo,
  taskIndex: number,
  hierarchy: Hierarchy,
  level: number,
): Part[] {
  const { backbone, stem, batchNorm } = scenario;
  const units = hierarchy.activeUnits(level);
  const prefix = `${task.name}.level${level}`;
  const whole = (name: string): Part => {
    const { length } = (params.get(name) ?? states.get(name))!;
    return { name, start: 0, length };
  };
  const blocks = (name: string, layout: BlockLayout, inUnits: readonly number[]): Part[] =>
    units.flatMap((out) => inUnits.map((unit) => ({ name, ...blockRange(layout, out, unit) })));
  const norm = (name: string, own: boolean): Part[] => {
    if (own) return [whole(`${prefix}.${name}`)];
    return blocks(name, (params.get(name) ?? states.get(name))!.layout!, [0]);
  };
  const { weight, affine, running } = stemNames(scenario, task);
  const layers = [
    ...(scenario.tasks[taskIndex]!.hidden ?? []).map((_, i) => `hidden${i + 1}`),
    "head",
  ];
  return [
    ...[weight, affine, running].map(whole),
    ...batchNormLayers(backbone, stem).filter(({ split }) => split).flatMap(({ name }) => [
      ...norm(`${name}.affine`, batchNorm.affine === "private"),
      ...norm(`${name}.running`, batchNorm.statistics !== "shared"),
    ]),
    ...layers.flatMap((layer) => {
      const parts = layer === "head" ? ["weight", "bias"] : ["weight", "bias", "scale"];
      return parts.map((part) => whole(`${prefix}.${layer}.${part}`));
    }),
    ...convLayers(backbone, stem).flatMap(({ name, inIsStem }) => {
      const { layout } = params.get(`${name}.weight`)!;
      return blocks(`${name}.weight`, layout!, inIsStem ? [0] : units);
    }),
  ];
}

/** Names of a task's stem's arrays. */
export function stemNames(
  { stem, batchNorm }: Pick<Scenario, "stem" | "batchNorm">,
  { name, height, width, channels }: TaskInfo,
): Record<"weight" | "affine" | "running", string> {
  const own = `stem.${name}`;
  const learnt = stem.sharing === "task" ? own : `stem.${height}x${width}x${channels}`;
  const measured = batchNorm.statistics === "shared" ? learnt : own;
  return {
    weight: `${learnt}.conv.weight`,
    affine: `${learnt}.bn.affine`,
    running: `${measured}.bn.running`,
  };
}
