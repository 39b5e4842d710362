import { assert, assertEquals, assertNotEquals, assertRejects } from "@std/assert";
import type { ImageSet, TaskData } from "../../dvn/data.ts";
import { Evaluator } from "../../dvn/evaluate.ts";
import type { NetworkScore, TrainEvent } from "../../dvn/events.ts";
import type { LossTerm, Run, Update } from "../../dvn/method.ts";
import { dvnMethod } from "../../dvn/methods/dvn.ts";
import { DeepVirtualNetwork } from "../../dvn/network.ts";
import type { Scenario } from "../../dvn/scenario.ts";
import { train } from "../../dvn/trainer.ts";
import { OutOfMemoryError } from "../../nn/gpu/errors.ts";
import { decodeSafeTensors } from "../../nn/safetensors.ts";
import { testGpu } from "../gpu.ts";
import { tinyScenario, tinyTask } from "./tiny.ts";
import { lastCheckpoint, ofType, said, SEQUENTIAL, trainFresh } from "./training.ts";

/** Images with labels of our choice, and a count of how often they are gone through. */
class Relabelled implements ImageSet {
  passes = 0;

  /** @param relabel From the right label, to the one that is told in a pass, from 1. */
  constructor(
    readonly images: ImageSet,
    readonly relabel: (label: number, pass: number, index: number) => number = (label) => label,
  ) {}

  get length(): number {
    return this.images.length;
  }

  read(indices: Uint32Array, images: Uint8Array, labels: Uint32Array): void {
    if (indices[0] === 0) this.passes++;
    this.images.read(indices, images, labels);
    indices.forEach((index, i) => labels[i] = this.relabel(labels[i]!, this.passes, index));
  }
}

/** The more a network has learnt, the worse it does. */
function wrong(label: number): number {
  return (label + 1) % 3;
}

/** Tiny tasks of few images; by their validation images the first epoch of each phase is the best. */
function validatedData(): Record<string, TaskData> {
  const validated = (task: TaskData) => ({ ...task, validation: new Relabelled(task.test, wrong) });
  return { a: validated(tinyTask(1, { count: 10 })), b: validated(tinyTask(3, { count: 10 })) };
}

/** A phase for each task, of two epochs of five steps, on a network of one stage. */
function sequentialScenario(
  { training, ...change }: Partial<Omit<Scenario, "training">> & {
    training?: Partial<Scenario["training"]>;
  } = {},
): Scenario {
  const backbone: Scenario["backbone"] = { kind: "custom", widths: [5], blocks: 1 };
  const scenario = tinyScenario({ sequential: SEQUENTIAL, backbone, ...change });
  return { ...scenario, training: { ...scenario.training, batchSize: 2, ...training } };
}

const { batchNorm } = tinyScenario();

const RESUMED: [string, Scenario][] = [
  ["as ever", sequentialScenario()],
  [
    "with the best epochs' weights and recalibrated statistics",
    sequentialScenario({
      reportedEpoch: { validation: 0.3 },
      batchNorm: { ...batchNorm, statistics: "recalibrated" },
    }),
  ],
  [
    "with an update for each task, of levels that are drawn",
    sequentialScenario({
      units: 4,
      levels: [1, 2, 3, 4],
      training: { mixing: "alternate", levelSampling: "sandwich", lowerLevels: "top-level" },
    }),
  ],
];

/** Whether a run's last checkpoint has a momentum that is not zero. */
function hasMomentum(events: TrainEvent[]): boolean {
  const { tensors } = decodeSafeTensors(lastCheckpoint(events).state);
  return [...tensors].some(([name, { data }]) =>
    name.startsWith("momentum.") && data.some((value) => value !== 0)
  );
}

for (const [how, scenario] of RESUMED) {
  Deno.test(`a run of two phases, stopped and resumed, equals an unbroken one, bit for bit: ${how}`, async () => {
    const data = validatedData();
    const unbroken = await trainFresh(scenario, { data, checkpointEvery: 2 });
    if (scenario.reportedEpoch !== "last") {
      const [, , first, second] = ofType(unbroken, "evaluation")
        .filter(({ images }) => images === "validation")
        .map(({ networks }) => meanAccuracy(networks.filter(({ task }) => task === "b")));
      assert(first! > second!, "the best weights are of before the stop, in the second epoch");
    }
    const resume = async (before: TrainEvent[]) => {
      const after = await trainFresh(scenario, { data, resume: lastCheckpoint(before) });
      assertEquals(said([...before, ...after]), said(unbroken));
      assertEquals(lastCheckpoint(after).weights, lastCheckpoint(unbroken).weights);
      assertEquals(lastCheckpoint(after).state, lastCheckpoint(unbroken).state);
      return after;
    };
    // In the middle of the second phase's second epoch, between two reports; and where it begins.
    for (const step of [18, 10]) {
      const before = await trainFresh(scenario, { data, stopAfter: step });
      assertEquals(lastCheckpoint(before).step, step);
      assertEquals(hasMomentum(before), step > 10);
      const after = await resume(before);
      assertEquals(ofType(after, "phase").map(({ name }) => name), ["b"]);
    }
    // With the checkpoint that the first phase ends with.
    const boundary = unbroken.findIndex(({ type }) => type === "checkpoint");
    const before = unbroken.slice(0, boundary + 1);
    assertEquals(lastCheckpoint(before).step, 10);
    assert(hasMomentum(before));
    await resume(before);
  });
}

