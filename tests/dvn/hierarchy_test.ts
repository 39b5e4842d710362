import { assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { Hierarchy, taskHierarchy, taskLevels, unitOrder } from "../../dvn/hierarchy.ts";
import type { Scenario } from "../../dvn/scenario.ts";

const range = (k: number) => Array.from({ length: k }, (_, i) => i + 1);

/** k units and one of the k tasks. */
const tasks = fc.integer({ min: 1, max: 40 }).chain((k) =>
  fc.record({ k: fc.constant(k), j: fc.integer({ min: 1, max: k }) })
);

/** Any order of k units and any increasing levels that end at k. */
const hierarchies = fc.integer({ min: 1, max: 10 }).chain((k) =>
  fc.record({
    order: fc.shuffledSubarray(range(k), { minLength: k }),
    levels: fc.subarray(range(k - 1)).map((some) => [...some, k]),
  })
);

Deno.test("unitOrder() is that of the paper for k = 2 and 3, and the general rule beyond", () => {
  const ORDERS: Record<number, string> = {
    1: "1",
    2: "12 21",
    3: "123 213 321",
    4: "1234 2134 3241 4321",
    5: "12345 21345 32415 43521 54321",
  };
  for (const [k, orders] of Object.entries(ORDERS)) {
    const got = range(+k).map((j) => unitOrder(j, +k).join(""));
    assertEquals(got.join(" "), orders);
  }
});

Deno.test("unitOrder() is a permutation that starts with the task's own unit", () => {
  fc.assert(fc.property(tasks, ({ j, k }) => {
    const order = unitOrder(j, k);
    assertEquals(order[0], j);
    assertEquals(order.toSorted((a, b) => a - b), range(k));
  }));
});

Deno.test("unitOrder() keeps every level a contiguous group of units", () => {
  fc.assert(fc.property(tasks, ({ j, k }) => {
    const order = unitOrder(j, k);
    for (let count = 1; count <= k; count++) {
      const units = order.slice(0, count);
      assertEquals(Math.max(...units) - Math.min(...units), count - 1);
    }
  }));
});

Deno.test("unitOrder() adds the nearest unit, the lower ID of two", () => {
  fc.assert(fc.property(tasks, ({ j, k }) => {
    const order = unitOrder(j, k);
    for (let i = 1; i < k; i++) {
      const [a, b] = [order[i - 1]!, order[i]!];
      const [near, far] = [Math.abs(a - j), Math.abs(b - j)];
      assertEquals(near < far || (near === far && a < b), true);
    }
  }));
});

Deno.test("unitOrder() refuses a task without a unit of its own", () => {
  for (const [j, k] of [[4, 3], [0, 3], [1.5, 3], [1, 0]] as const) {
    assertThrows(
      () => unitOrder(j, k),
      RangeError,
      `task ${j} has no unit of its own among ${k}; use at least as many units as tasks`,
    );
  }
});

Deno.test("Hierarchy nests: each level keeps the units of the one below", () => {
  fc.assert(fc.property(hierarchies, ({ order, levels }) => {
    const hierarchy = new Hierarchy(order, levels);
    assertEquals(hierarchy.levels, levels.length);
    levels.forEach((count, i) => {
      const units = hierarchy.unitsAt(i + 1);
      assertEquals(units.length, count);
      const below = i > 0 ? hierarchy.unitsAt(i) : [];
      assertEquals(units.slice(0, below.length), below);
    });
    assertEquals(hierarchy.unitsAt(levels.length), order);
  }));
});

Deno.test("Hierarchy: a unit is active from levelOf() on, and not before", () => {
  fc.assert(fc.property(hierarchies, ({ order, levels }) => {
    const hierarchy = new Hierarchy(order, levels);
    for (const unit of order) {
      for (let level = 1; level <= levels.length; level++) {
        assertEquals(
          hierarchy.unitsAt(level).includes(unit),
          level >= hierarchy.levelOf(unit),
        );
      }
    }
  }));
});

Deno.test("Hierarchy: active units count from 0 and ascend", () => {
  const hierarchy = new Hierarchy([3, 2, 4, 1], [1, 2, 3, 4]);
  assertEquals(hierarchy.unitsAt(3), [3, 2, 4]);
  assertEquals(hierarchy.activeUnits(3), [1, 2, 3]);
});

Deno.test("the rule trains units about equally: terms of eq. (5) for k = 2, 3, 4", () => {
  const TERMS: Record<number, number[]> = {
    2: [3, 3],
    3: [6, 7, 5],
    4: [9, 12, 11, 8],
  };
  for (const [k, want] of Object.entries(TERMS)) {
    const levels = range(+k);
    const hierarchies = range(+k)
      .map((j) => new Hierarchy(unitOrder(j, +k), levels));
    const terms = range(+k).map((unit) =>
      hierarchies.reduce((n, h) => n + h.levels - h.levelOf(unit) + 1, 0)
    );
    assertEquals(terms, want);
  }
});

Deno.test("scenario J3: three tasks over four units, levels of 2, 3 and 4", () => {
  const scenario = {
    seed: 0,
    units: 4,
    levels: [2, 3, 4],
    orders: [[1, 2, 3, 4], [2, 3, 1, 4], [3, 4, 2, 1]],
  };
  const first = [0, 1, 2].map((task) => taskHierarchy(scenario, task).unitsAt(1));
  assertEquals(first, [[1, 2], [2, 3], [3, 4]]);
  assertEquals(taskHierarchy(scenario, 2).levelOf(4), 1);
  assertEquals(taskHierarchy(scenario, 2).levelOf(2), 2);
  assertThrows(
    () => taskHierarchy(scenario, 3),
    RangeError,
    "orders has no entry for task 4",
  );
});

/** The order of each of three tasks over five units. */
const ordersBy = (orders: Scenario["orders"], seed = 0) =>
  [0, 1, 2].map((task) => {
    const scenario = { seed, units: 5, levels: [1, 5], orders };
    return taskHierarchy(scenario, task).order.join("");
  });

Deno.test("taskHierarchy(): the same order for all tasks, and the rule's from last to first", () => {
  assertEquals(ordersBy("same"), ["12345", "12345", "12345"]);
  assertEquals(ordersBy("rule"), ["12345", "21345", "32415"]);
  assertEquals(ordersBy("reversed"), ["54321", "54312", "51423"]);
});

Deno.test("taskHierarchy() draws random orders from the seed, each task its own", () => {
  const orders = ordersBy("random", 3);
  assertEquals(ordersBy("random", 3), orders);
  assertEquals(new Set(orders).size, 3);
  // Any unit may come first.
  const first = Array.from({ length: 60 }, (_, seed) => ordersBy("random", seed)[0]![0]);
  assertEquals([...new Set(first)].sort().join(""), "12345");
});

Deno.test("taskLevels(): all, or those that the task says", () => {
  const tasks = [{ name: "a", dataset: "x" }, { name: "b", dataset: "x", levels: [1, 3] }];
  const scenario = { tasks, levels: [1, 2, 4] };
  assertEquals(taskLevels(scenario, 0), [1, 2, 3]);
  assertEquals(taskLevels(scenario, 1), [1, 3]);
  assertThrows(() => taskLevels(scenario, 2), RangeError, "task must be in [0, 2), got 2");
});

Deno.test("taskHierarchy() follows the rule", () => {
  const scenario = { seed: 0, units: 4, levels: [1, 2, 4], orders: "rule" as const };
  assertEquals(taskHierarchy(scenario, 2).unitsAt(2), [3, 2]);
  assertEquals(taskHierarchy(scenario, 2).unitsAt(3), [3, 2, 4, 1]);
});

Deno.test("Hierarchy refuses an order that is no permutation", () => {
  assertThrows(
    () => new Hierarchy([1, 2, 2], [3]),
    RangeError,
    "order must hold each unit ID from 1 to 3 once, got [1,2,2]; missing: 3",
  );
  assertThrows(() => new Hierarchy([0, 1], [2]), RangeError, "missing: 2");
});

Deno.test("Hierarchy refuses levels that do not increase to all units", () => {
  for (const levels of [[1, 1, 2], [2, 1], [1], [0, 2], [1, 3], [1.5, 2], []]) {
    assertThrows(
      () => new Hierarchy([1, 2], levels),
      RangeError,
      "levels must be increasing whole numbers that start at 1 or more and end at all " +
        `2 units, got [${levels}]`,
    );
  }
});

Deno.test("Hierarchy says which levels and units there are", () => {
  const hierarchy = new Hierarchy([2, 1], [1, 2]);
  for (const level of [0, 3, 1.5]) {
    assertThrows(
      () => hierarchy.unitsAt(level),
      RangeError,
      `level must be in [1, 2], got ${level}`,
    );
  }
  assertThrows(
    () => hierarchy.levelOf(3),
    RangeError,
    "unit must be in [1, 2], got 3",
  );
});
