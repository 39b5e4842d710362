import { assert, assertEquals, assertThrows } from "@std/assert";
import { networkCost } from "../../dvn/costs.ts";
import { parseScenario, ScenarioError } from "../../dvn/parse_scenario.ts";
import { digitsScenario } from "../../dvn/scenarios/digits.ts";

/** The least that a scenario must say. */
const MINIMAL = {
  name: "j1",
  backbone: { kind: "wrn", depth: 32, widen: 4 },
  tasks: [
    { name: "t1", dataset: "cifar-10" },
    { name: "t2", dataset: "cifar-100" },
  ],
  training: { epochs: 200 },
};

Deno.test("parseScenario() fills in the paper's choices", () => {
  assertEquals<unknown>(parseScenario(MINIMAL), {
    ...MINIMAL,
    seed: 0,
    stem: { kernel: 7, channels: 16, outputSize: 32, sharing: "task" },
    units: 2,
    unitShares: "even",
    levels: [1, 2],
    orders: "rule",
    batchNorm: {
      affine: "private",
      statistics: "private",
      momentum: 0.9,
      epsilon: 1e-5,
    },
    training: {
      epochs: 200,
      batchSize: 128,
      learningRate: 0.1,
      momentum: 0.9,
      weightDecay: 1e-4,
      decayAll: true,
      mixing: "sum",
      levelSampling: "all",
      lowerLevels: "labels",
      warmupSteps: 0,
      schedule: { kind: "step", milestones: [100, 150], factor: 0.1 },
      activations: "f32",
    },
    augmentation: { pad: 4, flip: true },
    normalization: "mean-std",
    reportedEpoch: "last",
  });
});

Deno.test("parseScenario() fills in how a sequence is learnt", () => {
  assertEquals(parseScenario({ ...MINIMAL, sequential: {} }).sequential, {
    firstStage: "full",
    temperature: 2,
    teacherLevel: "top",
    newTask: "copy",
    warmupEpochs: 0,
  });
});

Deno.test("parseScenario() takes the scenario of a run that an older version wrote", () => {
  const old = {
    ...MINIMAL,
    seed: 4,
    stem: { kernel: 7, channels: 16, outputSize: 32 },
    units: 2,
    levels: [1, 2],
    orders: "rule",
    batchNorm: { affine: "private", statistics: "private", momentum: 0.9, epsilon: 1e-5 },
    training: {
      epochs: 200,
      batchSize: 128,
      learningRate: 0.1,
      momentum: 0.9,
      weightDecay: 1e-4,
      decayAll: true,
      warmupSteps: 0,
      schedule: { kind: "step", milestones: [100, 150], factor: 0.1 },
    },
    augmentation: { pad: 4, flip: true },
    normalization: "mean-std",
  };
  // Nothing has changed its meaning.
  assertEquals(parseScenario(old), parseScenario({ ...MINIMAL, seed: 4 }));
});

Deno.test("parseScenario(): the stem is as wide as a ResNet's first stage", () => {
  const channels = (backbone: unknown) => parseScenario({ ...MINIMAL, backbone }).stem.channels;
  assertEquals(channels({ kind: "resnet", depth: 42 }), 64);
  assertEquals(channels({ kind: "custom", widths: [20, 40], blocks: 1 }), 20);
});

