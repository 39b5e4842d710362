import { taskHierarchy, taskLevels } from "../hierarchy.ts";
import type { LossTerm, Phase } from "../method.ts";
import type { Scenario, SequentialSpec } from "../scenario.ts";
import { ownLosses, updates } from "./losses.ts";

/** One whose tasks arrive one after another. */
export type SequentialScenario = Scenario & { sequential: SequentialSpec };

/**
 * The scenario, if its tasks arrive one after another.
 *
 * @param method For the message.
 * @throws {RangeError} If they do not.
 */
export function sequentialOnly(method: string, scenario: Scenario): SequentialScenario {
  const { sequential } = scenario;
  if (sequential) return { ...scenario, sequential };
  throw new RangeError(
    `${method} is for tasks that arrive one after another, and ${scenario.name} trains its tasks ` +
      `together; use it with S1, S2 or a scenario of your own that has "sequential"`,
  );
}

/**
 * A phase for each task as it arrives, named by it. The new task learns from its labels; earlier ones
 * keep their answers to the new task's images, by distillation from the network as it was: eq. (6). Of
 * one unit and one level this is learning without forgetting.
 *
 * @param keep Whether earlier tasks are kept so, or are left to change.
 * @throws {RangeError} If units are to arrive with their tasks, and a task arrives before its units.
 */
export function stages(scenario: SequentialScenario, { keep } = { keep: true }): Phase[] {
  const { tasks, training, sequential } = scenario;
  return tasks.map(({ name }, stage) => {
    const levels = levelsAt(scenario, stage, stage);
    if (levels.length === 0) {
      throw new RangeError(
        `sequential.firstStage "grow": when task ${name} arrives, it has no level whose units are ` +
          `all among 1 to ${stage + 1}; let it start with one of them ("orders"), or use "full"`,
      );
    }
    const earlier = keep ? tasks.slice(0, stage) : [];
    const old = earlier.map((_, task) => oldAnswers(scenario, task, stage));
    const phase: Phase = {
      name,
      epochs: training.epochs,
      updates: updates(training, [...old, ownLosses(scenario, stage, levels)]),
    };
    if (stage === 0 || sequential.newTask === "fresh") return phase;
    const level = levelsAt(scenario, stage - 1, stage - 1).at(-1)!;
    return { ...phase, copies: [{ from: { task: stage - 1, level }, to: stage }] };
  });
}

/** What keeps an earlier task: its levels answer the new task's images as the old network did. */
function oldAnswers(scenario: SequentialScenario, task: number, stage: number): LossTerm[] {
  const { temperature, teacherLevel } = scenario.sequential;
  const before = levelsAt(scenario, task, stage - 1);
  return levelsAt(scenario, task, stage).map((level) => {
    const same = teacherLevel === "same" && before.includes(level);
    const teacher = same ? level : before.at(-1)!;
    const target = { kind: "old-network", level: teacher, temperature } as const;
    return { task, level, weight: 1, images: stage, target };
  });
}

/** Levels of a task that learn in a stage; with "grow", unit i comes with task i. */
function levelsAt(scenario: SequentialScenario, task: number, stage: number): number[] {
  const levels = taskLevels(scenario, task);
  if (scenario.sequential.firstStage === "full") return levels;
  const hierarchy = taskHierarchy(scenario, task);
  return levels.filter((level) => hierarchy.unitsAt(level).every((unit) => unit <= stage + 1));
}
