/** Whole networks of this project: the plans that its trainer and its virtual networks run. */
import { identityMatrices } from "../../dvn/augmentation.ts";
import { type BatchInput, recordImages, recordInput } from "../../dvn/batch_input.ts";
import { Counters } from "../../dvn/counters.ts";
import type { TaskData } from "../../dvn/data.ts";
import type { LossTerm } from "../../dvn/method.ts";
import { jointPhase } from "../../dvn/methods/losses.ts";
import { DeepVirtualNetwork } from "../../dvn/network.ts";
import type { Scenario } from "../../dvn/scenario.ts";
import { j1 } from "../../dvn/scenarios/j1.ts";
import { j2 } from "../../dvn/scenarios/j2.ts";
import { compileUpdate } from "../../dvn/update_plan.ts";
import type { Gpu } from "../../nn/gpu/gpu.ts";
import type { KernelTime, Plan } from "../../nn/gpu/plan.ts";
import { MATRIX_LENGTH } from "../../nn/ops/augment.ts";
import { COUNTER_LENGTH, crossEntropy } from "../../nn/ops/cross_entropy.ts";
import { LossScale } from "../../nn/optim/loss_scale.ts";
import { sgd } from "../../nn/optim/sgd.ts";
import { Tape } from "../../nn/tape.ts";
import { bytesOf, type Dispatch, type Tensor, wholeOf } from "../../nn/tensor.ts";
import type { Facts, Job } from "../contender.ts";
import { median } from "../statistics.ts";
import type { Work } from "../workloads.ts";
import {
  type Crop,
  crops,
  IMAGE,
  images,
  initialValues,
  parametersOf,
  TRAINING,
  type Wrn,
} from "../wrn.ts";
import { rootMeanSquare } from "./operands.ts";

/** The only task of a network that is no DVN. */
const TASK = "images";

/** A plain network, as a scenario of one unit, one task and one level. */
function plainScenario(net: Wrn, batch: number): Scenario {
  return {
    ...scenarioOf(j1, net, batch),
    units: 1,
    levels: [1],
    tasks: [{ name: TASK, dataset: "made" }],
  };
}

/** A scenario's tasks, units and losses on the benchmark's backbone and images. */
function scenarioOf(scenario: Scenario, net: Wrn, batch: number): Scenario {
  const { learningRate, momentum, weightDecay, epsilon } = TRAINING;
  return {
    ...scenario,
    backbone: { kind: "custom", widths: [...net.widths], blocks: net.blocks },
    stem: { ...scenario.stem, ...net.stem, outputSize: IMAGE.size },
    batchNorm: { ...scenario.batchNorm, epsilon },
    training: {
      ...scenario.training,
      batchSize: batch,
      learningRate,
      momentum,
      weightDecay,
      decayAll: true,
    },
    normalization: "unit",
  };
}

async function makeNetwork(
  gpu: Gpu,
  scenario: Scenario,
  { classes }: Wrn,
): Promise<DeepVirtualNetwork> {
  // Batches are filled here, so the data sets tell their shape alone.
  const none = { length: scenario.training.batchSize, read: () => {} };
  const data: TaskData = {
    classes: Array.from({ length: classes }, (_, k) => `${k}`),
    height: IMAGE.size,
    width: IMAGE.size,
    channels: IMAGE.channels,
    maximum: 255,
    train: none,
    test: none,
  };
  const all = Object.fromEntries(scenario.tasks.map(({ name }) => [name, data]));
  return await DeepVirtualNetwork.create(gpu, scenario, all);
}

/** Gives a plain network the initial values that all contenders have. */
function initialize({ store }: DeepVirtualNetwork, net: Wrn): void {
  parametersOf(net).forEach((parameter, index) => {
    const { name, kind } = parameter;
    const own = { conv: ".weight", batchNorm: ".affine", weight: "", bias: "" }[kind];
    const prefix = kind === "conv" ? "" : `${TASK}.level1.`;
    const path = name.startsWith("stem.") ? name.replace(".", `.${TASK}.`) : prefix + name;
    store.write(path + own, initialValues(parameter, index));
  });
}

