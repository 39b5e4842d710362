import { backboneStages, residualBlocks, shortcutMap } from "./backbone.ts";
import { checkLevels, checkOrder, taskHierarchy, taskLevels } from "./hierarchy.ts";
import type { BackboneSpec, Scenario, TaskSpec } from "./scenario.ts";
import {
  boolean,
  kinds,
  list,
  number,
  oneOf,
  optional,
  type Reader,
  record,
  SchemaError,
  text,
  wholeNumber,
} from "./schema.ts";
import { checkShares, scenarioPartition } from "./unit_partition.ts";

/** A scenario that cannot be run. The message has a line for each field that is wrong. */
export class ScenarioError extends Error {
  /** Of what is wrong. @param problems A line for each field, with its path. */
  constructor(readonly problems: readonly string[]) {
    super(problems.join("\n"));
    this.name = "ScenarioError";
  }
}

/**
 * Checks a scenario and fills in what it leaves out.
 *
 * Needed are `name`, `backbone`, `tasks` and `training.epochs`. Else:
 * - a unit for each task, even; a level for each unit, each of them for every task; the paper's orders;
 * - a 7x7 stem for each task, of 16 channels for a WRN, 64 for a ResNet, that gives 32x32 maps;
 * - tasks learnt jointly, by one update a step of the sum of all losses, which are against the labels;
 *   in a `sequential` scenario a full first stage, temperature 2, the old network's highest level as
 *   the teacher, new tasks as copies of those before, no warm-up of heads;
 * - batches of 128, SGD at 0.1 with Nesterov momentum 0.9 and weight decay 1e-4 on all parameters, a
 *   tenth of the rate after half and three quarters of the epochs, no warm-up, all of it in 32 bits;
 * - batch norm private to each (task, level), with momentum 0.9 and epsilon 1e-5;
 * - all images, padded by 4, cropped and flipped, of mean 0 and deviation 1; the last epoch's weights;
 * - seed 0.
 *
 * @param json Parsed JSON, or any plain object. It is not modified.
 * @throws {ScenarioError} If anything is wrong: unknown fields, wrong values, parts that do not fit.
 */
export function parseScenario(json: unknown): Scenario {
  let scenario: Scenario;
  try {
    scenario = withDefaults(fields(json, ""));
  } catch (error) {
    if (!(error instanceof SchemaError)) throw error;
    throw new ScenarioError(error.problems);
  }
  const problems = [
    ...taskProblems(scenario),
    ...unitProblems(scenario),
    ...networkProblems(scenario),
    ...densityProblems(scenario),
  ];
  // These read the hierarchies, so those must be right.
  if (problems.length === 0) problems.push(...sequentialProblems(scenario));
  if (problems.length > 0) throw new ScenarioError(problems);
  return scenario;
}

const LIMIT = 1_000_000;

/** Names become folders, file names and tensor names. */
const name = text(
  "1 to 64 letters, digits, '-', '_' or '.', the first a letter or digit",
  /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/,
);
const someText = text("some text", /./);
const positive = number("a number above 0", (value) => value > 0);
const fraction = number(
  "a number of at least 0 and below 1",
  (value) => value >= 0 && value < 1,
);
const validation = number(
  "a number above 0 and below 1",
  (value) => value > 0 && value < 1,
);

const backbone: Reader<BackboneSpec> = kinds<BackboneSpec>({
  wrn: record({
    kind: oneOf("wrn"),
    depth: wholeNumber(8, 2000),
    widen: positive,
  }),
  resnet: record({ kind: oneOf("resnet"), depth: wholeNumber(10, 2000) }),
  custom: record({
    kind: oneOf("custom"),
    widths: list(
      "a list of the channels of each stage, such as [16, 32, 64]",
      wholeNumber(1, LIMIT),
    ),
    blocks: wholeNumber(1, 300),
  }),
});

const tasks: Reader<TaskSpec[]> = list(
  "a list of at least one task",
  record<TaskSpec>({
    name,
    dataset: someText,
    classes: optional(
      list("a list of at least two classes", wholeNumber(0, LIMIT), 2),
    ),
    levels: optional(list("a list of levels", wholeNumber(1, LIMIT))),
    hidden: optional(list("a list of widths", wholeNumber(1, LIMIT))),
  }),
);

/** A rule's name, or one list for each task. */
const orders: Reader<Scenario["orders"]> = (value, path) => {
  if (typeof value === "string") return oneOf("rule", "same", "reversed", "random")(value, path);
  const order = list("a list of unit IDs", wholeNumber(1, LIMIT));
  return list("the name of a rule, or a list of an order for each task", order)(value, path);
};

