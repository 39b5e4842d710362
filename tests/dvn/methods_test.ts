import { assert, assertAlmostEquals, assertEquals, assertThrows } from "@std/assert";
import { backboneStages, featureChannels } from "../../dvn/backbone.ts";
import { networkCost } from "../../dvn/costs.ts";
import { taskLevels } from "../../dvn/hierarchy.ts";
import type { LossTerm, Phase, Run } from "../../dvn/method.ts";
import { ablationNames, findMethod, methodNames, methods } from "../../dvn/methods/index.ts";
import { parseScenario } from "../../dvn/parse_scenario.ts";
import type { Scenario, SequentialSpec } from "../../dvn/scenario.ts";
import { builtInScenario, paperScenarioNames } from "../../dvn/scenarios/index.ts";
import { scaleNames, scaleScenario } from "../../dvn/scenarios/scale.ts";
import type { BlockLayout, Param } from "../../nn/params.ts";

const SEQUENTIAL_ONLY = ["lwf", "feature-extraction", "da-cnn", "fine-tuning"];

function runsOf(method: string, scenario: Scenario | string): Run[] {
  return findMethod(method)
    .runs(typeof scenario === "string" ? builtInScenario(scenario) : scenario);
}

/** The run of a method that has one. */
function runOf(method: string, scenario: Scenario | string): Run {
  const [run, ...others] = runsOf(method, scenario);
  assertEquals(others, []);
  return run!;
}

/** Three tasks on three units, unless changed; five epochs. */
function scenarioOf(
  { training, tasks = ["a", "b", "c"], ...fields }: {
    tasks?: string[];
    units?: number;
    levels?: number[];
    orders?: Scenario["orders"];
    sequential?: Partial<SequentialSpec>;
    training?: Partial<Scenario["training"]>;
    batchNorm?: Partial<Scenario["batchNorm"]>;
    stem?: Partial<Scenario["stem"]>;
    unitShares?: number[];
    nestedDensities?: number[];
  } = {},
): Scenario {
  return parseScenario({
    name: "three",
    backbone: { kind: "custom", widths: [16, 32], blocks: 1 },
    tasks: tasks.map((name) => ({ name, dataset: "made" })),
    training: { epochs: 5, ...training },
    ...fields,
  });
}

/** S1 of the paper, in short: two tasks that come one after another on two units. */
function twoStages(sequential: Partial<SequentialSpec> = {}, orders?: number[][]): Scenario {
  return scenarioOf({ tasks: ["a", "b"], sequential, ...orders && { orders } });
}

/** A loss in few letters: task.level, factor, then "<" and what it learns from, "@" and its images. */
function short({ task, level, weight, images, target, learns }: LossTerm): string {
  const from = {
    "labels": "",
    "level": `<l${target?.kind === "level" && target.level}`,
    "old-network": `<old${target?.kind === "old-network" && target.level}`,
  };
  return `${task}.${level}` + (weight === 1 ? "" : ` x${weight}`) + from[target?.kind ?? "labels"] +
    (target && target.kind !== "labels" ? `/${target.temperature}` : "") +
    (images === undefined ? "" : ` @${images}`) + (learns === "head" ? " head" : "");
}

/** Of each update of a phase, each variant's losses. */
function losses(phase: Phase): string[][][] {
  return phase.updates.map(({ variants }) => variants.map((terms) => terms.map(short)));
}

/** Of phases with one update of one variant each. */
function plan(phases: Phase[]): Record<string, string[]> {
  return Object.fromEntries(phases.map((phase) => {
    const [[terms]] = losses(phase) as [[string[]]];
    assertEquals(losses(phase), [[terms]]);
    return [phase.name, terms];
  }));
}

const DATASET_CLASSES: Record<string, number> = {
  "cifar-10": 10,
  "cifar-100": 100,
  "cifar-100-coarse": 20,
  "stl-10": 10,
  "tiny-imagenet": 200,
};

/** Convolution weights, the paper's "memory", of each network of a run, task by task. */
function weights({ scenario }: Run): number[] {
  return scenario.tasks.flatMap(({ dataset, classes }, task) => {
    const count = classes?.length ?? DATASET_CLASSES[dataset]!;
    const data = { channels: 3, classes: Array<string>(count).fill("") };
    return taskLevels(scenario, task)
      .map((level) => networkCost(scenario, task, level, data).parameters.trunk);
  });
}