Deno.test("parseScenario() keeps what is given", () => {
  const given = {
    name: "J3.thirds-2_a",
    description: "J3 with four quarter-groups",
    seed: 2 ** 32 - 1,
    backbone: { kind: "resnet", depth: 42 },
    stem: { kernel: 3, channels: 16, outputSize: 64, sharing: "size" },
    units: 4,
    unitShares: [0.5, 0.25, 0.125, 0.125],
    levels: [2, 3, 4],
    orders: [[1, 2, 3, 4], [2, 3, 1, 4], [3, 4, 2, 1]],
    tasks: [
      { name: "tiny", dataset: "tiny-imagenet-200" },
      { name: "cifar", dataset: "cifar-100", classes: [7, 3] },
      { name: "stl", dataset: "stl-10", levels: [1, 3], hidden: [30, 20] },
    ],
    sequential: {
      firstStage: "full",
      temperature: 1.5,
      teacherLevel: "same",
      newTask: "fresh",
      warmupEpochs: 3,
    },
    nestedDensities: [0.25, 0.5625, 1],
    limit: { train: 5, test: 4 },
    batchNorm: {
      affine: "shared",
      statistics: "recalibrated",
      momentum: 0,
      epsilon: 0.001,
    },
    training: {
      epochs: 100,
      batchSize: 64,
      learningRate: 0.05,
      momentum: 0,
      weightDecay: 0,
      decayAll: false,
      mixing: "alternate",
      levelSampling: "sandwich",
      lowerLevels: "top-level",
      warmupSteps: 10,
      schedule: { kind: "step", milestones: [], factor: 0.2 },
      activations: "f16",
    },
    augmentation: { pad: 0, flip: false },
    normalization: "unit",
    reportedEpoch: { validation: 0.1 },
  };
  assertEquals<unknown>(parseScenario(given), given);
  assertEquals<unknown>(parseScenario(JSON.parse(JSON.stringify(given))), given);
  for (const statistics of ["private", "shared"] as const) {
    const batchNorm = { ...given.batchNorm, statistics };
    assertEquals(parseScenario({ ...given, batchNorm }).batchNorm, batchNorm);
  }
  for (const orders of ["rule", "same", "reversed", "random"]) {
    assertEquals<unknown>(parseScenario({ ...given, orders }).orders, orders);
  }
});

Deno.test("parseScenario(): fewer units than tasks, where orders do not need one a task", () => {
  for (const orders of ["same", "random", [[1], [1]]]) {
    assertEquals(parseScenario({ ...MINIMAL, units: 1, orders }).units, 1);
  }
  const { message } = assertThrows(
    () => parseScenario({ ...MINIMAL, units: 1, orders: "reversed" }),
    ScenarioError,
  );
  assertEquals(
    message,
    "units must be at least 2, since the rule gives each task a unit of its own, got 1; " +
      "or list the orders",
  );
});

Deno.test('parseScenario(): "grow" is for tasks that bring the units of a level', () => {
  const grow = (fields: object) => ({ ...MINIMAL, sequential: { firstStage: "grow" }, ...fields });
  for (const orders of ["rule", "same", [[1, 2], [1, 2]]]) parseScenario(grow({ orders }));
  const [t1, t2] = MINIMAL.tasks;
  parseScenario(grow({ tasks: [t1, { ...t2, levels: [2] }] }));
  // A third task finds all units there.
  const three = [...MINIMAL.tasks, { name: "t3", dataset: "stl-10" }];
  parseScenario(grow({ units: 2, tasks: three, orders: "same" }));

  const without = (task: string, units: string, there: number) =>
    `sequential.firstStage "grow" leaves task "${task}" without a level when it arrives: its lowest ` +
    `needs units ${units}, and those up to ${there} are there; use "full" or other orders`;
  const cases: [fields: object, problems: string[]][] = [
    [{ orders: "reversed" }, [without("t1", "2", 1)]],
    [{ levels: [2] }, [without("t1", "1, 2", 1)]],
    [{ tasks: [{ ...t1, levels: [2] }, t2] }, [without("t1", "1, 2", 1)]],
    [
      { units: 3, tasks: three, orders: [[2, 1, 3], [3, 1, 2], [1, 2, 3]] },
      [without("t1", "2", 1), without("t2", "3", 2)],
    ],
    [{ units: 3, levels: [1, 3] }, [
      'sequential.firstStage "grow" is for at most 2 units, since each task brings one, got 3; ' +
      'use "full"',
    ]],
    // Orders that are none are told first.
    [
      { orders: [[1, 2], [2, 2]] },
      ["orders[1] must hold each unit ID from 1 to 2 once, got [2,2]; missing: 1"],
    ],
  ];
  for (const [fields, problems] of cases) {
    const error = assertThrows(() => parseScenario(grow(fields)), ScenarioError);
    assertEquals((error as ScenarioError).problems, problems);
  }
  parseScenario({ ...grow({ orders: "reversed" }), sequential: { firstStage: "full" } });
});