function meanAccuracy(networks: NetworkScore[]): number {
  return networks.reduce((sum, { accuracy }) => sum + accuracy, 0) / networks.length;
}

/** Index of the first of the highest. */
function indexOfMax(values: number[]): number {
  return values.indexOf(Math.max(...values));
}

Deno.test("a phase ends with the weights of its best epoch, by the tasks that it shows; test images are scored then, once", async () => {
  // Phases of three epochs, all best in the second; but in the second phase, where task a's images
  // are gone, a's would be the third, by more.
  const a = {
    ...tinyTask(1),
    validation: new Relabelled(tinyTask(5).test, (label, pass) => {
      return pass === 2 || pass === 6 ? label : wrong(label);
    }),
    test: new Relabelled(tinyTask(1).test),
  };
  const b = {
    ...tinyTask(3),
    validation: new Relabelled(tinyTask(7).test, (label, pass, index) => {
      return pass === 2 && index > 2 ? label : wrong(label);
    }),
    test: new Relabelled(tinyTask(3).test),
  };
  const data: Record<string, TaskData> = { a, b };
  const scenario = sequentialScenario({
    reportedEpoch: { validation: 0.3 },
    training: { epochs: 3 },
  });
  const events = await trainFresh(scenario, { data, checkpointEvery: 1 });

  const validations = ofType(events, "evaluation").filter(({ images }) => images === "validation");
  assertEquals(validations.map(({ epoch }) => epoch), [1, 2, 3, 4, 5, 6]);
  const means = (tasks: string[]) =>
    validations.map(({ networks }) =>
      meanAccuracy(networks.filter(({ task }) => tasks.includes(task)))
    );
  assertEquals(indexOfMax(means(["a"]).slice(0, 3)), 1);
  assertEquals(indexOfMax(means(["b"]).slice(3)), 1);
  assertEquals(indexOfMax(means(["a", "b"]).slice(3)), 2);

  const tensors = ofType(events, "checkpoint").map(({ weights }) =>
    decodeSafeTensors(weights).tensors
  );
  assertEquals(tensors.length, 6);
  assertEquals(tensors[2], tensors[1]);
  assertEquals(tensors[5], tensors[4]);
  assertNotEquals(tensors[4], tensors[3]);

  const tests = ofType(events, "evaluation").filter(({ images }) => images === "test");
  assertEquals(tests.map(({ epoch }) => epoch), [3, 6]);
  assertEquals([a.test.passes, b.test.passes], [2, 1]);
  const gpu = await testGpu();
  const net = await DeepVirtualNetwork.load(gpu, lastCheckpoint(events).weights);
  for (const [task, name] of net.taskNames.entries()) {
    const evaluator = await Evaluator.create(net, task, [1, 2], 2);
    const scores = await evaluator.run(data[name]!.test);
    assertEquals(tests[1]!.networks.filter((score) => score.task === name), scores);
    evaluator.destroy();
  }
  net.destroy();
});

Deno.test("of epochs that are equally good the first is kept", async () => {
  // So slow that no answer changes.
  const training = { batchSize: 5, learningRate: 1e-9 };
  const scenario = sequentialScenario({
    ...{ sequential: undefined, reportedEpoch: { validation: 0.3 }, training },
    batchNorm: { ...batchNorm, statistics: "recalibrated" },
  });
  const events = await trainFresh(scenario, { data: validatedData(), checkpointEvery: 1 });
  const [first, second] = ofType(events, "evaluation").map(({ networks }) =>
    meanAccuracy(networks)
  );
  assertEquals(first, second);
  const [one, last] = ofType(events, "checkpoint").map(({ weights }) => decodeSafeTensors(weights));
  assertEquals(last!.tensors, one!.tensors);
});