const WRN_32_4 = 7_345_152, WRN_32_2 = 1_838_592, RESNET_42 = 29_786_112;

Deno.test("methods are found by name", () => {
  assertEquals(methodNames, [
    ...["dvn", "baseline", "baseline-narrow", "nestednet", "nestednet-per-task", "packnet"],
    ...SEQUENTIAL_ONLY,
    ...ablationNames,
  ]);
  for (const name of methodNames) assertEquals(findMethod(name).name, name);
  assertThrows(
    () => findMethod("DVN"),
    RangeError,
    'no method is named "DVN"; there are dvn, baseline, baseline-narrow, nestednet, ',
  );
});

/** What a method does not do, by the RangeError that says so. */
function doesNotApply(method: string, { levels, sequential }: Scenario): string | undefined {
  if (SEQUENTIAL_ONLY.includes(method) && !sequential) {
    return `${method} is for tasks that arrive one after another`;
  }
  // Of three levels, one between the others is all there are.
  if (method === "dvn-sandwich" && levels.length < 4) return "dvn-sandwich would train ";
}

for (const name of ["digits", ...paperScenarioNames]) {
  Deno.test(`${name}: all methods that apply give networks that can be made, all of whose levels learn`, () => {
    // The digits' own size is small already, and no scale is made for it.
    for (const scale of name === "digits" ? ["paper"] as const : scaleNames) {
      const base = scaleScenario(builtInScenario(name), scale);
      const copy = structuredClone(base);
      for (const method of methods) {
        const refusal = doesNotApply(method.name, base);
        if (refusal) {
          assertThrows(() => method.runs(base), RangeError, refusal);
          continue;
        }
        const runs = method.runs(base);
        assertEquals(new Set(runs.map((run) => run.name)).size, runs.length);
        for (const run of runs) {
          assertEquals(run.method, method.name);
          assertEquals(run.scenario.name, base.name);
          assertEquals(parseScenario(run.scenario), run.scenario, `${method.name} ${run.name}`);
          assertEquals(learning(run), networks(run.scenario));
        }
        assertEquals(
          new Set(runs.flatMap(({ scenario }) => names(scenario))),
          new Set(names(base)),
        );
      }
      assertEquals(base, copy);
    }
  });
}

function names({ tasks }: Scenario): string[] {
  return tasks.map(({ name }) => name);
}

function networks(scenario: Scenario): string[] {
  return scenario.tasks
    .flatMap((_, task) => taskLevels(scenario, task).map((level) => `${task}.${level}`));
}

/** The networks that any loss of a run is of. */
function learning({ phases }: Run): string[] {
  const terms = phases.flatMap(({ updates }) => updates.flatMap(({ variants }) => variants.flat()));
  return [...new Set(terms.map(({ task, level }) => `${task}.${level}`))].sort();
}

Deno.test("dvn, jointly: one phase, the plain sum of all levels of all tasks", () => {
  const j1 = builtInScenario("J1");
  assertEquals(runOf("dvn", j1), {
    method: "dvn",
    name: "all",
    scenario: j1,
    phases: [{
      name: "joint",
      epochs: 205,
      updates: [{
        variants: [[
          { task: 0, level: 1, weight: 1 },
          { task: 0, level: 2, weight: 1 },
          { task: 1, level: 1, weight: 1 },
          { task: 1, level: 2, weight: 1 },
        ]],
      }],
    }],
  });
  const { phases } = runOf("dvn", "J3");
  assertEquals(plan(phases), {
    joint: ["0.1", "0.2", "0.3", "1.1", "1.2", "1.3", "2.1", "2.2", "2.3"],
  });
});

Deno.test("dvn: a task has losses at its own levels only", () => {
  const scenario = scenarioOf();
  scenario.tasks[1]!.levels = [1, 3];
  scenario.tasks[2]!.levels = [2];
  assertEquals(plan(runOf("dvn", scenario).phases), {
    joint: ["0.1", "0.2", "0.3", "1.1", "1.3", "2.2"],
  });
});

