import type { Scenario } from "../scenario.ts";

/**
 * A network of all channels for each task, of one unit and one level: what methods without levels have.
 * The tasks share it.
 */
export function fullNetwork<S extends Scenario>(scenario: S): S {
  return {
    ...scenario,
    units: 1,
    unitShares: "even",
    levels: [1],
    orders: scenario.tasks.map(() => [1]),
    tasks: scenario.tasks.map(({ levels: _, ...task }) => task),
  };
}

/** The same tasks, but none waits for another. */
export function withoutArrival({ sequential: _, ...scenario }: Scenario): Scenario {
  return scenario;
}

/** The scenario of one of its tasks alone, whose units join as they are numbered. */
export function onlyTask(scenario: Scenario, task: number): Scenario {
  // Parts for each of the tasks, which are no longer there.
  const { nestedDensities: _, ...rest } = withoutArrival(scenario);
  return { ...rest, orders: "same", tasks: [scenario.tasks[task]!] };
}

/**
 * One network whose level j belongs to task j alone: NestedNet's and PackNet+'s.
 *
 * Level j has a part of each layer's channels that is the square root of its part of the parameters,
 * since weights go with the product of input and output channels. Rounded to whole channels.
 * Source: Kim, Ahn and Oh, CVPR 2018 (NestedNet), with nested channels.
 */
export function nestedNetwork<S extends Scenario>(scenario: S): S {
  const { tasks } = scenario;
  const densities = scenario.nestedDensities ?? tasks.map((_, task) => (task + 1) / tasks.length);
  const widths = densities.map(Math.sqrt);
  return {
    ...scenario,
    units: tasks.length,
    unitShares: widths.map((width, unit) => width - (widths[unit - 1] ?? 0)),
    levels: tasks.map((_, task) => task + 1),
    orders: "same",
    tasks: tasks.map((task, index) => ({ ...task, levels: [index + 1] })),
  };
}
