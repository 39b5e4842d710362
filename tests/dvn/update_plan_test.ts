import { assert, assertEquals, assertRejects } from "@std/assert";
import { identityMatrices } from "../../dvn/augmentation.ts";
import { Counters } from "../../dvn/counters.ts";
import type { ImageSet, TaskData } from "../../dvn/data.ts";
import { Evaluator } from "../../dvn/evaluate.ts";
import type { LossTerm } from "../../dvn/method.ts";
import { dvnMethod } from "../../dvn/methods/dvn.ts";
import { headLosses } from "../../dvn/methods/losses.ts";
import { DeepVirtualNetwork } from "../../dvn/network.ts";
import type { Scenario } from "../../dvn/scenario.ts";
import { compileUpdate } from "../../dvn/update_plan.ts";
import { Random } from "../../nn/random.ts";
import { testGpu } from "../gpu.ts";
import * as reference from "../reference/mod.ts";
import { assertAllClose, ReferenceNames } from "./against_reference.ts";
import { tinyScenario } from "./tiny.ts";

const BATCH = 5;
const HYPER = { learningRate: 0.1, momentum: 0.9, weightDecay: 0.01 };

/** Pictures of one shape; those of the second task are the brighter. */
const SHAPE = { height: 4, width: 4, channels: 3, maximum: 255 };
const PIXELS = 4 * 4 * 3;

class Noise implements ImageSet {
  readonly length = BATCH;

  constructor(readonly darkest: number, readonly classes: number) {}

  read(indices: Uint32Array, images: Uint8Array, labels: Uint32Array): void {
    indices.forEach((index, i) => {
      const random = new Random("noise", this.darkest, index);
      for (let at = 0; at < PIXELS; at++) {
        images[PIXELS * i + at] = this.darkest + random.below(100);
      }
      labels[i] = (2 * index + 1) % this.classes;
    });
  }
}

function noisyTask(darkest: number, classes: number): TaskData {
  const images = new Noise(darkest, classes);
  const names = Array.from({ length: classes }, (_, i) => `${i}`);
  return { ...SHAPE, classes: names, train: images, test: images };
}

const DATA = { a: noisyTask(0, 3), b: noisyTask(150, 4) };

/** Three units, two levels; task b comes after a. */
const SCENARIO: Scenario = tinyScenario({
  backbone: { kind: "custom", widths: [5, 6], blocks: 1 },
  units: 3,
  levels: [1, 3],
  sequential: {
    firstStage: "full",
    temperature: 2,
    teacherLevel: "top",
    newTask: "copy",
    warmupEpochs: 0,
  },
});
SCENARIO.training.batchSize = BATCH;

const WIDTHS = [[1, 2, 2], [2, 2, 2]];

const DVN: reference.DeepVirtualNetwork = {
  tasks: [3, 4].map((classes) => ({ shape: [BATCH, 4, 4, 3], stemStride: 1, classes })),
  stem: { channels: 5, kernel: 3, padding: 1 },
  widths: WIDTHS,
  blocks: 1,
  stemMap: reference.paddedUnits(WIDTHS[0]!, WIDTHS[0]!),
  networks: [
    { task: 0, units: [0] },
    { task: 0, units: [0, 1, 2] },
    { task: 1, units: [1] },
    { task: 1, units: [0, 1, 2] },
  ],
  batchNorm: SCENARIO.batchNorm,
};

const NAMES = new ReferenceNames(SCENARIO, DVN);

function indexOf({ task, level }: Pick<LossTerm, "task" | "level">): number {
  return 2 * task + level - 1;
}

async function makeNetwork(scenario = SCENARIO): Promise<DeepVirtualNetwork> {
  return await DeepVirtualNetwork.create(await testGpu(), scenario, DATA);
}

/** The first images of a task, as bytes, and their labels. */
function firstImages(task: string) {
  const bytes = new Uint8Array(BATCH * PIXELS), labels = new Uint32Array(BATCH);
  DATA[task as keyof typeof DATA].train.read(
    new Uint32Array(BATCH).map((_, i) => i),
    bytes,
    labels,
  );
  return { bytes, labels };
}

/**
 * Runs one update, on images as they are.
 *
 * @returns Mean loss of each network, NaN if it has none, and how many dispatches that took.
 */
async function update(
  net: DeepVirtualNetwork,
  terms: LossTerm[],
  old?: DeepVirtualNetwork,
): Promise<{ losses: number[]; dispatches: number }> {
  const counters = new Counters(
    net.gpu,
    net.costs().map(({ task, level }) => ({ task, level })),
  );
  try {
    const { plan, hyper, batches } = await compileUpdate("update", net, terms, {
      old,
      frozen: undefined,
      counters: (tape, loss) => counters.tensor(tape, indexOf(loss)),
    });
    plan.input(hyper, Float32Array).set(Object.values(HYPER));
    for (const { task, input, labels } of batches) {
      const images = firstImages(net.taskNames[task]!);
      plan.input(input.bytes, Uint8Array).set(images.bytes);
      identityMatrices(plan.input(input.matrices, Float32Array));
      if (labels) plan.input(labels, Uint32Array).set(images.labels);
    }
    plan.run();
    const scores = counters.scores(await counters.read());
    plan.destroy();
    return { losses: scores.map(({ loss }) => loss), dispatches: plan.dispatchCount };
  } finally {
    counters.destroy();
  }
}