Deno.test("dvn: mixing, sampled levels and distilled lower levels, alone and together", () => {
  const joint = (training: Partial<Scenario["training"]>, units = 3) =>
    losses(runOf("dvn", scenarioOf({ units, training })).phases[0]!);
  assertEquals(joint({ mixing: "alternate" }), [
    [["0.1", "0.2", "0.3"]],
    [["1.1", "1.2", "1.3"]],
    [["2.1", "2.2", "2.3"]],
  ]);
  assertEquals(joint({ lowerLevels: "top-level" }), [[[
    ...["0.1<l3/1", "0.2<l3/1", "0.3"],
    ...["1.1<l3/1", "1.2<l3/1", "1.3"],
    ...["2.1<l3/1", "2.2<l3/1", "2.3"],
  ]]]);
  // Three levels have one between; five have three, and so three variants.
  assertEquals(joint({ levelSampling: "sandwich" }), joint({}));
  assertEquals(joint({ levelSampling: "sandwich" }, 5), [[
    ["0.1", "0.2", "0.5", "1.1", "1.2", "1.5", "2.1", "2.2", "2.5"],
    ["0.1", "0.3", "0.5", "1.1", "1.3", "1.5", "2.1", "2.3", "2.5"],
    ["0.1", "0.4", "0.5", "1.1", "1.4", "1.5", "2.1", "2.4", "2.5"],
  ]]);
  const all = { mixing: "alternate", lowerLevels: "top-level", levelSampling: "sandwich" } as const;
  assertEquals(
    joint(all, 4),
    [0, 1, 2].map((task) => [
      [`${task}.1<l4/1`, `${task}.2<l4/1`, `${task}.4`],
      [`${task}.1<l4/1`, `${task}.3<l4/1`, `${task}.4`],
    ]),
  );
});

Deno.test("dvn: tasks of fewer levels have what they have in each variant of a sandwich", () => {
  const scenario = scenarioOf({
    tasks: ["a", "b", "c", "d"],
    units: 5,
    training: { levelSampling: "sandwich" },
  });
  scenario.tasks[0]!.levels = [3];
  scenario.tasks[1]!.levels = [2, 4];
  scenario.tasks[2]!.levels = [1, 2, 3, 5];
  assertEquals(losses(runOf("dvn", scenario).phases[0]!), [[
    ["0.3", "1.2", "1.4", "2.1", "2.2", "2.5", "3.1", "3.2", "3.5"],
    ["0.3", "1.2", "1.4", "2.1", "2.3", "2.5", "3.1", "3.3", "3.5"],
    ["0.3", "1.2", "1.4", "2.1", "2.2", "2.5", "3.1", "3.4", "3.5"],
  ]]);
});

Deno.test("dvn, one task after another: labels of the new, the old network's answers for the others", () => {
  const scenario = twoStages();
  const old = { kind: "old-network", level: 2, temperature: 2 } as const;
  assertEquals(runOf("dvn", scenario), {
    method: "dvn",
    name: "all",
    scenario,
    phases: [
      {
        name: "a",
        epochs: 5,
        updates: [{
          variants: [[{ task: 0, level: 1, weight: 1 }, { task: 0, level: 2, weight: 1 }]],
        }],
      },
      {
        name: "b",
        epochs: 5,
        updates: [{
          variants: [[
            { task: 0, level: 1, weight: 1, images: 1, target: old },
            { task: 0, level: 2, weight: 1, images: 1, target: old },
            { task: 1, level: 1, weight: 1 },
            { task: 1, level: 2, weight: 1 },
          ]],
        }],
        copies: [{ from: { task: 0, level: 2 }, to: 1 }],
      },
    ],
  });
});

Deno.test("dvn, one task after another: teacher, temperature, fresh tasks", () => {
  const { phases } = runOf(
    "dvn",
    twoStages({ teacherLevel: "same", temperature: 3, newTask: "fresh" }),
  );
  assertEquals(plan(phases), {
    a: ["0.1", "0.2"],
    b: ["0.1<old1/3 @1", "0.2<old2/3 @1", "1.1", "1.2"],
  });
  assert(phases.every(({ copies }) => copies === undefined));
});