const stem = record({
  kernel: optional(oneOf(1, 3, 7), 7),
  channels: optional(wholeNumber(1, LIMIT)),
  outputSize: optional(wholeNumber(1, LIMIT), 32),
  sharing: optional(oneOf("task", "size"), "task"),
});

const limit = record({
  train: wholeNumber(1, LIMIT),
  test: wholeNumber(1, LIMIT),
});

const unitShares: Reader<Scenario["unitShares"]> = (value, path) => {
  if (typeof value === "string") return oneOf("even")(value, path);
  return list('"even", or a list of the share of each unit', positive)(value, path);
};

const sequential = record({
  firstStage: optional(oneOf("full", "grow"), "full"),
  temperature: optional(positive, 2),
  teacherLevel: optional(oneOf("top", "same"), "top"),
  newTask: optional(oneOf("copy", "fresh"), "copy"),
  warmupEpochs: optional(wholeNumber(0, LIMIT), 0),
});

const reportedEpoch: Reader<Scenario["reportedEpoch"]> = (value, path) => {
  if (typeof value === "string") return oneOf("last")(value, path);
  return record({ validation })(value, path);
};

const batchNorm = record({
  affine: optional(oneOf("private", "shared"), "private"),
  statistics: optional(oneOf("private", "shared", "recalibrated"), "private"),
  momentum: optional(fraction, 0.9),
  epsilon: optional(positive, 1e-5),
});

type Schedule =
  | { kind: "step"; milestones?: number[]; factor: number }
  | { kind: "cosine" };

const schedule: Reader<Schedule> = kinds<Schedule>({
  step: record({
    kind: oneOf("step"),
    milestones: optional(list("a list of epochs", positive, 0)),
    factor: optional(positive, 0.1),
  }),
  cosine: record({ kind: oneOf("cosine") }),
});

const training = record({
  epochs: wholeNumber(1, LIMIT),
  batchSize: optional(wholeNumber(1, LIMIT), 128),
  learningRate: optional(positive, 0.1),
  momentum: optional(fraction, 0.9),
  weightDecay: optional(
    number("a number of at least 0", (value) => value >= 0),
    1e-4,
  ),
  decayAll: optional(boolean, true),
  mixing: optional(oneOf("sum", "alternate"), "sum"),
  levelSampling: optional(oneOf("all", "sandwich"), "all"),
  lowerLevels: optional(oneOf("labels", "top-level"), "labels"),
  warmupSteps: optional(wholeNumber(0, LIMIT), 0),
  schedule: optional(schedule, { kind: "step", factor: 0.1 }),
  activations: optional(oneOf("f32", "f16"), "f32"),
});

const augmentation = record({
  pad: optional(wholeNumber(0, 1000), 4),
  flip: optional(boolean, true),
});

const fields = record({
  name,
  description: optional(someText),
  seed: optional(wholeNumber(0, 2 ** 32 - 1), 0),
  backbone,
  stem: (value = {}, path) => stem(value, path),
  units: optional(wholeNumber(1, 1024)),
  unitShares: optional(unitShares, "even"),
  levels: optional(list("a list of numbers of units", wholeNumber(1, LIMIT))),
  orders: optional(orders, "rule"),
  tasks,
  sequential: optional(sequential),
  nestedDensities: optional(list("a list of densities", positive)),
  limit: optional(limit),
  batchNorm: (value = {}, path) => batchNorm(value, path),
  training,
  augmentation: (value = {}, path) => augmentation(value, path),
  normalization: optional(oneOf("unit", "mean-std"), "mean-std"),
  reportedEpoch: optional(reportedEpoch, "last"),
});

/** Fills in the defaults that follow from other fields. */
function withDefaults(read: ReturnType<typeof fields>): Scenario {
  const { backbone, stem, tasks, training } = read;
  const { epochs, schedule } = training;
  const units = read.units ?? tasks.length;
  return {
    ...read,
    stem: { ...stem, channels: stem.channels ?? stemChannels(backbone) },
    units,
    levels: read.levels ?? Array.from({ length: units }, (_, i) => i + 1),
    training: {
      ...training,
      schedule: schedule.kind === "cosine" ? schedule : {
        ...schedule,
        milestones: schedule.milestones ?? [epochs / 2, epochs * 3 / 4],
      },
    },
  };
}

/** The paper's: 16 for a WRN, and as wide as the first stage for a ResNet. */
function stemChannels(backbone: BackboneSpec): number {
  switch (backbone.kind) {
    case "wrn":
      return 16;
    case "resnet":
      return 64;
    case "custom":
      return backbone.widths[0]!;
  }
}

