import { assertEquals } from "@std/assert";
import { Counters } from "../../dvn/counters.ts";
import type { TaskData } from "../../dvn/data.ts";
import { DeepVirtualNetwork } from "../../dvn/network.ts";
import type { Scenario } from "../../dvn/scenario.ts";
import { crossEntropy } from "../../nn/ops/cross_entropy.ts";
import { sgd } from "../../nn/optim/sgd.ts";
import { Tape } from "../../nn/tape.ts";
import { testGpu } from "../gpu.ts";
import * as reference from "../reference/mod.ts";
import { assertAllClose, ReferenceNames } from "./against_reference.ts";
import { tinyScenario } from "./tiny.ts";

const { assertClose, random } = reference;

const BATCH = 5;
const HYPER = { learningRate: 0.1, momentum: 0.9, weightDecay: 0.01 };

/** Two tasks of other pictures and classes, three units of other widths, two levels, two blocks a stage. */
const SCENARIO: Scenario = tinyScenario({
  backbone: { kind: "custom", widths: [8, 10], blocks: 2 },
  stem: { kernel: 3, channels: 7, outputSize: 4, sharing: "task" },
  units: 3,
  levels: [1, 3],
});

const none = {
  length: 1,
  read: (_: Uint32Array, images: Uint8Array) => void images.fill(1),
};

const DATA: Record<string, TaskData> = {
  a: {
    classes: ["0", "1", "2"],
    ...{ height: 4, width: 4, channels: 1, maximum: 255 },
    train: none,
    test: none,
  },
  b: {
    classes: ["0", "1", "2", "3", "4"],
    ...{ height: 8, width: 8, channels: 3, maximum: 255 },
    train: none,
    test: none,
  },
};

/** The same networks, as the reference describes them; units as tests/dvn checks them. */
const WIDTHS = [[2, 3, 3], [3, 3, 4]];

const DVN: reference.DeepVirtualNetwork = {
  tasks: [
    { shape: [BATCH, 4, 4, 1], stemStride: 1, classes: 3 },
    { shape: [BATCH, 8, 8, 3], stemStride: 2, classes: 5 },
  ],
  stem: { channels: 7, kernel: 3, padding: 1 },
  widths: WIDTHS,
  blocks: 2,
  stemMap: reference.paddedUnits([2, 2, 3], WIDTHS[0]!),
  networks: [
    { task: 0, units: [0] },
    { task: 0, units: [0, 1, 2] },
    { task: 1, units: [1] },
    { task: 1, units: [0, 1, 2] },
  ],
  batchNorm: SCENARIO.batchNorm,
};

const TASKS = ["a", "b"];

const BATCHES: reference.Batch[] = DVN.tasks.map((
  { shape, classes },
  task,
) => ({
  images: random(shape, 50 + task),
  labels: Uint32Array.from({ length: BATCH }, (_, i) => (2 * i + 1) % classes),
}));

const NAMES = new ReferenceNames(SCENARIO, DVN);

function padded(
  images: Float64Array,
  channels: number,
): Float32Array {
  const stored = new Float32Array(images.length / channels * 4);
  images.forEach((value, i) => {
    stored[Math.floor(i / channels) * 4 + i % channels] = value;
  });
  return stored;
}