Deno.test("parseScenario() of what it gave, also by way of JSON, is the same", () => {
  const once = parseScenario(MINIMAL);
  assertEquals(parseScenario(once), once);
  assertEquals(parseScenario(JSON.parse(JSON.stringify(once))), once);
});

Deno.test("parseScenario() leaves its argument alone and shares nothing with it", () => {
  const before = structuredClone(MINIMAL);
  const scenario = parseScenario(MINIMAL);
  scenario.tasks[0]!.name = "changed";
  scenario.tasks.pop();
  assertEquals(MINIMAL, before);
});

Deno.test("the digits scenario is a valid one, written out in full", () => {
  assertEquals(parseScenario(digitsScenario), digitsScenario);
});

Deno.test("the digits scenario: every level 1 is under 40 KB, every top level clearly above", () => {
  digitsScenario.tasks.forEach(({ classes }, task) => {
    const names = Array<string>(classes?.length ?? 10).fill("");
    const bytes = (level: number) =>
      networkCost(digitsScenario, task, level, { channels: 1, classes: names })
        .bytes;
    assert(bytes(1) < 40_000, `${bytes(1)} bytes`);
    assert(bytes(3) > 80_000, `${bytes(3)} bytes`);
  });
});

/** `MINIMAL` with one field, at a path such as "training.epochs", replaced or, if undefined, removed. */
function changed(path: string, value: unknown): unknown {
  const scenario = structuredClone(MINIMAL);
  const names = path.split(".");
  const last = names.pop()!;
  let object: Record<string, unknown> = scenario;
  for (const name of names) {
    object = (object[name] ??= {}) as Record<string, unknown>;
  }
  if (value === undefined) delete object[last];
  else object[last] = value;
  return scenario;
}

const NAME = "must be 1 to 64 letters, digits, '-', '_' or '.', " +
  "the first a letter or digit";
const TASK = { name: "t1", dataset: "digits" };

