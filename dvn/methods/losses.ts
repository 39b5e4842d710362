import { taskLevels } from "../hierarchy.ts";
import type { LossTerm, Phase, Update } from "../method.ts";
import type { Scenario } from "../scenario.ts";

/**
 * What a task's levels learn from its own images: the labels; or, below the highest, what the highest
 * answers, where the scenario has it so.
 *
 * @param task Index from 0.
 * @param levels From 1, increasing. Default: all that the task has.
 */
export function ownLosses(
  scenario: Scenario,
  task: number,
  levels: readonly number[] = taskLevels(scenario, task),
): LossTerm[] {
  const highest = levels.at(-1)!;
  const distilled = scenario.training.lowerLevels === "top-level";
  return levels.map((level) => {
    const loss: LossTerm = { task, level, weight: 1 };
    if (!distilled || level === highest) return loss;
    return { ...loss, target: { kind: "level", level: highest, temperature: 1 } };
  });
}

/** A task's own losses, of which only its heads learn; its features are those of inference. */
export function headLosses(scenario: Scenario, task: number): LossTerm[] {
  return ownLosses(scenario, task).map((loss) => ({ ...loss, learns: "head" }));
}

/**
 * The updates of a step that has some losses of each task.
 *
 * @param losses A list for each task, from its lowest level to its highest.
 */
export function updates(
  { mixing, levelSampling }: Scenario["training"],
  losses: LossTerm[][],
): Update[] {
  const together = mixing === "sum" ? [losses] : losses.map((ofTask) => [ofTask]);
  return together.map((tasks) => ({
    variants: levelSampling === "all" ? [tasks.flat()] : sandwiches(tasks),
  }));
}

/**
 * For each task the lowest level, the highest, and one between: the next one in each variant.
 *
 * In a variant the one between has the same rank for all tasks, so that n levels need n - 2 variants,
 * and each level between is still drawn as often as the others. A draw for each of k tasks would need
 * (n - 2)^k, all of which are compiled.
 * Source: the sandwich rule of US-Nets, Yu and Huang, arXiv 1903.05134.
 */
function sandwiches(tasks: LossTerm[][]): LossTerm[][] {
  const count = Math.max(1, ...tasks.map((losses) => losses.length - 2));
  return Array.from({ length: count }, (_, rank) =>
    tasks.flatMap((losses) => {
      if (losses.length < 3) return losses;
      const between = losses.slice(1, -1);
      return [losses[0]!, between[rank % between.length]!, losses.at(-1)!];
    }));
}

/** All tasks and all their levels at once: eq. (4), of which eq. (1) is the case of one task. */
export function jointPhase(scenario: Scenario): Phase {
  const { tasks, training } = scenario;
  return {
    name: tasks.length > 1 ? "joint" : tasks[0]!.name,
    epochs: training.epochs,
    updates: updates(training, tasks.map((_, task) => ownLosses(scenario, task))),
  };
}
