/** A made-up run: what `train()` yields, without a GPU. */
import type { NetworkCost } from "../../dvn/costs.ts";
import type { NetworkScore, TrainEvent } from "../../dvn/events.ts";
import type { Scenario } from "../../dvn/scenario.ts";
import type { TaskSummary } from "../../cli/run_record.ts";

export const STEPS_PER_EPOCH = 10;

export function fakeScenario(
  taskNames = ["low", "high"],
  epochs = 4,
): Scenario {
  const units = taskNames.length;
  return {
    name: "made-up",
    description: "Nobody was trained for this",
    seed: 7,
    backbone: { kind: "custom", widths: [16, 32], blocks: 1 },
    stem: { kernel: 3, channels: 8, outputSize: 8, sharing: "task" },
    units,
    unitShares: "even",
    levels: Array.from({ length: units }, (_, i) => i + 1),
    orders: "rule",
    tasks: taskNames.map((name) => ({ name, dataset: "digits" })),
    batchNorm: {
      affine: "private",
      statistics: "private",
      momentum: 0.9,
      epsilon: 1e-5,
    },
    training: {
      epochs,
      batchSize: 32,
      learningRate: 0.1,
      momentum: 0.9,
      weightDecay: 1e-4,
      decayAll: false,
      mixing: "sum",
      levelSampling: "all",
      lowerLevels: "labels",
      warmupSteps: 5,
      schedule: { kind: "cosine" },
      activations: "f32",
    },
    augmentation: { pad: 1, flip: false },
    normalization: "unit",
    reportedEpoch: "last",
  };
}

export function fakeTasks(scenario: Scenario): TaskSummary[] {
  return scenario.tasks.map(({ name, dataset }, i) => ({
    name,
    dataset,
    classes: ["a", "b", "c", "d", "e"],
    height: 8,
    width: 8,
    channels: 1,
    trainImages: 700 + i,
    testImages: 180 + i,
  }));
}

export function fakeCosts(scenario: Scenario): NetworkCost[] {
  const full = 40_000;
  return scenario.tasks.flatMap(({ name, levels }, task) => {
    const order = Array.from({ length: scenario.units }, (_, i) => i + 1)
      .sort((a, b) => Math.abs(a - 1 - task) - Math.abs(b - 1 - task) || a - b);
    return scenario.levels.flatMap((units, i) => {
      if (levels && !levels.includes(i + 1)) return [];
      const density = (units / scenario.units) ** 2;
      const parameters = {
        trunk: full * density,
        stem: 72,
        head: 33 * units * (5 + task),
        batchNorm: 200 * units,
      };
      const total = Object.values(parameters).reduce((a, b) => a + b);
      return {
        task: name,
        level: i + 1,
        units: order.slice(0, units),
        parameters: { ...parameters, total },
        bytes: 4 * total,
        macs: 1e6 * density,
        density,
      };
    });
  });
}

/**
 * The run from after `firstStep` steps on; the same figures whatever it starts from.
 *
 * @param sequential Each task has a phase of its own, of as many epochs.
 */
export async function* fakeRun(
  scenario: Scenario,
  { firstStep = 0, signal, checkpointEvery = 1, sequential = false }: {
    firstStep?: number;
    signal?: AbortSignal;
    checkpointEvery?: number;
    sequential?: boolean;
  } = {},
): AsyncGenerator<TrainEvent> {
  const networks = fakeCosts(scenario);
  const { epochs } = scenario.training;
  const steps = epochs * STEPS_PER_EPOCH;
  const phases = sequential ? scenario.tasks.map(({ name }) => name) : ["joint"];
  /** Index of the phase in which a step, from 1, is done. */
  const phaseOf = (step: number) => Math.floor(phases.length * (step - 1) / steps);
  const score = (step: number, noise: number): NetworkScore[] =>
    networks.map(({ task, level }, i) => {
      const done = 1 - Math.exp(-(3 + level) * step / steps);
      const wave = noise * Math.sin(step * 1.7 + i);
      return {
        task,
        level,
        loss: 1.7 * (1 - 0.97 * done) * (1 + wave),
        accuracy: Math.min(1, 0.2 + (0.73 + 0.02 * level) * done + wave / 20),
        count: 320,
      };
    }).filter(({ task }) => !sequential || phases.indexOf(task) <= phaseOf(step));
  const checkpoint = (
    step: number,
    reason: "interval" | "interrupt" | "end",
  ): TrainEvent => ({
    type: "checkpoint",
    step,
    epoch: Math.ceil(step / STEPS_PER_EPOCH),
    reason,
    weights: new TextEncoder().encode(`weights after ${step}`),
    state: new TextEncoder().encode(`state after ${step}`),
  });
  const speed = 100; // steps a second
  yield {
    type: "start",
    scenario,
    method: "dvn",
    run: "all",
    adapter: "made-up adapter, software; timestamp-query",
    steps,
    firstStep,
    epochs,
    networks,
    bytesHeld: 12_345_678,
    pipelines: 21,
    buildSeconds: 1.25,
  };
  for (let step = firstStep + 1; step <= steps; step++) {
    await Promise.resolve();
    const phase = phaseOf(step);
    if (step === firstStep + 1 || phase !== phaseOf(step - 1)) {
      yield {
        type: "phase",
        step: step - 1,
        name: phases[phase]!,
        index: phase + 1,
        count: phases.length,
        bytesHeld: 12_345_678 + phase,
      };
    }
    const epoch = Math.ceil(step / STEPS_PER_EPOCH);
    const seconds = (step - firstStep) / speed;
    if (step % 2 === 0) {
      const scores = score(step, 0.1);
      yield {
        type: "step",
        step,
        epoch,
        learningRate: 0.1,
        loss: scores.reduce((sum, { loss }) => sum + loss, 0) / scores.length,
        accuracy: scores.reduce((sum, { accuracy }) => sum + accuracy, 0) /
          scores.length,
        networks: scores,
        imagesPerSecond: 32 * scenario.tasks.length * speed,
        seconds,
        secondsLeft: (steps - step) / speed,
      };
    }
    if (step % STEPS_PER_EPOCH === 0) {
      yield {
        type: "evaluation",
        step,
        epoch,
        images: "test",
        networks: score(step, 0.03),
        seconds,
      };
      yield { type: "epoch", step, epoch, seconds };
      if (epoch % checkpointEvery === 0 && step < steps) {
        yield checkpoint(step, "interval");
      }
    }
    if (signal?.aborted && step < steps) {
      yield checkpoint(step, "interrupt");
      yield { type: "end", step, interrupted: true, seconds };
      return;
    }
  }
  yield checkpoint(steps, "end");
  yield {
    type: "end",
    step: steps,
    interrupted: false,
    seconds: (steps - firstStep) / speed,
  };
}
