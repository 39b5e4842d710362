import type { Plan } from "../nn/gpu/plan.ts";
import { crossEntropy } from "../nn/ops/cross_entropy.ts";
import { sgd } from "../nn/optim/sgd.ts";
import { Random } from "../nn/random.ts";
import { decodeSafeTensors, encodeSafeTensors } from "../nn/safetensors.ts";
import { Tape } from "../nn/tape.ts";
import type { Tensor } from "../nn/tensor.ts";
import { augmentationMatrices } from "./augmentation.ts";
import { type BatchInput, recordInput } from "./batch_input.ts";
import { Counters } from "./counters.ts";
import type { TaskData } from "./data.ts";
import { Evaluator } from "./evaluate.ts";
import type { NetworkScore, TrainEvent } from "./events.ts";
import { dvnMethod, type Method, type Phase } from "./method.ts";
import type { DeepVirtualNetwork } from "./network.ts";
import { learningRate } from "./schedule.ts";

/** A checkpoint's two files. */
export interface CheckpointFiles {
  weights: Uint8Array;
  state: Uint8Array;
}

export interface TrainOptions {
  /** How to train; default: the paper's joint training, eq. (4). */
  method?: Method;
  /** Go on from here, bit for bit as if the run had not stopped (same adapter). */
  resume?: CheckpointFiles;
  /** Epochs between checkpoints. Default: none but the last. */
  checkpointEvery?: number;
  /** Epochs between evaluations on the test images; the last epoch always has one. Default 1. */
  evaluateEvery?: number;
  /** Abort to stop after the current step, with a checkpoint to resume from. */
  signal?: AbortSignal;
}

/** Step events in an epoch, and the most steps between two. */
const REPORTS_PER_EPOCH = 4;
const MAX_STEPS_PER_REPORT = 50;

/** Steps that may wait for the GPU: enough to keep it busy, few enough to stop soon. */
const STEPS_IN_FLIGHT = 3;

/**
 * Trains a network and tells how it goes. Nothing waits for the GPU inside a step.
 *
 * Everything random is a function of seed and step, so a resumed run draws what an unbroken one would.
 *
 * @param data For each task's name, its images.
 */
export async function* train(
  net: DeepVirtualNetwork,
  data: Readonly<Record<string, TaskData>>,
  options: TrainOptions = {},
): AsyncGenerator<TrainEvent, void, void> {
  const trainer = new Trainer(net, data, options);
  try {
    yield* trainer.run();
  } finally {
    trainer.destroy();
  }
}

/** A phase's step, compiled. */
interface PhasePlan {
  plan: Plan;
  hyper: Tensor;
  batches: { task: number; input: BatchInput; labels: Tensor; order: ImageOrder }[];
  counters: Counters;
}

class Trainer {
  readonly #method: Method;
  readonly #phases: Phase[];
  readonly #stepsPerEpoch: number;
  readonly #steps: number;
  readonly #evaluators: Evaluator[] = [];
  readonly #inFlight: Promise<void>[] = [];
  readonly #start = performance.now();
  #phasePlan: PhasePlan | undefined;
  #step = 0;

  constructor(
    readonly net: DeepVirtualNetwork,
    readonly data: Readonly<Record<string, TaskData>>,
    readonly options: TrainOptions,
  ) {
    const { scenario, tasks } = net;
    for (const { name, height, width, channels } of tasks) {
      const found = data[name];
      if (!found) throw new RangeError(`train: no data for task ${name}`);
      if (
        found.height !== height || found.width !== width ||
        found.channels !== channels
      ) {
        throw new RangeError(
          `train: task ${name} was made for pictures of ${height}x${width}x${channels}, its data ` +
            `has ${found.height}x${found.width}x${found.channels}`,
        );
      }
    }
    this.#method = options.method ?? dvnMethod;
    this.#phases = this.#method.phases(scenario);
    const longest = Math.max(
      ...tasks.map(({ name }) => data[name]!.train.length),
    );
    this.#stepsPerEpoch = Math.ceil(longest / scenario.training.batchSize);
    this.#steps = this.#phases.reduce((total, { epochs }) => total + epochs, 0) *
      this.#stepsPerEpoch;
  }

  get #seconds(): number {
    return (performance.now() - this.#start) / 1000;
  }