/** Where, the wrong value, and all of the message. */
const MISTAKES: [path: string, value: unknown, message: string][] = [
  // Names.
  ["name", undefined, `name ${NAME}, but is missing`],
  ["name", "../x", `name ${NAME}, got "../x"`],
  ["name", "", `name ${NAME}, got ""`],
  ["name", 3, `name ${NAME}, got 3`],
  ["description", "", 'description must be some text, got ""'],
  ["tasks.0.name", "a b", `tasks[0].name ${NAME}, got "a b"`],
  [
    "tasks.1.name",
    "t1",
    'tasks[1].name must not be that of tasks[0], got "t1"',
  ],
  // Fields nobody reads.
  [
    "training.learningrate",
    0.1,
    "training.learningrate: unknown field; did you mean learningRate?",
  ],
  ["UNITS", 2, "UNITS: unknown field; did you mean units?"],
  ["sed", 1, "sed: unknown field; did you mean seed?"],
  [
    "stem.colour",
    1,
    "stem.colour: unknown field; the fields here are kernel, channels, outputSize, sharing",
  ],
  [
    "training.schedule",
    { kind: "cosine", factor: 0.1 },
    "training.schedule.factor: unknown field; the fields here are kind",
  ],
  // Tasks.
  ["tasks", [], "tasks must be a list of at least one task, got []"],
  [
    "tasks",
    "digits",
    'tasks must be a list of at least one task, got "digits"',
  ],
  [
    "tasks",
    ["digits", TASK],
    'tasks[0] must be an object of name, dataset, classes, levels, hidden, got "digits"',
  ],
  [
    "tasks.0.dataset",
    undefined,
    "tasks[0].dataset must be some text, but is missing",
  ],
  [
    "tasks.0.classes",
    [3],
    "tasks[0].classes must be a list of at least two classes, got [3]",
  ],
  [
    "tasks.0.classes",
    [3, -1],
    "tasks[0].classes[1] must be a whole number from 0 to 1000000, got -1",
  ],
  [
    "tasks.0.classes",
    [3, 4, 3],
    "tasks[0].classes must be distinct, got 3 twice",
  ],
  ["tasks.0.levels", [], "tasks[0].levels must be a list of levels, got []"],
  [
    "tasks.0.levels",
    [0],
    "tasks[0].levels[0] must be a whole number from 1 to 1000000, got 0",
  ],
  [
    "tasks.1.levels",
    [2, 1],
    "tasks[1].levels must be increasing and of the 2 that there are, got [2,1]",
  ],
  [
    "tasks.1.levels",
    [1, 1],
    "tasks[1].levels must be increasing and of the 2 that there are, got [1,1]",
  ],
  [
    "tasks.1.levels",
    [1, 3],
    "tasks[1].levels must be increasing and of the 2 that there are, got [1,3]",
  ],
  [
    "tasks.0.hidden",
    [8, 0],
    "tasks[0].hidden[1] must be a whole number from 1 to 1000000, got 0",
  ],
  ["tasks.0.hidden", 8, "tasks[0].hidden must be a list of widths, got 8"],
  // Backbone.
  [
    "backbone.kind",
    "vgg",
    'backbone.kind must be one of "wrn", "resnet", "custom", got "vgg"',
  ],
  [
    "backbone.kind",
    "resnets",
    'backbone.kind must be one of "wrn", "resnet", "custom", got "resnets"; did you mean resnet?',
  ],
  [
    "backbone",
    "wrn",
    'backbone must be an object whose kind is one of wrn, resnet, custom, got "wrn"',
  ],
  [
    "backbone.depth",
    33,
    "backbone.depth must be 6 * blocks + 2 for a WRN, such as 14, 26 or 32, got 33",
  ],
  [
    "backbone",
    { kind: "resnet", depth: 32 },
    "backbone.depth must be 8 * blocks + 2 for a ResNet, such as 18, 34 or 42, got 32",
  ],
  [
    "backbone.widen",
    0.3,
    "backbone.widen must give whole numbers of channels, got 0.3, that is 4.8, 9.6, 19.2; " +
    "use a multiple of 1/16",
  ],
  ["backbone.widen", 0, "backbone.widen must be a number above 0, got 0"],
  [
    "backbone",
    { kind: "custom", widths: [], blocks: 1 },
    "backbone.widths must be a list of the channels of each stage, such as [16, 32, 64], got []",
  ],
  [
    "backbone",
    { kind: "custom", widths: [8, 4], blocks: 1 },
    "backbone.widths: stage2.block1: unit 1 has 2 channels, fewer than the 4 that its shortcut " +
    "brings; let no stage be narrower than the one before",
  ],
  // Stem.
  ["stem.kernel", 5, "stem.kernel must be one of 1, 3, 7, got 5"],
  [
    "stem",
    null,
    "stem must be an object of kernel, channels, outputSize, sharing, got null",
  ],
  [
    "stem.sharing",
    "tasks",
    'stem.sharing must be one of "task", "size", got "tasks"; did you mean task?',
  ],
  [
    "stem.outputSize",
    30,
    "stem.outputSize must be a multiple of 4, since 2 stages halve it, got 30",
  ],
  [
    "stem.channels",
    80,
    "stem.channels: stage1.block1: unit 1 has 32 channels, fewer than the 40 that its shortcut " +
    "brings; use 64 stem channels, or at most 32",
  ],
  // Units, levels, orders.
  ["units", 0, "units must be a whole number from 1 to 1024, got 0"],
  [
    "units",
    1,
    "units must be at least 2, since the rule gives each task a unit of its own, got 1; " +
    "or list the orders",
  ],
  [
    "units",
    65,
    "units must be at most 64, the channels of the narrowest stage, got 65",
  ],
  [
    "unitShares",
    "odd",
    'unitShares must be one of "even", got "odd"',
  ],
  [
    "unitShares",
    0.5,
    'unitShares must be "even", or a list of the share of each unit, got 0.5',
  ],
  [
    "unitShares",
    [1.5, -0.5],
    "unitShares[1] must be a number above 0, got -0.5",
  ],
  [
    "unitShares",
    [0.5, 0.25, 0.25],
    "unitShares must be one number above 0 for each of 2 units that add up to 1, " +
    "got [0.5,0.25,0.25]",
  ],
  [
    "unitShares",
    [0.5, 0.4],
    "unitShares must be one number above 0 for each of 2 units that add up to 1, " +
    "got [0.5,0.4], which add up to 0.9",
  ],
  [
    "unitShares",
    [0.001, 0.999],
    "unitShares: stage1: 64 channels cannot give each of 2 units at least one; use more channels, " +
    "fewer units or more equal shares than [0.001,0.999]",
  ],
  // A sequence of tasks, and densities for each.
  [
    "sequential",
    true,
    "sequential must be an object of firstStage, temperature, teacherLevel, newTask, warmupEpochs, " +
    "got true",
  ],
  [
    "sequential.firstStage",
    "half",
    'sequential.firstStage must be one of "full", "grow", got "half"',
  ],
  [
    "sequential.temperature",
    0,
    "sequential.temperature must be a number above 0, got 0",
  ],
  [
    "sequential.teacherLevel",
    1,
    'sequential.teacherLevel must be one of "top", "same", got 1',
  ],
  [
    "sequential.newTask",
    "copied",
    'sequential.newTask must be one of "copy", "fresh", got "copied"',
  ],
  [
    "sequential.warmupEpochs",
    0.5,
    "sequential.warmupEpochs must be a whole number from 0 to 1000000, got 0.5",
  ],
  ["nestedDensities", [], "nestedDensities must be a list of densities, got []"],
  ...[[1], [0.5, 0.75], [1, 1], [0.5, 0.6, 1], [1.5, 1]].map((
    densities,
  ): [string, unknown, string] => [
    "nestedDensities",
    densities,
    `nestedDensities must be one for each of 2 tasks, increasing, the last 1, got [${densities}]`,
  ]),
  [
    "levels",
    [2, 1],
    "levels must be increasing whole numbers that start at 1 or more and end at all 2 units, " +
    "got [2,1]",
  ],
  [
    "levels",
    [1],
    "levels must be increasing whole numbers that start at 1 or more and end at all 2 units, " +
    "got [1]",
  ],
  [
    "levels",
    2,
    "levels must be a list of numbers of units, got 2",
  ],
  [
    "orders",
    "rules",
    'orders must be one of "rule", "same", "reversed", "random", got "rules"; did you mean rule?',
  ],
  [
    "orders",
    { t1: [1, 2] },
    "orders must be the name of a rule, or a list of an order for each task, got " +
    '{"t1":[1,2]}',
  ],
  [
    "orders",
    [[1, 2]],
    "orders must have one order for each of 2 tasks, got 1",
  ],
  [
    "orders",
    [[1, 2], [2, 2]],
    "orders[1] must hold each unit ID from 1 to 2 once, got [2,2]; missing: 1",
  ],
  [
    "orders",
    [[1, 2], [2, 1, 3]],
    "orders[1] must hold each unit ID from 1 to 2 once, got [2,1,3]",
  ],
  // Training.
  [
    "training",
    undefined,
    "training must be an object of epochs, batchSize, learningRate, momentum, weightDecay, " +
    "decayAll, mixing, levelSampling, lowerLevels, warmupSteps, schedule, activations, but is missing",
  ],
  [
    "training.epochs",
    undefined,
    "training.epochs must be a whole number from 1 to 1000000, but is missing",
  ],
  [
    "training.epochs",
    1.5,
    "training.epochs must be a whole number from 1 to 1000000, got 1.5",
  ],
  [
    "training.batchSize",
    "64",
    'training.batchSize must be a whole number from 1 to 1000000, got "64"',
  ],
  [
    "training.learningRate",
    -1,
    "training.learningRate must be a number above 0, got -1",
  ],
  [
    "training.learningRate",
    NaN,
    "training.learningRate must be a number above 0, got NaN",
  ],
  [
    "training.momentum",
    1,
    "training.momentum must be a number of at least 0 and below 1, got 1",
  ],
  [
    "training.weightDecay",
    -1e-4,
    "training.weightDecay must be a number of at least 0, got -0.0001",
  ],
  [
    "training.decayAll",
    1,
    "training.decayAll must be true or false, got 1",
  ],
  [
    "training.mixing",
    "alternating",
    'training.mixing must be one of "sum", "alternate", got "alternating"; did you mean alternate?',
  ],
  [
    "training.levelSampling",
    "some",
    'training.levelSampling must be one of "all", "sandwich", got "some"',
  ],
  [
    "training.lowerLevels",
    "label",
    'training.lowerLevels must be one of "labels", "top-level", got "label"; did you mean labels?',
  ],
  [
    "training.warmupSteps",
    -1,
    "training.warmupSteps must be a whole number from 0 to 1000000, got -1",
  ],
  [
    "training.schedule",
    { kind: "linear" },
    'training.schedule.kind must be one of "step", "cosine", got "linear"',
  ],
  [
    "training.schedule",
    { kind: "step", milestones: [0], factor: 0.1 },
    "training.schedule.milestones[0] must be a number above 0, got 0",
  ],
  [
    "training.schedule",
    {},
    'training.schedule.kind must be one of "step", "cosine", but is missing',
  ],
  // The rest.
  ["seed", -1, "seed must be a whole number from 0 to 4294967295, got -1"],
  [
    "batchNorm.affine",
    "own",
    'batchNorm.affine must be one of "private", "shared", got "own"',
  ],
  [
    "batchNorm.statistics",
    "share",
    'batchNorm.statistics must be one of "private", "shared", "recalibrated", got "share"; ' +
    "did you mean shared?",
  ],
  ["batchNorm.epsilon", 0, "batchNorm.epsilon must be a number above 0, got 0"],
  [
    "augmentation.pad",
    0.5,
    "augmentation.pad must be a whole number from 0 to 1000, got 0.5",
  ],
  [
    "augmentation.flip",
    "no",
    'augmentation.flip must be true or false, got "no"',
  ],
  [
    "normalization",
    "meanstd",
    'normalization must be one of "unit", "mean-std", got "meanstd"; did you mean mean-std?',
  ],
  ["reportedEpoch", "best", 'reportedEpoch must be one of "last", got "best"'],
  [
    "reportedEpoch",
    { validation: 1 },
    "reportedEpoch.validation must be a number above 0 and below 1, got 1",
  ],
  [
    "reportedEpoch.validation",
    0,
    "reportedEpoch.validation must be a number above 0 and below 1, got 0",
  ],
  ["reportedEpoch", 0.1, "reportedEpoch must be an object of validation, got 0.1"],
];
for (const [path, value, message] of MISTAKES) {
  Deno.test(`parseScenario() says: ${message}`, () => {
    const error = assertThrows(
      () => parseScenario(changed(path, value)),
      ScenarioError,
    );
    assertEquals(error.message, message);
    assertEquals(error.problems, [message]);
  });
}