Deno.test("the learning rate's schedule is stretched over the epochs of each phase", async () => {
  const scenario = tinyScenario();
  Object.assign(scenario.training, {
    batchSize: 14, // one step an epoch
    epochs: 4,
    learningRate: 1,
    schedule: { kind: "step", milestones: [2, 3], factor: 0.5 },
  });
  const [joint] = dvnMethod.runs(scenario)[0]!.phases;
  const phases = [{ ...joint!, epochs: 2 }, { ...joint!, epochs: 4 }];
  const run: Run = { method: "made up", name: "all", scenario, phases };
  const events = await trainFresh(scenario, { run, evaluateEvery: 9 });
  assertEquals(
    ofType(events, "step").map(({ learningRate }) => learningRate),
    [1, 0.5, 1, 1, 0.5, 0.25],
  );
  const evaluated = ofType(events, "evaluation").map(({ epoch }) => epoch);
  assertEquals(evaluated, [2, 6]); // the last of each phase
});

Deno.test("updates of a step are done one after another, and leave alone what no loss of theirs touches", async () => {
  const scenario = tinyScenario();
  scenario.training.batchSize = 14; // one step an epoch
  const ofA: LossTerm[] = [{ task: 0, level: 1, weight: 1 }, { task: 0, level: 2, weight: 1 }];
  const ofB = ofA.map((loss) => ({ ...loss, task: 1 }));
  const after = async (...updates: LossTerm[][]) => {
    const phase = {
      name: "joint",
      epochs: 1,
      updates: updates.map((losses): Update => ({ variants: [losses] })),
    };
    const run: Run = { method: "made up", name: "all", scenario, phases: [phase] };
    const events = await trainFresh(scenario, { run });
    const { weights, state, step } = lastCheckpoint(events);
    assertEquals(step, 1);
    const files = [weights, state].flatMap((file) => [...decodeSafeTensors(file).tensors]);
    return new Map(files.map(([name, { data }]) => [name, data]));
  };
  const [a, b, aThenB] = [await after(ofA), await after(ofB), await after(ofA, ofB)];
  const sum = await after([...ofA, ...ofB]);
  const isOf = (task: string, name: string) =>
    new RegExp(`^(momentum\\.)?(stem\\.)?${task}\\.`).test(name);
  const trunk: string[] = [];
  for (const [name, values] of aThenB) {
    if (name === "counters") continue;
    if (isOf("a", name)) {
      assertEquals(values, a.get(name), name); // as if there were no second update
    } else if (isOf("b", name)) {
      // The second update finds a trunk that the first has changed: the step is not a sum.
      if (name.startsWith("stem.") && name.endsWith("running")) continue;
      assertNotEquals(values, b.get(name), name);
      assertNotEquals(values, sum.get(name), name);
    } else trunk.push(name);
  }
  assertEquals(trunk.length, 2 * 4);
  for (const name of trunk) {
    for (const other of [a, b, sum]) assertNotEquals(aThenB.get(name), other.get(name), name);
  }
});

Deno.test("of drawn levels the lowest and the highest learn at each step, and those between about equally", async () => {
  const scenario = tinyScenario({
    backbone: { kind: "custom", widths: [5], blocks: 1 },
    units: 5,
    levels: [1, 2, 3, 4, 5],
  });
  const training = { mixing: "alternate", levelSampling: "sandwich", batchSize: 2, epochs: 5 };
  Object.assign(scenario.training, training);
  const steps = 35;
  const learnt: Record<string, number[]> = { a: [0, 0, 0, 0, 0], b: [0, 0, 0, 0, 0] };
  for (const { networks } of ofType(await trainFresh(scenario), "step")) {
    for (const { task, level, count } of networks) learnt[task]![level - 1]! += count / 2;
  }
  const { a, b } = learnt as Record<"a" | "b", number[]>;
  for (const task of [a, b]) {
    assertEquals([task[0], task[4]], [steps, steps]);
    assertEquals(task[1]! + task[2]! + task[3]!, steps);
  }
  assertNotEquals(a, b); // each update draws for itself
  // A third of the draws each, give or take three standard deviations.
  const deviation = Math.sqrt(2 * steps * 1 / 3 * 2 / 3);
  for (const level of [1, 2, 3]) {
    const drawn = a[level]! + b[level]!;
    assert(Math.abs(drawn - 2 * steps / 3) < 3 * deviation, `${a} and ${b}`);
  }
});

/** Data of which each task's training images cannot be read once they have been so many times. */
function failingData(after: number): Record<string, TaskData> {
  let reads = 0;
  const failing = (task: TaskData): TaskData => ({
    ...task,
    train: {
      length: task.train.length,
      read(...args) {
        if (++reads > after) throw new Error("the disk is gone");
        task.train.read(...args);
      },
    },
  });
  const { a, b } = validatedData();
  return { a: failing(a!), b: failing(b!) };
}

/** All that a phase may hold: an old network, the best weights, plans for statistics. */
const [, [, EVERYTHING]] = RESUMED as [unknown, [string, Scenario]];

