/** Trains the methods on the paper's scenarios at the smallest scale, on the cut-down real pictures. */
import { assert, assertEquals } from "@std/assert";
import { archiveOf, loadTasks } from "../../cli/datasets.ts";
import type { NetworkScore, TrainEvent } from "../../dvn/events.ts";
import type { LossTerm, Phase, Run } from "../../dvn/method.ts";
import { findMethod } from "../../dvn/methods/index.ts";
import type { Scenario } from "../../dvn/scenario.ts";
import { builtInScenario } from "../../dvn/scenarios/index.ts";
import { scaleScenario } from "../../dvn/scenarios/scale.ts";
import { hasReal, REAL_FOLDER } from "../datasets/sources.ts";
import { ofType, trainFresh } from "../dvn/training.ts";

type Data = Awaited<ReturnType<typeof loadTasks>>;

/** A run that was trained to its end. */
export interface Trained {
  run: Run;
  data: Data;
  /** One for each phase of the run. */
  phases: TrainedPhase[];
}

interface TrainedPhase {
  /** Scores on training images, report after report. */
  reports: NetworkScore[][];
  /** Scores on the test images, at the phase's end. */
  test: NetworkScore[];
}

/** One of the paper's scenarios as `--scale ci` makes it. */
export function smallScenario(name: string): Scenario {
  return scaleScenario(builtInScenario(name), "ci");
}

/** A test that needs a scenario's pictures, and is skipped where they are not. */
export async function testOn({ tasks }: Scenario, name: string, fn: () => Promise<void>) {
  const folders = tasks.map(({ dataset }) => archiveOf(dataset).folder);
  const found = await Promise.all(folders.map(hasReal));
  Deno.test({ name, ignore: found.includes(false), fn });
}

const loaded = new Map<string, Promise<Data>>();

/** The pictures of a scenario, read once. */
function load(scenario: Scenario): Promise<Data> {
  let data = loaded.get(scenario.name);
  if (!data) loaded.set(scenario.name, data = loadTasks(scenario, REAL_FOLDER));
  return data;
}

/** Trains all runs of a method, and checks what holds for all: they go to their end, and losses fall. */
export async function trainMethod(method: string, scenario: Scenario): Promise<Trained[]> {
  const data = await load(scenario);
  const trained: Trained[] = [];
  for (const run of findMethod(method).runs(scenario)) {
    const events = await trainFresh(run.scenario, { data, run, evaluateEvery: Infinity });
    checkIsDone(events, data);
    const phases = phasesOf(events);
    assertEquals(phases.length, run.phases.length);
    run.phases.forEach((phase, i) => checkLosses(run, phase, phases[i]!));
    trained.push({ run, data, phases });
  }
  return trained;
}

function phasesOf(events: TrainEvent[]): TrainedPhase[] {
  const phases: TrainedPhase[] = [];
  for (const event of events) {
    if (event.type === "phase") phases.push({ reports: [], test: [] });
    if (event.type === "step") phases.at(-1)!.reports.push(event.networks);
    if (event.type === "evaluation") phases.at(-1)!.test = event.networks;
  }
  return phases;
}

/** All steps are done, and each network was tested on all test images. */
function checkIsDone(events: TrainEvent[], data: Data): void {
  const [start] = ofType(events, "start");
  const [end] = ofType(events, "end");
  assertEquals([end!.step, end!.interrupted], [start!.steps, false]);
  const { step, networks } = ofType(events, "evaluation").at(-1)!;
  assertEquals(step, start!.steps);
  assertEquals(
    networks.map(({ task, level, count }) => [task, level, count]),
    start!.networks.map(({ task, level }) => [task, level, data[task]!.test.length]),
  );
}

/** Nats that a loss must fall by from the first quarter of a phase to the last; a tenth and more is usual. */
const LEAST_FALL = 0.03;

/** What tells an earlier task to answer as before is least at the outset: it must only not rise by more. */
const MOST_RISE = 0.05;

function checkLosses({ method, scenario }: Run, phase: Phase, { reports }: TrainedPhase): void {
  for (const { task, level, target } of lossesOf(phase)) {
    const { name } = scenario.tasks[task]!;
    const losses = reports.flat().filter((score) => score.task === name && score.level === level)
      .map(({ loss }) => loss);
    const quarter = Math.floor(losses.length / 4);
    const [first, last] = [mean(losses.slice(0, quarter)), mean(losses.slice(-quarter))];
    const least = target?.kind === "old-network" ? -MOST_RISE : LEAST_FALL;
    assert(
      first - last > least,
      `${method}, phase ${phase.name}, ${name} level ${level}: loss ${first} -> ${last}`,
    );
  }
}

function lossesOf({ updates }: Phase): LossTerm[] {
  return updates.flatMap(({ variants }) => variants.flat());
}

/**
 * Datasets, and how far beyond guessing answers must be, in standard deviations: a third or less of what
 * seed 1 gives. For Tiny ImageNet of training images in the second half, as with five test images of a
 * class nothing shows after so few steps; for the others of all test images.
 */
const LEAST_BEYOND: Record<string, number> = {
  "cifar-10": 5,
  "cifar-100-coarse": 4,
  "cifar-100": 1,
  "stl-10": 3,
  "tiny-imagenet": 0.8,
};

/** The answers of all networks of a run, taken together by dataset, beat guessing. */
export function checkAnswers(trained: Trained): void {
  const { run, data } = trained;
  for (const dataset of new Set(run.scenario.tasks.map(({ dataset }) => dataset))) {
    const tasks = run.scenario.tasks.filter((task) => task.dataset === dataset)
      .map(({ name }) => name);
    const scores = dataset === "tiny-imagenet"
      ? laterTraining(trained)
      : trained.phases.at(-1)!.test;
    const own = scores.filter(({ task }) => tasks.includes(task));
    const beyond = beyondGuessing(data, own);
    assert(
      beyond > LEAST_BEYOND[dataset]!,
      `${run.method}, ${dataset}: ${beyond} standard deviations beyond guessing`,
    );
  }
}

/** Scores in the second half of each phase, on the images that it trains on, of networks that learn their labels. */
function laterTraining({ run, phases }: Trained): NetworkScore[] {
  return phases.flatMap(({ reports }, i) => {
    const phase = run.phases[i]!;
    const labelled = lossesOf(phase).filter(({ target }) => target?.kind !== "old-network")
      .map(({ task }) => run.scenario.tasks[task]!.name);
    return reports.slice(reports.length / 2).flat()
      .filter(({ task }) => labelled.includes(task));
  });
}

/**
 * How far some tasks' accuracy is above that of guesses, in standard deviations of guesses, one for each
 * image. That all networks of a task see the same images is allowed for as if they always agreed: no
 * number of networks makes up for few images.
 *
 * @param scores Of tasks that have equally many classes.
 */
function beyondGuessing(data: Data, scores: readonly NetworkScore[]): number {
  const tasks = new Set(scores.map(({ task }) => task));
  let [hits, images, chance] = [0, 0, 0];
  for (const task of tasks) {
    const own = scores.filter((score) => score.task === task);
    const networks = new Set(own.map(({ level }) => level)).size;
    hits += sum(own, ({ accuracy, count }) => accuracy * count) / networks;
    images += sum(own, ({ count }) => count) / networks;
    chance = 1 / data[task]!.classes.length;
  }
  return (hits - images * chance) / Math.sqrt(images * chance * (1 - chance));
}

function mean(values: readonly number[]): number {
  return sum(values, (value) => value) / values.length;
}

function sum<T>(items: readonly T[], of: (item: T) => number): number {
  return items.reduce((total, item) => total + of(item), 0);
}
