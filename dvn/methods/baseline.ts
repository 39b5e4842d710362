import { backboneStages } from "../backbone.ts";
import { taskHierarchy, taskLevels } from "../hierarchy.ts";
import type { Method, Run } from "../method.ts";
import type { Scenario } from "../scenario.ts";
import { scenarioPartition } from "../unit_partition.ts";
import { jointPhase } from "./losses.ts";
import { fullNetwork, onlyTask } from "./networks.ts";

/** A network for each task, of the whole backbone: the paper's baseline. */
export const baseline: Method = {
  name: "baseline",
  description: "a full network for each task, trained by itself",
  runs: (scenario) => individualRuns("baseline", scenario, (task) => onlyTask(scenario, task)),
};

/**
 * A network for each task, as wide as the units of its lowest level together: WRN-32-2 for H1, in Table
 * 3 of the paper.
 */
export const narrowBaseline: Method = {
  name: "baseline-narrow",
  description: "a network for each task, as wide as its lowest level, trained by itself",
  runs: (scenario) => individualRuns("baseline-narrow", scenario, (task) => narrow(scenario, task)),
};

function individualRuns(
  method: string,
  { tasks }: Scenario,
  alone: (task: number) => Scenario,
): Run[] {
  return tasks.map(({ name }, task) => {
    const scenario = fullNetwork(alone(task));
    return { method, name, scenario, phases: [jointPhase(scenario)] };
  });
}

function narrow(scenario: Scenario, task: number): Scenario {
  const { backbone, stem } = scenario;
  const partition = scenarioPartition(scenario);
  const active = taskHierarchy(scenario, task).activeUnits(taskLevels(scenario, task)[0]!);
  const stages = backboneStages(backbone);
  const widths = stages.map(({ channels }) => partition.channelsOf(channels, active).length);
  return {
    ...onlyTask(scenario, task),
    backbone: { kind: "custom", widths, blocks: stages[0]!.blocks },
    // No wider than what it enters: the shortcut of the first block drops no channels.
    stem: { ...stem, channels: Math.min(stem.channels, widths[0]!) },
  };
}