Deno.test("parseScenario() says that one task is no sequence", () => {
  const alone = { ...MINIMAL, tasks: [TASK], sequential: {} };
  assertThrows(
    () => parseScenario(alone),
    ScenarioError,
    "sequential is for at least two tasks, got 1",
  );
});

Deno.test("parseScenario() names all that is wrong at once, a line each", () => {
  const wrong = { ...MINIMAL, name: "", seeds: 3, training: { epochs: 0 } };
  const error = assertThrows(() => parseScenario(wrong), ScenarioError);
  assertEquals(error.problems, [
    "seeds: unknown field; did you mean seed?",
    `name ${NAME}, got ""`,
    "training.epochs must be a whole number from 1 to 1000000, got 0",
  ]);
  assertEquals(error.message, error.problems.join("\n"));
  assertEquals(error.name, "ScenarioError");

  const misfit = { ...MINIMAL, units: 1, stem: { outputSize: 6 } };
  const second = assertThrows(() => parseScenario(misfit), ScenarioError);
  assertEquals(second.problems.length, 2);
});

Deno.test("parseScenario() refuses what is no object, and shows long values in part", () => {
  for (const json of [null, [], "x".repeat(1000), 3, undefined]) {
    const { message } = assertThrows(
      () => parseScenario(json),
      ScenarioError,
      "the top level must be an object of name, description, seed",
    );
    assert(message.length < 300, message);
  }
});

Deno.test("parseScenario() takes __proto__ for the unknown field that it is", () => {
  const json = JSON.parse(
    JSON.stringify(MINIMAL).replace("{", '{"__proto__": {"seed": 3},'),
  );
  assertThrows(
    () => parseScenario(json),
    ScenarioError,
    "__proto__: unknown field; the fields here are name",
  );
});