for (const phase of ["a", "b"]) {
  Deno.test(`who leaves a run in phase ${phase} gets its memory back`, async () => {
    const gpu = await testGpu();
    const data = validatedData();
    const net = await DeepVirtualNetwork.create(gpu, EVERYTHING, data);
    const held = gpu.bytesHeld;
    let here = false;
    for await (const event of train(net, data)) {
      here ||= event.type === "phase" && event.name === phase;
      if (here && event.type === "step") break;
    }
    assert(here);
    assertEquals(gpu.bytesHeld, held);
    net.destroy();
  });
}

Deno.test("a run whose images cannot be read gives its memory back", async () => {
  const data = failingData(2 + 10 + 2 * 5 + 1); // both measured, a phase trained and measured, a step
  const phases: string[] = [];
  await assertRejects(
    () =>
      trainFresh(EVERYTHING, {
        data,
        onEvent: (event) => event.type === "phase" && phases.push(event.name),
      }),
    Error,
    "the disk is gone",
  );
  assertEquals(phases, ["a", "b"]);
});

Deno.test("a run that lacks memory, wherever it asks for some, gives back what it has", async () => {
  const gpu = await testGpu();
  const data = validatedData();
  const { guard } = gpu;
  let asked: string[] = [];
  /** Lets the n-th request fail, after all was made. */
  const lack = (n: number) => {
    asked = [];
    gpu.guard = async function <T>(operation: string, work: () => T): Promise<T> {
      const result = await guard.call(gpu, operation, work) as T;
      asked.push(operation);
      if (asked.length === n) throw new OutOfMemoryError(operation, "there is none left");
      return result;
    };
  };
  const scenario = sequentialScenario({
    reportedEpoch: { validation: 0.3 },
    batchNorm: { ...batchNorm, statistics: "recalibrated" },
    training: { batchSize: 10, epochs: 1 },
  });
  try {
    lack(Infinity);
    await trainFresh(scenario, { data });
    const requests = asked;
    for (const [i, request] of requests.entries()) {
      lack(i + 1);
      await assertRejects(() => trainFresh(scenario, { data }), OutOfMemoryError, request);
    }
    for (
      const what of ["allocate parameters", "copy parameters", "train", "recalibrate", "evaluate"]
    ) {
      assert(requests.some((request) => request.includes(what)), what);
    }
  } finally {
    gpu.guard = guard;
  }
});

Deno.test("train() refuses data and runs that do not fit its network", async () => {
  const { a, b } = validatedData();
  const refuses = async (
    message: string,
    { scenario = tinyScenario(), data = { a: a!, b: b! }, run }: {
      scenario?: Scenario;
      data?: Record<string, TaskData>;
      run?: Run;
    },
  ) => {
    const net = await DeepVirtualNetwork.create(await testGpu(), scenario, { a: a!, b: b! });
    const events: TrainEvent[] = [];
    try {
      await assertRejects(
        async () => {
          for await (const event of train(net, data, { run })) events.push(event);
        },
        RangeError,
        message,
      );
    } finally {
      net.destroy();
    }
    assertEquals(events, []);
  };
  await refuses("train: no data for task b", { data: { a: a! } });
  await refuses(
    "train: task b was made for pictures of 4x4x1, its data has 8x4x1",
    { data: { a: a!, b: { ...b!, height: 8 } } },
  );
  await refuses(
    "train: task b was made for 3 classes, its data has 2",
    { data: { a: a!, b: { ...b!, classes: ["dark", "bright"] } } },
  );
  const scenario = sequentialScenario({ reportedEpoch: { validation: 0.3 } });
  const message =
    "train: the best epoch is to be kept, and task b has no validation images; split " +
    "some off its training images";
  for (const validation of [undefined, { ...b!.test, length: 0 }]) {
    await refuses(message, { scenario, data: { a: a!, b: { ...b!, validation } } });
  }
  const [run] = dvnMethod.runs(tinyScenario({ seed: 8 }));
  await refuses(
    "train: the run (method dvn) is of another scenario than the network; make the network from " +
      "run.scenario",
    { run: run! },
  );
  const levels = dvnMethod.runs(tinyScenario())[0]!;
  levels.phases[0]!.updates[0]!.variants[0]![1]!.level = 3;
  await refuses("task a: a loss is of level 3, and there are 1, 2", { run: levels });
});

Deno.test("tasks of pictures of two sizes cannot be kept by eq. (6), which is told before all training", async () => {
  const data = { a: tinyTask(1), b: tinyTask(3, { side: 8 }) };
  await assertRejects(
    () =>
      trainFresh(sequentialScenario({ stem: { ...tinyScenario().stem, outputSize: 4 } }), {
        data,
        onEvent: ({ type }) => assert(false, type),
      }),
    RangeError,
    "task a takes pictures of 4x4x1, and those of b are 8x8x1: it cannot be shown them; use " +
      "datasets with pictures of one size",
  );
});
