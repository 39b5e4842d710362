/** Made-up results of experiments: real networks with their costs, accuracies near the paper's. */
import type { CellNetwork, CellResult } from "../../cli/experiment/cell.ts";
import { published } from "../../cli/tables/published.ts";
import { networkCost } from "../../dvn/costs.ts";
import { taskLevels } from "../../dvn/hierarchy.ts";
import type { Run } from "../../dvn/method.ts";
import { findMethod } from "../../dvn/methods/index.ts";
import type { Scenario } from "../../dvn/scenario.ts";
import { builtInScenario } from "../../dvn/scenarios/index.ts";
import { scaleNames, scaleScenario } from "../../dvn/scenarios/scale.ts";
import { Random } from "../../nn/random.ts";

export interface FakeCell {
  scenario: string;
  method: string;
  seed: number;
  /** Default: "paper". */
  scale?: string;
  adapter?: string;
  /** Instead of the built-in ones. */
  settings?: Scenario;
  /** Percent, by index of the task and level. Default: the paper's, or 90, 70, ... */
  accuracy?: (task: number, level: number) => number;
  /** Width of the noise that is added to the default, points. */
  noise?: number;
}

export const FAKE_ADAPTER = "made-up adapter, gpu; timestamp-query";

const CLASSES: Record<string, number> = {
  "cifar-10": 10,
  "cifar-100": 100,
  "cifar-100-coarse": 20,
  "tiny-imagenet": 200,
  "stl-10": 10,
  digits: 10,
};

/** What `deno task experiment` writes of a cell. */
export function fakeCell(asked: FakeCell): CellResult {
  const { scenario, method, seed, scale = "paper", adapter = FAKE_ADAPTER } = asked;
  const settings = { ...asked.settings ?? settingsAt(scenario, scale), seed };
  const runs = findMethod(method).runs(settings);
  const accuracy = asked.accuracy ?? publishedAccuracy(asked);
  const networks = runs.flatMap((run) => fakeNetworks(run, settings, accuracy));
  const paper = paperOf(scenario);
  const tasks = settings.tasks.map(({ name, dataset, classes }, task) => {
    const images = settings.limit ?? paper?.images[task] ?? { train: 1000, test: 100 };
    return {
      name,
      dataset,
      classes: classes?.length ?? CLASSES[dataset]!,
      height: 32,
      width: 32,
      channels: 3,
      trainImages: images.train,
      testImages: images.test,
    };
  });
  return {
    scenario,
    scale,
    method,
    seed,
    settings,
    time: "2000-01-02T03:04:05.678Z",
    seconds: 60 * networks.length + seed,
    adapter,
    tasks,
    networks,
    bytesHeld: 123_456_789,
  };
}

function settingsAt(scenario: string, scale: string): Scenario {
  return scaleScenario(builtInScenario(scenario), scaleNames.find((name) => name === scale)!);
}

/** Slower by a tenth of a microsecond with each seed. */
function fakeNetworks(
  { name, scenario }: Run,
  settings: Scenario,
  accuracy: (task: number, level: number) => number,
): CellNetwork[] {
  const names = settings.tasks.map((task) => task.name);
  const rows = scenario.tasks.flatMap(({ name: task, dataset, classes }, index) => {
    const labels = Array(classes?.length ?? CLASSES[dataset]).fill("");
    return taskLevels(scenario, index).map((level) => {
      const cost = networkCost(scenario, index, level, { channels: 3, classes: labels });
      return {
        run: name,
        ...cost,
        accuracy: accuracy(names.indexOf(task), level) / 100,
        loss: 1,
        msPerImage: 0.02 + 1e-10 * cost.macs + 1e-4 * settings.seed,
        timeSource: "timestamp-query" as const,
        batch: 128,
      };
    });
  });
  return rows.map((row) => {
    const top = rows.findLast(({ task }) => task === row.task)!;
    return { ...row, speedUp: top.msPerImage / row.msPerImage };
  });
}

/** Of an ablation that of DVN. */
function publishedAccuracy({ scenario, method, seed, noise = 0 }: FakeCell) {
  const networks = paperOf(scenario)?.networks ?? [];
  const random = new Random(seed, method);
  return (task: number, level: number) => {
    const found = networks.find((network) =>
      network.method === method.replace(/^dvn-.*/, "dvn") && (network.level ?? level) === level
    );
    return (found?.accuracy[task] ?? 90 - 20 * task) + noise * (random.uniform() - 0.5);
  };
}

function paperOf(scenario: string) {
  return published.find(({ scenarios }) => scenarios.includes(scenario));
}