export async function trainJob(
  gpu: Gpu,
  { net, batch, activations = "f32" }: Extract<Work, { op: "train" }>,
): Promise<Job> {
  const scenario = plainScenario(net, batch);
  scenario.training.activations = activations;
  const network = await makeNetwork(gpu, scenario, net);
  initialize(network, net);
  const losses = jointPhase(network.scenario).updates[0]!.variants[0]!;
  return await stepJob(network, net, losses);
}

export async function dvnJob(
  gpu: Gpu,
  { net, batch, only }: Extract<Work, { op: "dvn" }>,
): Promise<Job> {
  const network = await makeNetwork(gpu, scenarioOf(j1, net, batch), net);
  const losses = jointPhase(network.scenario).updates[0]!.variants[0]!;
  const wanted = ({ task, level }: LossTerm) => !only || task === only.task && level === only.level;
  return await stepJob(network, net, losses.filter(wanted));
}

/** A training step with some losses. */
async function stepJob(
  network: DeepVirtualNetwork,
  net: Wrn,
  losses: LossTerm[],
): Promise<Job> {
  const { gpu, store } = network;
  const { activations, batchSize } = network.scenario.training;
  const names = losses.map(({ task, level }) => ({ task: network.taskNames[task]!, level }));
  const counters = new Counters(gpu, names);
  const lossScale = activations === "f16" ? new LossScale(gpu) : undefined;
  const { plan, hyper, batches } = await compileUpdate("train", network, losses, {
    frozen: undefined,
    lossScale,
    counters: (tape, loss) => counters.tensor(tape, losses.indexOf(loss)),
  });
  const { learningRate, momentum, weightDecay } = TRAINING;
  plan.input(hyper, Float32Array).set([learningRate, momentum, weightDecay]);
  const { bytes, labels } = images(batchSize, net.classes);
  for (const batch of batches) {
    plan.input(batch.input.bytes, Uint8Array).set(bytes);
    plan.input(batch.labels!, Uint32Array).set(labels);
  }
  let step = 0;
  const run = () => {
    const moves = crops(step++, batchSize);
    for (const { input } of batches) {
      fillMatrices(plan.input(input.matrices, Float32Array), moves);
    }
    plan.run();
  };
  const deepest = losses.reduce((most, loss) => loss.level > most.level ? loss : most);
  return {
    run,
    settle: () => gpu.settle(),
    async loss() {
      counters.write();
      run();
      const scores = counters.scores(await counters.read());
      return scores.reduce((total, { loss }) => total + loss, 0) / scores.length;
    },
    async facts(): Promise<Facts> {
      const dispatches = recordStep(network, deepest);
      return {
        pipelines: gpu.pipelineCount,
        bytesHeld: gpu.bytesHeld,
        bytesNeeded: 3 * store.parameterBytes + store.stateBuffer.size + liveBytes(dispatches),
        dispatches: plan.dispatchCount,
        // These run the plan several times, which of a step with many losses takes long.
        ...losses.length === 1
          ? {
            cpuPerDispatch: await cpuPerDispatch(plan),
            ...await gpuTimes(plan, dispatches),
          }
          : {},
      };
    },
    release() {
      plan.destroy();
      counters.destroy();
      lossScale?.destroy();
      network.destroy();
    },
  };
}

function fillMatrices(matrices: Float32Array, moves: readonly Crop[]): void {
  moves.forEach(({ dx, dy, mirror }, i) => {
    const columns = [mirror ? -1 : 1, 0, 0, 0, 0, 1, 0, 0, mirror ? IMAGE.size + dx : dx, dy, 1, 0];
    matrices.set(columns, i * MATRIX_LENGTH);
  });
}

/** What a step with the loss of one network records, not compiled. */
function recordStep(
  network: DeepVirtualNetwork,
  { task, level }: LossTerm,
): Dispatch[] {
  const { gpu, store, scenario, tasks } = network;
  const { activations, batchSize } = scenario.training;
  const tape = new Tape(gpu, activations);
  const input = recordInput(tape, tasks[task]!, batchSize);
  const stem = network.stem(tape, task, recordImages(tape, input, tasks[task]!), "training");
  const logits = network.forward(tape, task, level, stem, "training");
  const counters = tape.input("counters", [COUNTER_LENGTH]);
  crossEntropy(tape, logits, tape.input("labels", [batchSize]), { counters });
  tape.backward();
  sgd(tape, store, tape.input("hyper", [3]));
  return tape.dispatches;
}

