import {
  assert,
  assertAlmostEquals,
  assertEquals,
  assertStringIncludes,
  assertThrows,
} from "@std/assert";
import { backboneStages, stemStride } from "../../dvn/backbone.ts";
import { networkCost } from "../../dvn/costs.ts";
import { taskHierarchy } from "../../dvn/hierarchy.ts";
import { parseScenario, ScenarioError } from "../../dvn/parse_scenario.ts";
import type { Scenario } from "../../dvn/scenario.ts";
import { builtInScenario, paperScenarioNames, scenarioNames } from "../../dvn/scenarios/index.ts";
import {
  describeScale,
  type Scale,
  scaleNames,
  scaleScenario,
  scenarioWithEpochs,
  withEpochs,
} from "../../dvn/scenarios/scale.ts";
import { learningRate } from "../../dvn/schedule.ts";

/** Side of the pictures and classes of each dataset that the scenarios name. */
const DATASETS: Record<string, { side: number; classes: number }> = {
  "cifar-10": { side: 32, classes: 10 },
  "cifar-100": { side: 32, classes: 100 },
  "cifar-100-coarse": { side: 32, classes: 20 },
  "stl-10": { side: 96, classes: 10 },
  "tiny-imagenet": { side: 64, classes: 200 },
};

/** Cost of each level of a task. */
function costs(scenario: Scenario, task: number) {
  const { dataset, classes } = scenario.tasks[task]!;
  const count = classes?.length ?? DATASETS[dataset]!.classes;
  const data = { channels: 3, classes: Array<string>(count).fill("") };
  return scenario.levels.map((_, i) => networkCost(scenario, task, i + 1, data));
}

Deno.test("the built-in scenarios are valid ones, written out in full", () => {
  assertEquals(scenarioNames, ["digits", ...paperScenarioNames]);
  assertEquals(paperScenarioNames, ["J1", "J2", "J3", "J3-thirds", "H1", "S1", "S2"]);
  for (const name of scenarioNames) {
    const scenario = builtInScenario(name);
    assertEquals(scenario.name, name);
    assertEquals(parseScenario(scenario), scenario);
    assertEquals(parseScenario(JSON.parse(JSON.stringify(scenario))), scenario);
  }
});

Deno.test("builtInScenario() takes any case and gives a copy each time", () => {
  const scenario = builtInScenario("j3-THIRDS");
  assertEquals(scenario, builtInScenario("J3-thirds"));
  scenario.batchNorm.momentum = 0;
  scenario.stem.channels = 1;
  scenario.tasks.pop();
  assertEquals(builtInScenario("J3-thirds").tasks.length, 3);
  // Those that share parts of their data, too.
  for (const name of ["J2", "J3", "J3-thirds"]) {
    assertEquals(builtInScenario(name).batchNorm.momentum, 0.9);
    assertEquals(builtInScenario(name).stem.channels, 64);
  }
});

Deno.test("builtInScenario() names those it knows when asked for another", () => {
  assertThrows(
    () => builtInScenario("J4"),
    RangeError,
    'no built-in scenario is named "J4"; there are digits, J1, J2, J3, J3-thirds, H1, S1, S2',
  );
});

/** Convolution weights of each level, which the paper prints, but for S1 and S2, in millions. */
const WEIGHTS: Record<string, number[]> = {
  J1: [1_838_592, 7_345_152],
  H1: [1_838_592, 7_345_152],
  J2: [1_868_544, 7_455_744, 16_761_600, 29_786_112],
  J3: [7_455_744, 16_761_600, 29_786_112],
  S1: [1_838_592, 7_345_152],
  S2: [7_345_152, 29_362_176],
};
for (const [name, weights] of Object.entries(WEIGHTS)) {
  Deno.test(`${name}: each task's levels have the paper's weights`, () => {
    const scenario = builtInScenario(name);
    scenario.tasks.forEach((_, task) => {
      const trunks = costs(scenario, task).map((cost) => cost.parameters.trunk);
      assertEquals(trunks, weights);
    });
  });
}

const DENSITIES: Record<string, number[]> = {
  J1: [1 / 4, 1],
  H1: [1 / 4, 1],
  J2: [1 / 16, 4 / 16, 9 / 16, 1],
  J3: [4 / 16, 9 / 16, 1],
  "J3-thirds": [1 / 9, 4 / 9, 1],
  S1: [1 / 4, 1],
  S2: [1 / 4, 1],
};
for (const [name, densities] of Object.entries(DENSITIES)) {
  Deno.test(`${name}: each task's levels have the paper's densities`, () => {
    const scenario = builtInScenario(name);
    scenario.tasks.forEach((_, task) => {
      // Thirds of 64 channels are 21, 21 and 22.
      const tolerance = name === "J3-thirds" ? 0.006 : 0.001;
      costs(scenario, task).forEach(({ density }, i) =>
        assertAlmostEquals(density, densities[i]!, tolerance)
      );
    });
  });
}