function write(net: DeepVirtualNetwork, arrays: Iterable<[string, Float64Array]>): void {
  for (const [name, values] of arrays) net.store.write(name, Float32Array.from(values));
}

const CASES: {
  name: string;
  sequential: Partial<Scenario["sequential"]>;
  training: Partial<Scenario["training"]>;
  weights: number[];
}[] = [
  {
    name: "the old network's highest level teaches, and each task's own its lower ones",
    sequential: {},
    training: { lowerLevels: "top-level" },
    weights: [1, 1, 1, 1],
  },
  {
    name: "each level of the old network teaches itself, losses count unequally",
    sequential: { teacherLevel: "same", temperature: 3 },
    training: {},
    weights: [0.5, 1, 2, 1],
  },
];

for (const { name, sequential, training, weights } of CASES) {
  Deno.test(`an update by eq. (6) agrees with float64: ${name}`, async () => {
    const scenario: Scenario = {
      ...SCENARIO,
      sequential: { ...SCENARIO.sequential!, ...sequential },
      training: { ...SCENARIO.training, ...training },
    };
    const [run] = dvnMethod.runs(scenario);
    const [terms] = run!.phases[1]!.updates[0]!.variants;
    assertEquals(terms!.map(indexOf), [0, 1, 2, 3]);
    terms!.forEach((term, i) => term.weight = weights[i]!);

    const net = await makeNetwork(scenario);
    const before = { parameters: NAMES.randomParameters(1), running: NAMES.randomStatistics(200) };
    write(net, NAMES.parameters(before.parameters));
    write(net, NAMES.statistics(before.running));
    const old = await net.frozenCopy();
    const parameters = NAMES.randomParameters(300), running = reference.initialStatistics(DVN);
    const start = NAMES.parameters(parameters);
    write(net, start);
    write(net, NAMES.statistics(running));

    // Task a is shown task b's images, normalised as its own were.
    const { bytes, labels } = firstImages("b");
    const batches = net.tasks.map(({ scale, shift, classes: { length } }) => ({
      images: Float64Array.from(bytes, (byte, i) => byte * scale[i % 3]! + shift[i % 3]!),
      labels: labels.map((label) => label % length), // of task a they are not read
    }));
    const { logits } = reference.deepVirtualNetwork(DVN, parameters, running, batches);
    const targets = terms!.map(({ task, weight, target }): reference.Target => {
      if (!target || target.kind === "labels") return { weight };
      const { level, temperature } = target;
      const index = indexOf({ task, level });
      const oldLogits = () =>
        reference.residualNetworkInference(
          reference.cutNetwork(DVN, index),
          reference.cutParameters(DVN, before.parameters, index),
          before.running[index]!,
          batches[task]!.images,
        );
      const answer = target.kind === "level" ? logits[index]! : oldLogits();
      return { weight, teacher: { logits: answer, temperature } };
    });
    const want = reference.deepVirtualNetwork(DVN, parameters, running, batches, targets);
    const gradients = NAMES.parameters(want.backward(), reference.add);

    const oldArrays = await old.store.read();
    try {
      const { losses } = await update(net, terms!, old);
      reference.assertClose(losses, want.losses, { rtol: 1e-5, atol: 0 });
      assertAllClose(await net.store.read("gradients"), gradients);
      const updated = NAMES.statistics(want.running);
      for (const [name, weights] of start) {
        const zero = new Float64Array(weights.length);
        updated.set(name, reference.sgd(weights, zero, gradients.get(name)!, HYPER).weights);
      }
      assertAllClose(await net.store.read(), updated);
      assertEquals(await old.store.read(), oldArrays);
    } finally {
      net.destroy();
      old.destroy();
    }
  });
}

/** Statistics that are far from those of a batch. */
function disturbStatistics(net: DeepVirtualNetwork): void {
  write(net, NAMES.statistics(NAMES.randomStatistics(500)));
}

/** Names of the arrays that are not all zeros. */
function nonZero(arrays: Map<string, Float32Array>): string[] {
  return [...arrays].filter(([, values]) => values.some((value) => value !== 0))
    .map(([name]) => name).sort();
}