/** The most bytes of results that are alive at once: no assignment of memory needs less. */
export function liveBytes(dispatches: readonly Pick<Dispatch, "tensors">[]): number {
  const last = new Map<Tensor, number>();
  dispatches.forEach(({ tensors }, i) => tensors.forEach((it) => last.set(wholeOf(it), i)));
  const alive = new Set<Tensor>();
  let most = 0;
  dispatches.forEach(({ tensors }, i) => {
    for (const it of tensors.map(wholeOf)) if (it.home.kind === "scratch") alive.add(it);
    const bytes = [...alive].reduce((total, tensor) => total + bytesOf(tensor), 0);
    most = Math.max(most, bytes);
    for (const tensor of alive) if (last.get(tensor) === i) alive.delete(tensor);
  });
  return most;
}

/** Microseconds of CPU time to encode and submit a run, for each dispatch; the device idle before. */
async function cpuPerDispatch(plan: Plan): Promise<number> {
  const times: number[] = [];
  for (let run = 0; run < 5; run++) {
    await plan.gpu.settle();
    const start = performance.now();
    plan.run();
    times.push(performance.now() - start);
  }
  await plan.gpu.settle();
  return 1000 * median(times) / plan.dispatchCount;
}

/** Time of a step and of each kernel, and the bytes that its dispatches have bound, each tensor once. */
async function gpuTimes(
  plan: Plan,
  dispatches: readonly Dispatch[],
): Promise<Pick<Facts, "kernels" | "stepMilliseconds">> {
  if (!plan.gpu.device.features.has("timestamp-query")) return {};
  const bytes = new Map<string, number>();
  for (const { kernel: { label }, tensors } of dispatches) {
    const bound = [...new Set(tensors)].reduce((total, tensor) => total + bytesOf(tensor), 0);
    bytes.set(label, (bytes.get(label) ?? 0) + bound);
  }
  const profiles: KernelTime[][] = [];
  const steps: number[] = [];
  for (let run = 0; run < 3; run++) {
    steps.push(await plan.time());
    profiles.push((await plan.profile()).kernels);
  }
  const kernels = profiles[0]!.map(({ kernel, dispatches }) => ({
    kernel,
    dispatches,
    milliseconds: median(
      profiles.map((kernels) => kernels.find((each) => each.kernel === kernel)!.milliseconds),
    ),
    bytes: bytes.get(kernel) ?? 0,
  }));
  kernels.sort((a, b) => b.milliseconds - a.milliseconds);
  return { kernels, stepMilliseconds: median(steps) };
}

export async function inferJob(gpu: Gpu, net: Wrn, batch: number): Promise<Job> {
  const network = await makeNetwork(gpu, plainScenario(net, batch), net);
  initialize(network, net);
  return await inferenceJob(network, net, batch, 1);
}

export async function levelJob(
  gpu: Gpu,
  { net, batch, level }: Extract<Work, { op: "level" }>,
): Promise<Job> {
  const network = await makeNetwork(gpu, scenarioOf(j2, net, batch), net);
  return await inferenceJob(network, net, batch, level);
}

/** The plan that `VirtualNetwork.predict()` runs, of the first task. */
async function inferenceJob(
  network: DeepVirtualNetwork,
  net: Wrn,
  batch: number,
  level: number,
): Promise<Job> {
  const { gpu } = network;
  const tape = new Tape(gpu);
  const [info] = network.tasks;
  const input: BatchInput = recordInput(tape, info!, batch);
  const stem = network.stem(tape, 0, recordImages(tape, input, info!), "inference");
  const logits = tape.output(network.forward(tape, 0, level, stem, "inference"));
  const plan = await tape.compile(`infer, level ${level}, batch ${batch}`);
  plan.input(input.bytes, Uint8Array).set(images(batch, net.classes).bytes);
  identityMatrices(plan.input(input.matrices, Float32Array));
  return {
    run: () => plan.run(),
    settle: () => gpu.settle(),
    check: async () => rootMeanSquare(await plan.read(logits)),
    release() {
      plan.destroy();
      network.destroy();
    },
  };
}