Deno.test("a step of all networks agrees with float64: losses, gradients, statistics, update", async () => {
  const gpu = await testGpu();
  const parameters = NAMES.randomParameters(100);
  const statistics = reference.initialStatistics(DVN);
  const want = reference.deepVirtualNetwork(
    DVN,
    parameters,
    statistics,
    BATCHES,
  );
  const start = NAMES.parameters(parameters);
  const gradients = NAMES.parameters(want.backward(), reference.add);

  const net = await DeepVirtualNetwork.create(gpu, SCENARIO, DATA);
  const networks = net.tasks.flatMap((_, task) => [1, 2].map((level) => ({ task, level })));
  assertEquals(
    networks.map(({ task, level }) => ({
      task,
      units: [...net.hierarchies[task]!.activeUnits(level)],
    })),
    DVN.networks,
  );
  const counters = new Counters(
    gpu,
    networks.map(({ task, level }) => ({ task: TASKS[task]!, level })),
  );
  for (const [name, values] of start) {
    net.store.write(name, Float32Array.from(values));
  }

  const tape = new Tape(gpu);
  const inputs = DVN.tasks.map(({ shape: [n, h, w] }, task) => {
    const images = tape.input("images", [n, h, w, 4]);
    const labels = tape.input("labels", [n]);
    const stem = net.stem(tape, task, images, "training");
    const logits = [1, 2].map((level) => {
      const mark = tape.mark();
      const logits = tape.output(net.forward(tape, task, level, stem, "training"));
      const index = 2 * task + level - 1;
      crossEntropy(tape, logits, labels, {
        counters: counters.tensor(tape, index),
      });
      tape.backward(mark);
      return logits;
    });
    tape.backward();
    return { images, labels, logits };
  });
  const hyper = tape.input("hyper", [3]);
  sgd(tape, net.store, hyper);
  const plan = await tape.compile("step");
  try {
    inputs.forEach(({ images, labels }, task) => {
      const batch = BATCHES[task]!, channels = DVN.tasks[task]!.shape[3];
      plan.input(images, Float32Array).set(padded(batch.images, channels));
      plan.input(labels, Uint32Array).set(Uint32Array.from(batch.labels));
    });
    plan.input(hyper, Float32Array).set(Object.values(HYPER));
    plan.run();

    const scores = counters.scores(await counters.read());
    assertClose(scores.map(({ loss }) => loss), want.losses, {
      rtol: 1e-5,
      atol: 0,
    });
    for (
      const [i, logits] of inputs.flatMap(({ logits }) => logits).entries()
    ) {
      const tolerance = { rtol: 1e-4, atol: 1e-4 };
      assertClose(await plan.read(logits), want.logits[i]!, tolerance);
    }
    assertAllClose(await net.store.read("gradients"), gradients);

    const updated = NAMES.statistics(want.running);
    for (const [name, weights] of start) {
      const zero = new Float64Array(weights.length);
      const { decay } = net.store.params.get(name)!;
      const step = reference.sgd(weights, zero, gradients.get(name)!, {
        ...HYPER,
        weightDecay: decay ? HYPER.weightDecay : 0,
      });
      updated.set(name, step.weights);
    }
    assertAllClose(await net.store.read(), updated);
  } finally {
    plan.destroy();
    counters.destroy();
    net.destroy();
  }
});

Deno.test("inference agrees with float64", async () => {
  const gpu = await testGpu();
  const parameters = NAMES.randomParameters(100);
  const statistics = NAMES.randomStatistics(1000);
  const net = await DeepVirtualNetwork.create(gpu, SCENARIO, DATA);
  const start = [...NAMES.parameters(parameters), ...NAMES.statistics(statistics)];
  for (const [name, values] of start) {
    net.store.write(name, Float32Array.from(values));
  }
  for (const [index, { task }] of DVN.networks.entries()) {
    const { shape } = DVN.tasks[task]!, { images } = BATCHES[task]!;
    const tape = new Tape(gpu);
    const [n, h, w, channels] = shape;
    const x = tape.input("images", [n, h, w, 4]);
    const stem = net.stem(tape, task, x, "inference");
    const level = index % 2 + 1;
    const logits = tape.output(net.forward(tape, task, level, stem, "inference"));
    const plan = await tape.compile("inference");
    plan.input(x, Float32Array).set(padded(images, channels));
    plan.run();
    const want = reference.residualNetworkInference(
      reference.cutNetwork(DVN, index),
      reference.cutParameters(DVN, parameters, index),
      statistics[index]!,
      images,
    );
    const most = want.reduce((a, b) => Math.max(a, Math.abs(b)), 0);
    assertClose(await plan.read(logits), want, {
      rtol: 1e-4,
      atol: 1e-5 * most,
    });
    plan.destroy();
  }
  net.destroy();
});
