/** A step of two tasks at all levels: as the float64 reference does it, and as the library does. */
import { Counters } from "../../dvn/counters.ts";
import type { TaskData } from "../../dvn/data.ts";
import { DeepVirtualNetwork } from "../../dvn/network.ts";
import type { Scenario } from "../../dvn/scenario.ts";
import type { Gpu } from "../../nn/gpu/gpu.ts";
import { crossEntropy } from "../../nn/ops/cross_entropy.ts";
import type { LossScale } from "../../nn/optim/loss_scale.ts";
import { sgd } from "../../nn/optim/sgd.ts";
import { Tape } from "../../nn/tape.ts";
import * as reference from "../reference/mod.ts";
import { ReferenceNames } from "./against_reference.ts";
import { tinyScenario } from "./tiny.ts";

const BATCH = 5;
const HYPER = { learningRate: 0.1, momentum: 0.9, weightDecay: 0.01 };
const LEVELS = [1, 2, 3];

/** Two tasks of other pictures and classes, three units of other widths, two blocks a stage. */
export const SCENARIO: Scenario = tinyScenario({
  backbone: { kind: "custom", widths: [8, 10], blocks: 2 },
  stem: { kernel: 3, channels: 7, outputSize: 4, sharing: "task" },
  units: 3,
  levels: LEVELS,
  training: { ...tinyScenario().training, decayAll: false }, // weights only
});

const none = {
  length: 1,
  read: (_: Uint32Array, images: Uint8Array) => void images.fill(1),
};

export const DATA: Record<string, TaskData> = {
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

export const DVN: reference.DeepVirtualNetwork = {
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
    { task: 0, units: [0, 1] },
    { task: 0, units: [0, 1, 2] },
    { task: 1, units: [1] },
    { task: 1, units: [0, 1] },
    { task: 1, units: [0, 1, 2] },
  ],
  batchNorm: SCENARIO.batchNorm,
};

export const NAMES = new ReferenceNames(SCENARIO, DVN);

export const BATCHES: reference.Batch[] = DVN.tasks.map(({ shape, classes }, task) => ({
  images: reference.random(shape, 50 + task),
  labels: Uint32Array.from({ length: BATCH }, (_, i) => (2 * i + 1) % classes),
}));

/** Numbers by name. */
export type Arrays = Record<string, number[]>;

/** What a step gives: all that can be compared. */
export interface StepResult {
  /** Of each network, before the update. */
  losses: Arrays;
  logits: Arrays;
  gradients: Arrays;
  /** After the update. */
  weights: Arrays;
  running: Arrays;
}

/** What a step starts from, and what float64 makes of it; plain enough for a JSON file. */
export interface StepVectors {
  /** Each exactly a float32. */
  weights: Arrays;
  batches: { images: number[]; labels: number[] }[];
  /** Learning rate, momentum, weight decay. */
  hyper: number[];
  result: StepResult;
}

const arrays = (map: Map<string, ArrayLike<number>>): Arrays =>
  Object.fromEntries([...map].map(([name, values]) => [name, Array.from(values)]));

const byNetwork = (values: ArrayLike<number>[]): Arrays =>
  Object.fromEntries(DVN.networks.map(({ task, units }, i) => {
    return [`${SCENARIO.tasks[task]!.name} level ${units.length}`, Array.from(values[i]!)];
  }));

/** The float64 step. */
export function referenceStep(): StepVectors {
  const parameters = NAMES.randomParameters(100);
  const step = reference.deepVirtualNetwork(
    DVN,
    parameters,
    reference.initialStatistics(DVN),
    BATCHES,
  );
  const weights = NAMES.parameters(parameters);
  const gradients = NAMES.parameters(step.backward(), reference.add);
  const updated = [...weights].map(([name, values]): [string, Float64Array] => {
    const { weights } = reference.sgd(
      values,
      new Float64Array(values.length),
      gradients.get(name)!,
      {
        ...HYPER,
        weightDecay: name.endsWith(".weight") ? HYPER.weightDecay : 0,
      },
    );
    return [name, weights];
  });
  return {
    weights: arrays(weights),
    batches: BATCHES.map(({ images, labels }) => ({
      images: Array.from(images),
      labels: Array.from(labels),
    })),
    hyper: Object.values(HYPER),
    result: {
      losses: byNetwork(step.losses.map((loss) => [loss])),
      logits: byNetwork(step.logits),
      gradients: arrays(gradients),
      weights: arrays(new Map(updated)),
      running: arrays(NAMES.statistics(step.running)),
    },
  };
}

/**
 * The library's step from the same start.
 *
 * @param scaling Of the loss, where activations are to be stored in 16 bits; gradients come scaled.
 */
export async function libraryStep(
  gpu: Gpu,
  start: StepVectors,
  scaling?: LossScale,
): Promise<StepResult> {
  const net = await DeepVirtualNetwork.create(gpu, SCENARIO, DATA);
  const networks = net.tasks.flatMap(({ name }) => LEVELS.map((level) => ({ task: name, level })));
  const counters = new Counters(gpu, networks);
  for (const [name, values] of Object.entries(start.weights)) {
    net.store.write(name, Float32Array.from(values));
  }

  const tape = new Tape(gpu, scaling ? "f16" : "f32");
  const inputs = DVN.tasks.map(({ shape: [n, h, w] }, task) => {
    const images = tape.input("images", [n, h, w, 4]);
    const labels = tape.input("labels", [n]);
    const stem = net.stem(tape, task, images, "training");
    const logits = LEVELS.map((level, i) => {
      const mark = tape.mark();
      const logits = tape.output(net.forward(tape, task, level, stem, "training"));
      crossEntropy(tape, logits, labels, {
        counters: counters.tensor(tape, LEVELS.length * task + i),
        scaling: scaling?.tensor(tape),
      });
      tape.backward(mark);
      return logits;
    });
    tape.backward();
    return { images, labels, logits };
  });
  const hyper = tape.input("hyper", [3]);
  sgd(tape, net.store, hyper, { scaling: scaling?.tensor(tape) });
  const plan = await tape.compile("step");
  try {
    inputs.forEach(({ images, labels }, task) => {
      const batch = start.batches[task]!, channels = DVN.tasks[task]!.shape[3];
      plan.input(images, Float32Array).set(padded(batch.images, channels));
      plan.input(labels, Uint32Array).set(batch.labels);
    });
    plan.input(hyper, Float32Array).set(start.hyper);
    plan.run();

    const scores = counters.scores(await counters.read());
    const logits = inputs.flatMap(({ logits }) => logits);
    const values = await net.store.read();
    const part = (kept: ReadonlyMap<string, unknown>) =>
      arrays(new Map([...values].filter(([name]) => kept.has(name))));
    return {
      losses: byNetwork(scores.map(({ loss }) => [loss])),
      logits: byNetwork(await Promise.all(logits.map((tensor) => plan.read(tensor)))),
      gradients: arrays(await net.store.read("gradients")),
      weights: part(net.store.params),
      running: part(net.store.states),
    };
  } finally {
    plan.destroy();
    counters.destroy();
    net.destroy();
  }
}

/** Images as maps are stored: channels padded to 4 with zeros. */
export function padded(images: ArrayLike<number>, channels: number): Float32Array {
  const stored = new Float32Array(images.length / channels * 4);
  Array.from(images).forEach((value, i) => {
    stored[Math.floor(i / channels) * 4 + i % channels] = value;
  });
  return stored;
}