Deno.test("J3: sliding pairs, then threes, then all", () => {
  const scenario = builtInScenario("J3");
  const units = scenario.tasks.map((_, task) =>
    scenario.levels.map((_, i) => taskHierarchy(scenario, task).unitsAt(i + 1))
  );
  assertEquals(units, [
    [[1, 2], [1, 2, 3], [1, 2, 3, 4]],
    [[2, 3], [2, 3, 1], [2, 3, 1, 4]],
    [[3, 4], [3, 4, 2], [3, 4, 2, 1]],
  ]);
});

Deno.test("J2: each class of Tiny ImageNet is in one of four tasks of 50", () => {
  const { tasks } = builtInScenario("J2");
  assertEquals(tasks.map(({ classes }) => classes!.length), [50, 50, 50, 50]);
  const all = tasks.flatMap(({ classes }) => classes!);
  assertEquals(all, Array.from({ length: 200 }, (_, label) => label));
});

Deno.test("S1: halves of CIFAR-10; S2: CIFAR-10, then CIFAR-100", () => {
  const { tasks } = builtInScenario("S1");
  assertEquals(tasks.map(({ dataset }) => dataset), ["cifar-10", "cifar-10"]);
  assertEquals(tasks.map(({ classes }) => classes), [[0, 1, 2, 3, 4], [5, 6, 7, 8, 9]]);
  assertEquals(
    builtInScenario("S2").tasks,
    ["cifar-10", "cifar-100"].map((name) => ({ name, dataset: name })),
  );
});

Deno.test("S1 and S2, and no others, are learnt in sequence", () => {
  const names = scenarioNames.filter((name) => builtInScenario(name).sequential);
  assertEquals(names, ["S1", "S2"]);
});

Deno.test("the densities that nested tasks have in the paper", () => {
  // J1 and J2 have the default, j / k.
  const given = scenarioNames.map((name) => [name, builtInScenario(name).nestedDensities] as const);
  assertEquals(given.filter(([, densities]) => densities), [
    ["J3", [0.25, 0.5625, 1]],
    ["J3-thirds", [0.25, 0.5625, 1]],
    ["H1", [0.25, 1]],
  ]);
});

Deno.test("the paper's datasets fit the stems at every scale", () => {
  for (const name of paperScenarioNames) {
    for (const scale of scaleNames) {
      const { stem, tasks } = scaleScenario(builtInScenario(name), scale);
      for (const { dataset } of tasks) {
        const { side } = DATASETS[dataset]!;
        const stride = stemStride(
          { height: side, width: side },
          stem.outputSize,
        );
        assertEquals(stride, side / stem.outputSize);
      }
    }
  }
});

Deno.test("J1, H1 and S2: 80,000 steps; a tenth of the rate from 40,000 and 60,000 on", () => {
  for (const name of ["J1", "H1", "S2"]) {
    const { training } = builtInScenario(name);
    const steps = Math.ceil(50_000 / training.batchSize);
    assertEquals(Math.round(training.epochs * steps / 1000), 80);
    const rate = (step: number) => learningRate(step, steps, training);
    assertAlmostEquals(rate(0), 0.1);
    assertAlmostEquals(rate(39_990), 0.1);
    assertAlmostEquals(rate(40_010), 0.01);
    assertAlmostEquals(rate(59_990), 0.01);
    assertAlmostEquals(rate(60_010), 0.001);
    assertAlmostEquals(rate(80_000), 0.001);
  }
});

/** All of a scenario that no scale may touch: what it may is put to one value. */
function kept({ stem, training, sequential, ...rest }: Scenario): unknown {
  const { schedule } = training;
  return {
    ...rest,
    sequential: sequential && { ...sequential, warmupEpochs: 0 },
    ...{ name: "", backbone: undefined, limit: undefined },
    stem: { ...stem, channels: 0, outputSize: 0 },
    training: {
      ...training,
      epochs: 0,
      batchSize: 0,
      schedule: { ...schedule, milestones: [] },
    },
  };
}

/** Parts of the run after which the rate falls. */
function falls({ training: { epochs, schedule } }: Scenario): number[] {
  const milestones = schedule.kind === "step" ? schedule.milestones : [];
  assertEquals(milestones.length, 2);
  return milestones.map((milestone) => milestone / epochs);
}