Deno.test("dvn that grows: levels learn once their units have come; the old network's highest teaches new ones", () => {
  const orders = [[1, 2, 3], [2, 1, 3], [3, 2, 1]]; // as the rule
  const grow = { tasks: ["a", "b", "c"], orders };
  const top = runOf("dvn", scenarioOf({ ...grow, sequential: { firstStage: "grow" } })).phases;
  assertEquals(plan(top), {
    a: ["0.1"],
    b: ["0.1<old1/2 @1", "0.2<old1/2 @1", "1.1", "1.2"],
    c: [
      ...["0.1<old2/2 @2", "0.2<old2/2 @2", "0.3<old2/2 @2"],
      ...["1.1<old2/2 @2", "1.2<old2/2 @2", "1.3<old2/2 @2"],
      ...["2.1", "2.2", "2.3"],
    ],
  });
  assertEquals(top.map(({ copies }) => copies), [
    undefined,
    [{ from: { task: 0, level: 1 }, to: 1 }],
    [{ from: { task: 1, level: 2 }, to: 2 }],
  ]);
  const sequential = { firstStage: "grow", teacherLevel: "same" } as const;
  assertEquals(plan(runOf("dvn", scenarioOf({ ...grow, sequential })).phases).c!.slice(0, 6), [
    ...["0.1<old1/2 @2", "0.2<old2/2 @2", "0.3<old2/2 @2"],
    ...["1.1<old1/2 @2", "1.2<old2/2 @2", "1.3<old2/2 @2"],
  ]);
});

Deno.test("dvn that grows needs a task's units when it arrives", () => {
  assertThrows(
    () => runOf("dvn-reversed-order", twoStages({ firstStage: "grow" })),
    RangeError,
    'sequential.firstStage "grow": when task a arrives, it has no level whose units are all among 1 ' +
      'to 1; let it start with one of them ("orders"), or use "full"',
  );
});

Deno.test("dvn, one task after another, takes the options of joint training too", () => {
  const training = { mixing: "alternate", lowerLevels: "top-level" } as const;
  const { phases } = runOf("dvn", scenarioOf({ tasks: ["a", "b"], sequential: {}, training }));
  assertEquals(phases.map(losses), [
    [[["0.1<l2/1", "0.2"]]],
    [[["0.1<old2/2 @1", "0.2<old2/2 @1"]], [["1.1<l2/1", "1.2"]]],
  ]);
});

Deno.test("baseline: for each task a network of the whole backbone", () => {
  const j1 = builtInScenario("J1");
  const runs = runsOf("baseline", j1);
  assertEquals(runs.map(({ name }) => name), ["cifar-10", "cifar-100"]);
  runs.forEach((run, task) => {
    const { nestedDensities: _, ...rest } = j1;
    assertEquals(run.scenario, {
      ...rest,
      ...{ units: 1, levels: [1], orders: [[1]], unitShares: "even", tasks: [j1.tasks[task]] },
    });
    assertEquals(plan(run.phases), { [run.name]: ["0.1"] });
    assertEquals(weights(run), [WRN_32_4]);
  });
  assertAlmostEquals(runs.flatMap(weights).reduce((sum, count) => sum + count), 14.8e6, 0.12e6);
  assertEquals(runsOf("baseline", "J3").flatMap(weights), [RESNET_42, RESNET_42, RESNET_42]);
});

Deno.test("baselines have no levels, and none of their tasks waits", () => {
  const scenario = scenarioOf({
    sequential: {},
    nestedDensities: [0.2, 0.6, 1],
    unitShares: [0.5, 0.25, 0.25],
  });
  scenario.tasks[1]!.levels = [2, 3];
  for (const name of ["baseline", "baseline-narrow"]) {
    for (const { scenario: alone } of runsOf(name, scenario)) {
      assertEquals([alone.sequential, alone.nestedDensities, alone.tasks[0]!.levels], [
        undefined,
        undefined,
        undefined,
      ]);
      assertEquals(parseScenario(alone), alone);
    }
  }
});

