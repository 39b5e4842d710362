import { Random } from "../nn/random.ts";
import type { Scenario } from "./scenario.ts";

/**
 * The order in which units join the hierarchy of task `j`: its own unit, then its neighbours, nearest
 * first; of two equally near, the one with the lower ID.
 *
 * Source: Kim, Ahn, Torr and Oh, CVPR 2019, Sec. 3.2, generalised to any `k` as the key
 * `(|i - j|, i)`.
 *
 * @param j The task, from 1.
 * @param k Number of units.
 * @returns All unit IDs, from 1.
 * @throws {RangeError} If `j` is not in `[1, k]`.
 */
export function unitOrder(j: number, k: number): number[] {
  if (!Number.isInteger(k) || !Number.isInteger(j) || j < 1 || j > k) {
    throw new RangeError(
      `unitOrder: task ${j} has no unit of its own among ${k}; use at least as many units as ` +
        `tasks, or give the orders explicitly`,
    );
  }
  const distance = (i: number) => Math.abs(i - j);
  return Array.from({ length: k }, (_, i) => i + 1)
    .sort((a, b) => distance(a) - distance(b) || a - b);
}

/** Nested sub-networks of one task: each level keeps the units of the one below and adds the next in order. */
export class Hierarchy {
  /**
   * Checks and keeps both.
   *
   * @param order All unit IDs, from 1, in the order they join.
   * @param unitsPerLevel Units active at levels 1, 2, ...: increasing, the last one all.
   * @throws {RangeError} If either is not so.
   */
  constructor(
    readonly order: readonly number[],
    readonly unitsPerLevel: readonly number[],
  ) {
    const orderProblem = checkOrder(order, order.length);
    if (orderProblem) throw new RangeError(`Hierarchy: order ${orderProblem}`);
    const levelsProblem = checkLevels(unitsPerLevel, order.length);
    if (levelsProblem) {
      throw new RangeError(`Hierarchy: levels ${levelsProblem}`);
    }
  }

  /** Number of levels. */
  get levels(): number {
    return this.unitsPerLevel.length;
  }

  /**
   * IDs, from 1, of the units active at a level, in the order they joined.
   *
   * @param level From 1.
   * @throws {RangeError} If there is no such level.
   */
  unitsAt(level: number): number[] {
    const count = this.unitsPerLevel[level - 1];
    if (count === undefined) {
      throw new RangeError(
        `level must be in [1, ${this.levels}], got ${level}`,
      );
    }
    return this.order.slice(0, count);
  }

  /** The same units as the partition counts them: from 0, ascending. @throws {RangeError} As `unitsAt()`. */
  activeUnits(level: number): number[] {
    return this.unitsAt(level).map((id) => id - 1).sort((a, b) => a - b);
  }

  /**
   * The level at which a unit joins: S(i, j) of the paper.
   *
   * @param unit ID, from 1.
   * @throws {RangeError} If there is no such unit.
   */
  levelOf(unit: number): number {
    const rank = this.order.indexOf(unit);
    if (rank < 0) {
      throw new RangeError(
        `unit must be in [1, ${this.order.length}], got ${unit}`,
      );
    }
    return this.unitsPerLevel.findIndex((count) => count > rank) + 1;
  }
}

/**
 * The hierarchy of a scenario's task, of all its levels.
 *
 * @param task Index from 0.
 * @throws {RangeError} If the scenario has no order for it.
 */
export function taskHierarchy(
  scenario: Pick<Scenario, "orders" | "units" | "levels" | "seed">,
  task: number,
): Hierarchy {
  return new Hierarchy(taskOrder(scenario, task), scenario.levels);
}

/** IDs of all units, from 1, in the order they join the hierarchy of a task, index from 0. */
function taskOrder(
  { orders, units, seed }: Pick<Scenario, "orders" | "units" | "seed">,
  task: number,
): number[] {
  switch (orders) {
    case "rule":
      return unitOrder(task + 1, units);
    case "same":
      return Array.from({ length: units }, (_, i) => i + 1);
    case "reversed":
      return unitOrder(task + 1, units).reverse();
    case "random": {
      const drawn = new Random(seed, "order", task).permutation(units);
      return Array.from(drawn, (unit) => unit + 1);
    }
  }
  const order = orders[task];
  if (!order) throw new RangeError(`orders has no entry for task ${task + 1}`);
  return order;
}

/**
 * The levels at which a task of a scenario has a network, ascending, from 1.
 *
 * @param task Index from 0.
 * @throws {RangeError} If there is no such task.
 */
export function taskLevels(
  { tasks, levels }: Pick<Scenario, "tasks" | "levels">,
  task: number,
): number[] {
  const spec = tasks[task];
  if (!spec) throw new RangeError(`task must be in [0, ${tasks.length}), got ${task}`);
  return spec.levels ?? levels.map((_, i) => i + 1);
}

/** What is wrong with an order of units, as the end of a sentence; `undefined` if nothing is. */
export function checkOrder(
  order: readonly number[],
  units: number,
): string | undefined {
  const missing = Array.from({ length: units }, (_, i) => i + 1)
    .filter((id) => !order.includes(id));
  if (order.length === units && missing.length === 0) return;
  return `must hold each unit ID from 1 to ${units} once, got [${order}]` +
    (missing.length > 0 ? `; missing: ${missing.join(", ")}` : "");
}

/** What is wrong with the levels' numbers of units, as the end of a sentence; `undefined` if nothing is. */
export function checkLevels(
  levels: readonly number[],
  units: number,
): string | undefined {
  const increases = levels.every((count, i) => {
    return Number.isInteger(count) && count > (levels[i - 1] ?? 0);
  });
  if (increases && levels.at(-1) === units) return;
  return `must be increasing whole numbers that start at 1 or more and end at all ${units} units, ` +
    `got [${levels}]`;
}
