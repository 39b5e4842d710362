import { type NetworkCost, networkCost } from "../../dvn/costs.ts";
import type { LossTerm, Run, TaskData } from "../../mod.ts";

/**
 * About how many multiply-accumulates a run does: what the time left is reckoned from.
 *
 * Without batch norm, evaluation and the like.
 */
export function trainingWork(
  { scenario, phases }: Run,
  data: Readonly<Record<string, TaskData>>,
): number {
  const { tasks, training } = scenario;
  const dataOf = (task: number) => data[tasks[task]!.name]!;
  const macs = (task: number, level: number): NetworkCost["macs"] =>
    networkCost(scenario, task, level, dataOf(task)).macs;
  const ofLoss = ({ task, level, target, learns }: LossTerm) => {
    const passes = learns === "head" ? 1 : 3; // forward; and backward, twice that
    const teacher = target?.kind === "old-network" ? macs(task, target.level) : 0;
    return passes * macs(task, level) + teacher;
  };
  return sum(phases.map(({ epochs, updates }) => {
    const variants = updates.map((update) => update.variants);
    const shown = variants.flat(2).map(({ task, images }) => dataOf(images ?? task).train.length);
    const ofUpdate = (variants: LossTerm[][]) => sum(variants.flat().map(ofLoss)) / variants.length;
    // Every task has as many images in a step.
    const images = Math.ceil(Math.max(...shown) / training.batchSize) * training.batchSize;
    return epochs * images * sum(variants.map(ofUpdate));
  }));
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