  /** The epoch, from 1, that `steps` finished steps have reached. */
  #epoch(steps: number): number {
    return Math.max(1, Math.ceil(steps / this.#stepsPerEpoch));
  }

  async *run(): AsyncGenerator<TrainEvent, void, void> {
    const { net, options } = this;
    const sums = options.resume ? this.#restore(options.resume) : undefined;
    const firstStep = this.#step;
    let phaseEnd = 0;
    let started = false;
    for (const phase of this.#phases) {
      const phaseStart = phaseEnd;
      phaseEnd += phase.epochs * this.#stepsPerEpoch;
      if (this.#step >= phaseEnd && phaseEnd < this.#steps) continue;
      this.#phasePlan?.plan.destroy();
      this.#phasePlan?.counters.destroy();
      this.#phasePlan = await this.#compile(phase);
      if (!started) {
        // Evaluation reuses the memory of the training step, which is the larger.
        for (let task = 0; task < net.tasks.length; task++) {
          const batch = net.scenario.training.batchSize;
          this.#evaluators.push(await Evaluator.create(net, task, batch));
        }
        if (sums) this.#phasePlan.counters.write(sums);
        yield this.#startEvent(firstStep);
        started = true;
      }
      if (yield* this.#runPhase(phaseStart, phaseEnd)) return;
    }
    yield await this.#checkpoint("end");
    yield {
      type: "end",
      step: this.#step,
      interrupted: false,
      seconds: this.#seconds,
    };
  }

  /** @returns Whether the run was interrupted. */
  async *#runPhase(
    start: number,
    end: number,
  ): AsyncGenerator<TrainEvent, boolean, void> {
    const { options } = this;
    const stepsPerEpoch = this.#stepsPerEpoch;
    const reportEvery = Math.min(
      MAX_STEPS_PER_REPORT,
      Math.ceil(stepsPerEpoch / REPORTS_PER_EPOCH),
    );
    const firstStep = this.#step;
    const began = performance.now();
    while (this.#step < end) {
      if (options.signal?.aborted) {
        yield await this.#checkpoint("interrupt");
        yield {
          type: "end",
          step: this.#step,
          interrupted: true,
          seconds: this.#seconds,
        };
        return true;
      }
      const rate = this.#submitStep(this.#step - start);
      this.#step++;
      await this.#throttle();
      const inEpoch = this.#step % stepsPerEpoch;
      if (inEpoch % reportEvery === 0) {
        const seconds = (performance.now() - began) / 1000;
        yield await this.#report(rate, (this.#step - firstStep) / seconds);
      }
      if (inEpoch !== 0) continue;
      const epoch = this.#epoch(this.#step);
      const last = this.#step === this.#steps;
      if (last || epoch % (options.evaluateEvery ?? 1) === 0) {
        yield await this.#evaluate();
      }
      yield { type: "epoch", step: this.#step, epoch, seconds: this.#seconds };
      if (
        !last && options.checkpointEvery &&
        epoch % options.checkpointEvery === 0
      ) {
        yield await this.#checkpoint("interval");
      }
    }
    return false;
  }

  /** Records and compiles one step: every loss of the phase, forward and backward, and the update. */
  async #compile({ name, losses, frozen }: Phase): Promise<PhasePlan> {
    const { net } = this;
    const { gpu, scenario } = net;
    const { training } = scenario;
    const tape = new Tape(gpu);
    const counters = new Counters(
      gpu,
      losses.map(({ task, level }) => ({ task: net.taskNames[task]!, level })),
    );
    const hyper = tape.input("learning rate, momentum, weight decay", [3]);
    const batches = [...new Set(losses.map(({ task }) => task))].map((task) => {
      const input = recordInput(tape, net.tasks[task]!, training.batchSize);
      const labels = tape.input(`${net.taskNames[task]} labels`, [
        training.batchSize,
      ]);
      const stem = net.stem(tape, task, input.images, true);
      losses.forEach((loss, index) => {
        if (loss.task !== task) return;
        // Back to the stem after each level: the activations of one level are alive at a time.
        const mark = tape.mark();
        const logits = net.forward(tape, task, loss.level, stem, true);
        const options = {
          counters: counters.tensor(tape, index),
          weight: loss.weight,
        };
        crossEntropy(tape, logits, labels, options);
        tape.backward(mark);
      });
      tape.backward();
      const { name } = net.tasks[task]!;
      const order = new ImageOrder(this.data[name]!.train.length, scenario.seed, name);
      return { task, input, labels, order };
    });
    sgd(tape, net.store, hyper, frozen);
    const plan = await tape.compile(`train ${name}`);
    return { plan, hyper, batches, counters };
  }

  /** Fills the inputs of the next step and submits it. @returns The learning rate. */
  #submitStep(stepInPhase: number): number {
    const { net, data } = this;
    const { seed, training, augmentation } = net.scenario;
    const { plan, hyper, batches } = this.#phasePlan!;
    const rate = learningRate(stepInPhase, this.#stepsPerEpoch, training);
    plan.input(hyper, Float32Array).set([
      rate,
      training.momentum,
      training.weightDecay,
    ]);
    for (const { task, input, labels, order } of batches) {
      const { name, height, width, channels } = net.tasks[task]!;
      const { train } = data[name]!;
      const indices = order.indices(this.#step, training.batchSize);
      const bytes = plan.input(input.bytes, Uint8Array);
      train.read(
        indices,
        bytes.subarray(0, indices.length * height * width * channels),
        plan.input(labels, Uint32Array),
      );
      const random = new Random(seed, name, "augmentation", this.#step);
      augmentationMatrices(
        plan.input(input.matrices, Float32Array),
        width,
        augmentation,
        random,
      );
    }
    plan.run();
    return rate;
  }

  async #throttle(): Promise<void> {
    this.#inFlight.push(this.net.gpu.device.queue.onSubmittedWorkDone());
    if (this.#inFlight.length > STEPS_IN_FLIGHT) await this.#inFlight.shift();
  }

  #startEvent(firstStep: number): TrainEvent {
    const { net } = this;
    return {
      type: "start",
      scenario: net.scenario,
      method: this.#method.name,
      adapter: net.gpu.describe(),
      steps: this.#steps,
      firstStep,
      epochs: this.#steps / this.#stepsPerEpoch,
      networks: net.costs(),
      bytesHeld: net.gpu.bytesHeld,
      pipelines: net.gpu.pipelineCount,
      buildSeconds: this.#seconds,
    };
  }

  async #report(rate: number, stepsPerSecond: number): Promise<TrainEvent> {
    const { net } = this;
    const { counters, batches } = this.#phasePlan!;
    const sums = counters.read();
    counters.write(); // queued behind the copy that read() has submitted
    const networks = counters.scores(await sums);
    const mean = (of: (score: NetworkScore) => number) =>
      networks.reduce((total, score) => total + of(score), 0) / networks.length;
    return {
      type: "step",
      step: this.#step,
      epoch: this.#epoch(this.#step),
      learningRate: rate,
      loss: mean(({ loss }) => loss),
      accuracy: mean(({ accuracy }) => accuracy),
      networks,
      imagesPerSecond: stepsPerSecond * batches.length *
        net.scenario.training.batchSize,
      seconds: this.#seconds,
      secondsLeft: (this.#steps - this.#step) / stepsPerSecond,
    };
  }

  async #evaluate(): Promise<TrainEvent> {
    const networks: NetworkScore[] = [];
    for (const evaluator of this.#evaluators) {
      const { name } = this.net.tasks[evaluator.task]!;
      networks.push(...await evaluator.run(this.data[name]!.test));
    }
    const epoch = this.#epoch(this.#step);
    return {
      type: "evaluation",
      step: this.#step,
      epoch,
      networks,
      seconds: this.#seconds,
    };
  }

  async #checkpoint(
    reason: "interval" | "interrupt" | "end",
  ): Promise<TrainEvent> {
    const { store } = this.net;
    const step = this.#step;
    const metadata = { method: this.#method.name, step: `${step}` };
    const weights = await this.net.weights(metadata);
    const tensors = new Map(
      [...await store.read("momentum")].map(([name, data]) => [
        `momentum.${name}`,
        { shape: [...store.params.get(name)!.shape], data },
      ]),
    );
    const sums = await this.#phasePlan!.counters.read();
    tensors.set("counters", { shape: [sums.length], data: sums });
    const state = encodeSafeTensors({ tensors, metadata });
    return {
      type: "checkpoint",
      step,
      epoch: this.#epoch(step),
      reason,
      weights,
      state,
    };
  }

  /** @returns The counters at the checkpoint. */
  #restore({ weights, state }: CheckpointFiles): Float32Array {
    const { net } = this;
    const file = decodeSafeTensors(weights);
    const { tensors, metadata } = decodeSafeTensors(state);
    const { method, step } = metadata;
    if (method !== this.#method.name || step !== file.metadata.step) {
      throw new RangeError(
        `train: weights (method ${file.metadata.method}, step ${file.metadata.step}) and training ` +
          `state (method ${method}, step ${step}) are not of one ${this.#method.name} run; resume ` +
          "from the two files of one checkpoint",
      );
    }
    net.restore(file);
    for (const name of net.store.params.keys()) {
      const tensor = tensors.get(`momentum.${name}`);
      if (!tensor) {
        throw new RangeError(
          `train: the training state has no momentum of ${name}`,
        );
      }
      net.store.write(name, tensor.data, "momentum");
    }
    this.#step = Number(step);
    return tensors.get("counters")!.data;
  }

  destroy(): void {
    for (const evaluator of this.#evaluators) evaluator.destroy();
    this.#phasePlan?.plan.destroy();
    this.#phasePlan?.counters.destroy();
  }
}

/** Which images each step trains on: pass after pass over the set, each in a new order, no image left out. */
class ImageOrder {
  #pass = -1;
  /** Of the pass; drawn once for all its steps. */
  #order: Uint32Array = new Uint32Array();

  constructor(readonly length: number, readonly seed: number, readonly task: string) {}

  /** The same for the same step, whatever came before. */
  indices(step: number, batch: number): Uint32Array {
    const indices = new Uint32Array(batch);
    for (let i = 0; i < batch; i++) {
      const position = step * batch + i;
      const pass = Math.floor(position / this.length);
      if (pass !== this.#pass) {
        this.#pass = pass;
        this.#order = new Random(this.seed, this.task, "order", pass).permutation(this.length);
      }
      indices[i] = this.#order[position % this.length]!;
    }
    return indices;
  }
}
