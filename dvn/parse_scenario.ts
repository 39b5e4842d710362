import { backboneStages, residualBlocks, shortcutMap } from "./backbone.ts";
import { checkLevels, checkOrder } from "./hierarchy.ts";
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
import { UnitPartition } from "./unit_partition.ts";

/** A scenario that cannot be run. The message has a line for each field that is wrong. */
export class ScenarioError extends Error {
  constructor(readonly problems: readonly string[]) {
    super(problems.join("\n"));
    this.name = "ScenarioError";
  }
}

/**
 * Checks a scenario and fills in what it leaves out.
 *
 * Needed are `name`, `backbone`, `tasks` and `training.epochs`. Else: a unit for each task, a level
 * for each unit, the paper's orders; a 7x7 stem of 16 channels for a WRN, 64 for a ResNet, that gives
 * 32x32 maps; batches of 128, SGD at 0.1 with Nesterov momentum 0.9 and weight decay 1e-4 on all
 * parameters, a tenth of the rate after half and three quarters of the epochs; batch norm private to
 * each (task, level); all images, padded by 4, cropped and flipped, of mean 0 and deviation 1; seed 0.
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
  ];
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
const part = number("a number between 0 and 1", (value) => value > 0 && value < 1);
const sharing = oneOf("private", "shared");

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

/** The paper's rule, or one list for each task. */
const orders: Reader<Scenario["orders"]> = (value, path) => {
  if (typeof value === "string") return oneOf("rule", "same", "reversed", "random")(value, path);
  const order = list("a list of unit IDs", wholeNumber(1, LIMIT));
  return list('"rule", or a list of an order for each task', order)(
    value,
    path,
  );
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
  return list('"even", or a list of the part of each unit', positive)(value, path);
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
  return record({ validation: part })(value, path);
};

const batchNorm = record({
  affine: optional(sharing, "private"),
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
  nestedDensities: optional(list("a list of parts of the parameters", positive)),
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

function taskProblems({ tasks }: Scenario): string[] {
  return tasks.flatMap(({ name, classes = [] }, i) => {
    const first = tasks.findIndex((other) => other.name === name);
    const twice = classes.filter((label, at) => classes.indexOf(label) !== at);
    return [
      ...first === i ? [] : [
        `tasks[${i}].name must not be that of tasks[${first}], got "${name}"`,
      ],
      ...twice.length === 0 ? [] : [
        `tasks[${i}].classes must be distinct, got ${twice[0]} twice`,
      ],
    ];
  });
}

function unitProblems({ units, levels, orders, tasks }: Scenario): string[] {
  const problem = checkLevels(levels, units);
  const problems = problem ? [`levels ${problem}`] : [];
  if (typeof orders === "string") {
    if (tasks.length <= units) return problems;
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

function networkProblems({ backbone, stem, units, unitShares }: Scenario): string[] {
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
  const partition = new UnitPartition(units, unitShares);
  for (const block of residualBlocks(backbone, stem)) {
    const problem = rangeProblem(() => shortcutMap(block, partition, []));
    const field = block.inIsStem ? "stem.channels" : "backbone.widths";
    if (problem) problems.push(`${field}: ${problem}`);
  }
  return problems;
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