Deno.test("baseline-narrow: as wide as the lowest level; for H1 the WRN-32-2 of Table 3", () => {
  const [coarse, fine] = runsOf("baseline-narrow", "H1");
  assertEquals([coarse, fine].map((run) => weights(run!)), [[WRN_32_2], [WRN_32_2]]);
  const wrn = { kind: "wrn", depth: 32, widen: 2 } as const;
  assertEquals(backboneStages(fine!.scenario.backbone), backboneStages(wrn));
  assertEquals(fine!.scenario.stem, builtInScenario("H1").stem);
  // A quarter of ResNet-42, whose stem is as wide as its first stage.
  const [quarter] = runsOf("baseline-narrow", "J2");
  assertEquals(backboneStages(quarter!.scenario.backbone).map((s) => s.channels), [
    16,
    32,
    64,
    128,
  ]);
  assertEquals(quarter!.scenario.stem.channels, 16);
  // Task b starts at level 2, with units 2 and 1 of [5, 5, 6] and [10, 11, 11] channels.
  const uneven = scenarioOf();
  uneven.tasks[1]!.levels = [2, 3];
  assertEquals(runsOf("baseline-narrow", uneven).map(({ scenario }) => scenario.backbone), [
    { kind: "custom", widths: [5, 10], blocks: 1 },
    { kind: "custom", widths: [10, 21], blocks: 1 },
    { kind: "custom", widths: [6, 11], blocks: 1 },
  ]);
});

Deno.test("nestednet: level j is task j's, of its part of the parameters; losses are averaged", () => {
  const j2 = builtInScenario("J2");
  const run = runOf("nestednet", j2);
  assertEquals(plan(run.phases), { joint: ["0.1 x0.25", "1.2 x0.25", "2.3 x0.25", "3.4 x0.25"] });
  assertEquals(run.scenario, {
    ...j2,
    unitShares: run.scenario.unitShares,
    orders: "same",
    tasks: j2.tasks.map((task, i) => ({ ...task, levels: [i + 1] })),
  });
});

/** What the paper says that NestedNet's and PackNet+'s tasks have of all weights. */
const NESTED: Record<string, number[]> = {
  J1: [1 / 2, 1],
  J2: [1 / 4, 2 / 4, 3 / 4, 1],
  J3: [7.5 / 29.8, 16.8 / 29.8, 1],
  H1: [1.8 / 7.4, 1],
};
for (const [name, parts] of Object.entries(NESTED)) {
  Deno.test(`${name}: nestednet's and packnet's networks have the paper's parts of the weights`, () => {
    const full = name === "J1" || name === "H1" ? WRN_32_4 : RESNET_42;
    for (const method of ["nestednet", "packnet"]) {
      weights(runOf(method, name))
        .forEach((count, i) => assertAlmostEquals(count / full, parts[i]!, 0.01));
      assertEquals(weights(runOf(method, name)).at(-1), full);
    }
  });
}

Deno.test("nestednet takes other densities, whatever the scenario's units", () => {
  const scenario = scenarioOf({ units: 5, orders: "random", nestedDensities: [0.0625, 0.25, 1] });
  const network = runOf("nestednet", scenario).scenario;
  assertEquals([network.units, network.unitShares, network.levels], [3, [0.25, 0.25, 0.5], [
    1,
    2,
    3,
  ]]);
});

Deno.test("nestednet, one task after another: by the stages of eq. (6)", () => {
  const run = runOf("nestednet", twoStages());
  assertEquals(plan(run.phases), { a: ["0.1"], b: ["0.1<old1/2 @1", "1.2"] });
  assertEquals(run.phases[1]!.copies, [{ from: { task: 0, level: 1 }, to: 1 }]);
  assert(run.scenario.sequential);
});

Deno.test("nestednet-per-task: each task alone, all levels, by their plain sum", () => {
  const j3 = builtInScenario("J3");
  const runs = runsOf("nestednet-per-task", j3);
  assertEquals(runs.map(({ name }) => name), ["tiny-imagenet", "cifar-100", "stl-10"]);
  runs.forEach((run, task) => {
    const { nestedDensities: _, ...rest } = j3;
    assertEquals(run.scenario, { ...rest, orders: "same", tasks: [j3.tasks[task]] });
    assertEquals(plan(run.phases), { [run.name]: ["0.1", "0.2", "0.3"] });
    assertEquals(weights(run), [7_455_744, 16_761_600, RESNET_42]);
  });
  assertEquals(runsOf("nestednet-per-task", twoStages())[1]!.scenario.sequential, undefined);
});