function taskProblems({ tasks, levels: { length } }: Scenario): string[] {
  return tasks.flatMap(({ name, classes = [], levels = [] }, i) => {
    const first = tasks.findIndex((other) => other.name === name);
    const twice = classes.filter((label, at) => classes.indexOf(label) !== at);
    const fit = levels.every((level, at) => level > (levels[at - 1] ?? 0) && level <= length);
    return [
      ...first === i ? [] : [
        `tasks[${i}].name must not be that of tasks[${first}], got "${name}"`,
      ],
      ...twice.length === 0 ? [] : [
        `tasks[${i}].classes must be distinct, got ${twice[0]} twice`,
      ],
      ...fit ? [] : [
        `tasks[${i}].levels must be increasing and of the ${length} that there are, got [${levels}]`,
      ],
    ];
  });
}

function unitProblems({ units, unitShares, levels, orders, tasks }: Scenario): string[] {
  const levelProblem = checkLevels(levels, units);
  const shareProblem = checkShares(unitShares, units);
  const problems = [
    ...levelProblem ? [`levels ${levelProblem}`] : [],
    ...shareProblem ? [`unitShares ${shareProblem}`] : [],
  ];
  if (typeof orders === "string") {
    const ownUnits = orders === "rule" || orders === "reversed";
    if (!ownUnits || tasks.length <= units) return problems;
    const remedy = `units must be at least ${tasks.length}, since the rule ` +
      `gives each task a unit of its own, got ${units}; or list the orders`;
    return [...problems, remedy];
  }
  if (orders.length !== tasks.length) {
    problems.push(
      `orders must have one order for each of ${tasks.length} tasks, ` +
        `got ${orders.length}`,
    );
  }
  const wrong = orders.flatMap((order, i) => {
    const problem = checkOrder(order, units);
    return problem ? [`orders[${i}] ${problem}`] : [];
  });
  return [...problems, ...wrong];
}

function networkProblems(scenario: Scenario): string[] {
  const { backbone, stem, units, unitShares } = scenario;
  const misfit = rangeProblem(() => backboneStages(backbone));
  if (misfit) return [misfit];
  const stages = backboneStages(backbone);
  const problems: string[] = [];
  const parts = 2 ** (stages.length - 1);
  if (stem.outputSize % parts !== 0) {
    problems.push(
      `stem.outputSize must be a multiple of ${parts}, since ` +
        `${stages.length - 1} stages halve it, got ${stem.outputSize}`,
    );
  }
  const narrowest = Math.min(...stages.map(({ channels }) => channels));
  if (units > narrowest) {
    problems.push(
      `units must be at most ${narrowest}, the channels of the narrowest ` +
        `stage, got ${units}`,
    );
    return problems;
  }
  if (checkShares(unitShares, units)) return problems; // told among those of the units
  const partition = scenarioPartition(scenario);
  const tooNarrow = rangeProblem(() => {
    stages.forEach(({ channels }, i) => partition.offsets(channels, `stage${i + 1}`));
  });
  if (tooNarrow) return [...problems, `unitShares: ${tooNarrow}`];
  for (const block of residualBlocks(backbone, stem)) {
    const problem = rangeProblem(() => shortcutMap(block, partition, []));
    const field = block.inIsStem ? "stem.channels" : "backbone.widths";
    if (problem) problems.push(`${field}: ${problem}`);
  }
  return problems;
}

function densityProblems({ nestedDensities: densities, tasks }: Scenario): string[] {
  if (!densities) return [];
  const increases = densities.every((density, i) => density > (densities[i - 1] ?? 0));
  if (increases && densities.length === tasks.length && densities.at(-1) === 1) return [];
  return [
    `nestedDensities must be one for each of ${tasks.length} tasks, increasing, the last 1, ` +
    `got [${densities}]`,
  ];
}

/** A task that arrives must have a network that it can learn: with "grow", on units that have arrived. */
function sequentialProblems(scenario: Scenario): string[] {
  const { sequential, tasks, units } = scenario;
  if (!sequential) return [];
  if (tasks.length < 2) return [`sequential is for at least two tasks, got ${tasks.length}`];
  if (sequential.firstStage === "full") return [];
  const field = 'sequential.firstStage "grow"';
  if (units > tasks.length) {
    return [
      `${field} is for at most ${tasks.length} units, since each task brings one, got ${units}; ` +
      'use "full"',
    ];
  }
  return tasks.flatMap(({ name }, i) => {
    const lowest = taskHierarchy(scenario, i).unitsAt(taskLevels(scenario, i)[0]!);
    if (Math.max(...lowest) <= i + 1) return [];
    return [
      `${field} leaves task "${name}" without a level when it arrives: its lowest needs units ` +
      `${lowest.join(", ")}, and those up to ${i + 1} are there; use "full" or other orders`,
    ];
  });
}

/** What a function that checks its arguments says of them. */
function rangeProblem(check: () => unknown): string | undefined {
  try {
    check();
  } catch (error) {
    if (error instanceof RangeError) return error.message;
    throw error;
  }
}