for (const hidden of [undefined, [6]]) {
  const layers = hidden ? "hidden layers and heads" : "heads";
  Deno.test(`losses of ${layers} change nothing else, and see features as at inference`, async () => {
    const [a, b] = SCENARIO.tasks as [Scenario["tasks"][0], Scenario["tasks"][0]];
    const scenario = { ...SCENARIO, tasks: [a, { ...b, ...hidden && { hidden } }] };
    const net = await makeNetwork(scenario);
    disturbStatistics(net);
    const evaluator = await Evaluator.create(net, 1, [1, 2], BATCH);
    try {
      const want = await evaluator.run(DATA.b.train);
      const before = await net.store.read();
      const { losses, dispatches } = await update(net, headLosses(scenario, 1));
      assertEquals(losses.slice(2), want.map(({ loss }) => loss));

      const learnt = [...net.store.params.keys()]
        .filter((name) => /^b\.level[12]\.(head|hidden1)\./.test(name)).sort();
      assertEquals(learnt.length, hidden ? 2 * 5 : 2 * 2);
      assertEquals(nonZero(await net.store.read("gradients")), learnt);
      assertEquals(nonZero(await net.store.read("momentum")), learnt);
      const after = await net.store.read();
      for (const [name, values] of before) {
        if (learnt.includes(name)) assert(values.some((value, i) => value !== after.get(name)![i]));
        else assertEquals(after.get(name), values);
      }
      // Forward as to evaluate, then a gradient for each head, and the change of them all.
      if (!hidden) assertEquals(dispatches, evaluator.plan.dispatchCount + 2 + 1);
    } finally {
      evaluator.destroy();
      net.destroy();
    }
  });
}

Deno.test("a level's head alone can learn in one update with a level that learns whole", async () => {
  const high: LossTerm = { task: 0, level: 2, weight: 1 };
  const head: LossTerm = { task: 0, level: 1, weight: 1, learns: "head" };
  const after = async (terms: LossTerm[]) => {
    const net = await makeNetwork();
    disturbStatistics(net);
    const start = await net.store.read();
    await update(net, terms);
    const arrays = await net.store.read();
    net.destroy();
    return { start, arrays };
  };
  const { start, arrays } = await after([head, high]);
  const alone = (await after([high])).arrays;
  for (const [name, values] of arrays) {
    if (!name.startsWith("a.level1.head")) assertEquals(values, alone.get(name), name);
    else assert(values.some((value, i) => value !== start.get(name)![i]), name);
  }
});

for (
  const [sharing, stemOfA, stemOfB] of [
    ["task", "stem.a", "stem.b"],
    ["size", "stem.4x4x3", "stem.4x4x3"],
  ] as const
) {
  Deno.test(`stems of sharing "${sharing}" learn from the tasks that have them`, async () => {
    const scenario = { ...SCENARIO, stem: { ...SCENARIO.stem, sharing } };
    const gradients = async (tasks: number[]) => {
      const net = await makeNetwork(scenario);
      await update(net, tasks.map((task) => ({ task, level: 2, weight: 1 })));
      const all = await net.store.read("gradients");
      net.destroy();
      return new Map([...all].filter(([name]) => name.startsWith("stem.")));
    };
    const [a, b, both] = [await gradients([0]), await gradients([1]), await gradients([0, 1])];
    const arrays = (stem: string) => [`${stem}.bn.affine`, `${stem}.conv.weight`];
    assertEquals(nonZero(a), arrays(stemOfA));
    assertEquals(nonZero(b), arrays(stemOfB));
    assertEquals([...both.keys()].sort(), [...new Set([stemOfA, stemOfB])].flatMap(arrays));
    for (const [name, values] of both) {
      const sum = a.get(name)!.map((value, i) => value + b.get(name)![i]!);
      reference.assertClose(values, sum, { rtol: 1e-5, atol: 1e-6 });
    }
  });
}

const LOSS: LossTerm = { task: 0, level: 1, weight: 1 };

for (
  const { what, terms, message } of [
    {
      what: "an old network that is not there",
      terms: [{ ...LOSS, target: { kind: "old-network", level: 2, temperature: 2 } }],
      message: "a loss compares with the old network, and there is none",
    },
    {
      what: "a level of the old network that is not there",
      terms: [{ ...LOSS, target: { kind: "old-network", level: 3, temperature: 2 } }],
      message: "task a: a loss is of level 3, and there are 1, 2",
    },
    {
      what: "a level that learns and is not there",
      terms: [{ ...LOSS, level: 0 }],
      message: "task a: a loss is of level 0, and there are 1, 2",
    },
    {
      what: "a teacher that is not in the update",
      terms: [{ ...LOSS, target: { kind: "level", level: 2, temperature: 1 } }],
      message:
        "task a: level 1 is to learn from level 2, which must be a higher one of the same update",
    },
    {
      what: "a teacher that sees other images",
      terms: [
        { ...LOSS, target: { kind: "level", level: 2, temperature: 1 } },
        { ...LOSS, level: 2, images: 1 },
      ],
      message:
        "task a: level 1 is to learn from level 2, which must be a higher one of the same update",
    },
    {
      what: "a teacher that is no higher level",
      terms: [{ ...LOSS, target: { kind: "level", level: 1, temperature: 1 } }],
      message:
        "task a: level 1 is to learn from level 1, which must be a higher one of the same update",
    },
  ] satisfies { what: string; terms: LossTerm[]; message: string }[]
) {
  Deno.test(`an update refuses ${what}`, async () => {
    const net = await makeNetwork();
    const held = net.gpu.bytesHeld;
    await assertRejects(() => update(net, terms), RangeError, message);
    assertEquals(net.gpu.bytesHeld, held);
    net.destroy();
  });
}