Deno.test("packnet: task after task on one network, whose tasks share nothing but the trunk", () => {
  const scenario = scenarioOf({
    sequential: {},
    stem: { sharing: "size" },
    batchNorm: { affine: "shared", statistics: "recalibrated" },
  });
  const run = runOf("packnet", scenario);
  assertEquals(plan(run.phases), { a: ["0.1"], b: ["1.2"], c: ["2.3"] });
  assertEquals(run.phases.map(({ epochs }) => epochs), [5, 5, 5]);
  const { stem, batchNorm, sequential } = run.scenario;
  assertEquals([stem.sharing, batchNorm.affine, batchNorm.statistics, sequential], [
    ...["task", "private", "private"],
    undefined,
  ]);
  assertEquals(parseScenario(run.scenario), run.scenario);
});

function param(layout?: BlockLayout): Param {
  return { name: "", shape: [1], page: 0, offset: 0, length: 1, decay: true, layout };
}

/** Blocks, (output unit, input unit), that a phase freezes in a weight of so many units. */
function frozenBlocks({ frozen }: Phase, inWidths: number[], outWidths: number[]): string[] {
  const weight = param({ taps: 9, inWidths, outWidths });
  const pairs = outWidths.flatMap((_, out) => inWidths.map((_, input) => `${out},${input}`));
  return pairs.filter((_, block) => frozen?.(weight, block));
}

Deno.test("packnet freezes the trunk's blocks of the level below, and nothing else", () => {
  const [first, second, third] = runOf("packnet", scenarioOf()).phases as [Phase, Phase, Phase];
  const units = [3, 2, 3];
  assertEquals(frozenBlocks(first, units, units), []);
  assertEquals(frozenBlocks(second, units, units), ["0,0"]);
  assertEquals(frozenBlocks(third, units, units), ["0,0", "0,1", "1,0", "1,1"]);
  // The first convolution reads the stem, of one unit.
  assertEquals(frozenBlocks(second, [16], units), ["0,0"]);
  assertEquals(frozenBlocks(third, [16], units), ["0,0", "1,0"]);
  // The stem's weight, and what has no blocks: norms and heads.
  assertEquals(frozenBlocks(third, [3], [16]), []);
  assertEquals(third.frozen!(param(), 0), false);
});

Deno.test("packnet of one task freezes nothing", () => {
  const [phase, ...others] = runOf("packnet", scenarioOf({ tasks: ["a"] })).phases;
  assertEquals([phase!.frozen, others], [undefined, []]);
});

Deno.test("lwf: eq. (6) on a full network; before it the new head learns alone", () => {
  const run = runOf("lwf", twoStages({ warmupEpochs: 2 }));
  assertEquals(plan(run.phases), {
    "a": ["0.1"],
    "b head": ["1.1 head"],
    "b": ["0.1<old1/2 @1", "1.1"],
  });
  assertEquals(run.phases.map(({ epochs }) => epochs), [5, 2, 5]);
  assertEquals(run.phases.map(({ copies }) => copies), [
    undefined,
    [{ from: { task: 0, level: 1 }, to: 1 }],
    undefined,
  ]);
  const { units, levels, orders } = run.scenario;
  assertEquals([units, levels, orders], [1, [1], [[1], [1]]]);
  const { phases } = runOf("lwf", twoStages({ newTask: "fresh", warmupEpochs: 2 }));
  assert(phases.every(({ copies }) => copies === undefined));
});

Deno.test("eq. (6) of one unit and one level is lwf: the same network, the same phases", () => {
  for (const newTask of ["copy", "fresh"] as const) {
    const scenario = scenarioOf({ sequential: { newTask, warmupEpochs: 0 } });
    const lwf = runOf("lwf", scenario);
    const dvn = runOf("dvn", { ...scenario, units: 1, levels: [1], orders: [[1], [1], [1]] });
    assertEquals(lwf, { ...dvn, method: "lwf" });
  }
});

Deno.test("eq. (4) of one task is eq. (1): the same phases as nestednet of a task", () => {
  const scenario = scenarioOf();
  scenario.tasks.length = 1;
  const [nested] = runsOf("nestednet-per-task", scenario);
  assertEquals(nested!.phases, runOf("dvn", scenario).phases);
});