for (const name of paperScenarioNames) {
  Deno.test(`${name}: a scale changes only width, depth, epochs, images, and on processors batch and map size`, () => {
    const paper = builtInScenario(name);
    assertEquals(scaleScenario(paper, "paper"), paper);
    assertEquals(describeScale(paper, paper), "");
    for (const scale of ["gpu-30min", "cpu-30min", "ci"] as const) {
      const scaled = scaleScenario(paper, scale);
      assertEquals(scaled.name, `${name}-${scale}`);
      assertEquals(parseScenario(scaled), scaled);
      assertEquals(kept(scaled), kept(paper));
      assertEquals(paper, builtInScenario(name));

      // The shape stays: equally many stages, each as much narrower as the stem.
      const widths = backboneStages(scaled.backbone).map((s) => s.channels);
      const ratio = paper.stem.channels / scaled.stem.channels;
      assert(ratio > 1);
      assertEquals(
        widths.map((width) => width * ratio),
        backboneStages(paper.backbone).map((s) => s.channels),
      );
      assertEquals(scaled.sequential?.warmupEpochs, paper.sequential && 1);
      // The rate falls after the same part of the run.
      const before = falls(paper);
      falls(scaled).forEach((part, i) => assertAlmostEquals(part, before[i]!));

      const sizes = [paper, scaled].map(({ stem, training }) => [
        training.batchSize,
        stem.outputSize,
      ]);
      const small: Partial<Record<Scale, number[]>> = { "cpu-30min": [32, 16], ci: [64, 8] };
      assertEquals(sizes[1], small[scale] ?? sizes[0]);
      // Even thirds of few channels are less even.
      const tolerance = name === "J3-thirds" && scale === "ci" ? 0.05 : 0.03;
      costs(scaled, 0).forEach(({ density }, i) =>
        assertAlmostEquals(density, DENSITIES[name]![i]!, tolerance)
      );
    }
  });
}

Deno.test("describeScale() says what was and what is", () => {
  const paper = builtInScenario("J1");
  assertEquals(
    describeScale(paper, scaleScenario(paper, "ci")),
    "widths 64,128,256 -> 16,32,64; blocks a stage 5 -> 1; stem channels 16 -> 4; " +
      "map size 32 -> 8; epochs 205 -> 2; batch size 128 -> 64; " +
      "training images a task all -> 1000; test images a task all -> 2000",
  );
});

Deno.test("describeScale() tells the epochs of a head's warm-up, too", () => {
  const paper = builtInScenario("S1");
  assertStringIncludes(
    describeScale(paper, scaleScenario(paper, "gpu-30min")),
    "epochs 205 -> 20; warm-up epochs 10 -> 1; training images",
  );
});

Deno.test("scenarioWithEpochs() shortens a head's warm-up in proportion, to one epoch at least", () => {
  const s1 = builtInScenario("S1");
  const { warmupEpochs } = s1.sequential!;
  const warmUp = (epochs: number) => scenarioWithEpochs(s1, epochs).sequential!.warmupEpochs;
  assertEquals([1, 60, 82, 410].map(warmUp), [1, 3, 4, 2 * warmupEpochs]);
  const none = { ...s1, sequential: { ...s1.sequential!, warmupEpochs: 0 } };
  assertEquals(scenarioWithEpochs(none, 82), { ...none, training: withEpochs(none.training, 82) });
  const j1 = builtInScenario("J1");
  assertEquals(scenarioWithEpochs(j1, 82), { ...j1, training: withEpochs(j1.training, 82) });
  assert(!("sequential" in scenarioWithEpochs(j1, 82)));
});

Deno.test("withEpochs() moves the milestones along", () => {
  const { training } = builtInScenario("J2");
  assertEquals(withEpochs(training, 10), {
    ...training,
    epochs: 10,
    schedule: { kind: "step", milestones: [5, 7.5], factor: 0.1 },
  });
  const cosine = builtInScenario("digits").training;
  assertEquals(withEpochs(cosine, 3), { ...cosine, epochs: 3 });
});

Deno.test("parseScenario() checks the limit of images", () => {
  const scenario = builtInScenario("J1");
  const limit = { train: 50, test: 20 };
  assertEquals(parseScenario({ ...scenario, limit }).limit, limit);
  assert(!("limit" in parseScenario(scenario)));
  const cases: [limit: unknown, message: string][] = [
    [
      { train: 50 },
      "limit.test must be a whole number from 1 to 1000000, but is missing",
    ],
    [
      { train: 0, test: 20 },
      "limit.train must be a whole number from 1 to 1000000, got 0",
    ],
    [100, "limit must be an object of train, test, got 100"],
  ];
  for (const [wrong, message] of cases) {
    const error = assertThrows(
      () => parseScenario({ ...scenario, limit: wrong }),
      ScenarioError,
    );
    assertEquals((error as ScenarioError).problems, [message]);
  }
});