Deno.test("feature-extraction: the first task's network, then heads only", () => {
  const scenario = scenarioOf({ sequential: { newTask: "fresh" } });
  const { phases } = runOf("feature-extraction", scenario);
  assertEquals(plan(phases), { a: ["0.1"], b: ["1.1 head"], c: ["2.1 head"] });
  assertEquals(phases.map(({ epochs }) => epochs), [5, 5, 5]);
  assertEquals(phases.map(({ copies }) => copies), [
    undefined,
    [{ from: { task: 0, level: 1 }, to: 1 }],
    [{ from: { task: 0, level: 1 }, to: 2 }],
  ]);
});

Deno.test("da-cnn: feature extraction with two layers as wide as the features for later tasks", () => {
  const scenario = scenarioOf({ sequential: {} });
  const { phases, scenario: network } = runOf("da-cnn", scenario);
  assertEquals(phases, runOf("feature-extraction", scenario).phases);
  assertEquals(featureChannels(network.backbone), 32);
  assertEquals(network.tasks.map(({ hidden }) => hidden), [undefined, [32, 32], [32, 32]]);
});

Deno.test("fine-tuning: nothing keeps the first task", () => {
  const run = runOf("fine-tuning", twoStages());
  assertEquals(plan(run.phases), { a: ["0.1"], b: ["1.1"] });
  assertEquals(run.phases[1]!.copies, [{ from: { task: 0, level: 1 }, to: 1 }]);
  assertEquals(run.phases.map(({ frozen }) => frozen), [undefined, undefined]);
});

Deno.test("methods for tasks that arrive say which scenarios have them", () => {
  for (const name of SEQUENTIAL_ONLY) {
    assertThrows(
      () => runsOf(name, "J1"),
      RangeError,
      `${name} is for tasks that arrive one after another, and J1 trains its tasks together; use it ` +
        'with S1, S2 or a scenario of your own that has "sequential"',
    );
  }
});

const ABLATED: Record<string, (scenario: Scenario) => void> = {
  "dvn-shared-bn": ({ batchNorm }) => {
    batchNorm.affine = batchNorm.statistics = "shared";
  },
  "dvn-recalibrated-bn": ({ batchNorm }) => {
    batchNorm.affine = "shared";
    batchNorm.statistics = "recalibrated";
  },
  "dvn-distilled": ({ training }) => training.lowerLevels = "top-level",
  "dvn-sandwich": ({ training }) => training.levelSampling = "sandwich",
  "dvn-alternating": ({ training }) => training.mixing = "alternate",
  "dvn-same-order": (scenario) => scenario.orders = "same",
  "dvn-random-order": (scenario) => scenario.orders = "random",
  "dvn-reversed-order": (scenario) => scenario.orders = "reversed",
};

Deno.test("each ablation is dvn of a scenario with one choice changed", () => {
  assertEquals(ablationNames, Object.keys(ABLATED));
  for (const [name, change] of Object.entries(ABLATED)) {
    const scenario = builtInScenario("J2");
    change(scenario);
    assertEquals(runOf(name, "J2"), { ...runOf("dvn", scenario), method: name });
  }
});

Deno.test("dvn-reversed-order turns given orders round", () => {
  assertEquals(runOf("dvn-reversed-order", "J3").scenario.orders, [
    [4, 3, 2, 1],
    [4, 1, 3, 2],
    [1, 2, 4, 3],
  ]);
});

Deno.test("an ablation that would change nothing says so", () => {
  assertThrows(
    () => runOf("dvn-sandwich", "J1"),
    RangeError,
    "dvn-sandwich would train J1 as dvn does (lowest, highest and one level between in a step): " +
      "leave it out here",
  );
  const oneUnit = scenarioOf({ units: 1, orders: [[1]], tasks: ["a"] });
  for (const [name, change] of Object.entries(ABLATED)) {
    const changed = scenarioOf({ units: 4 });
    change(changed);
    assertThrows(() => runOf(name, changed), RangeError, `${name} would train three as dvn does`);
    if (name.endsWith("-bn")) continue;
    assertThrows(() => runOf(name, oneUnit), RangeError, `${name} would train three as dvn does`);
  }
});
