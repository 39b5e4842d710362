import { tuningKey } from "../nn/gpu/tuning_key.ts";
import { LossScale } from "../nn/optim/loss_scale.ts";
import { Random } from "../nn/random.ts";
import { decodeSafeTensors, encodeSafeTensors, type SafeTensors } from "../nn/safetensors.ts";
import type { Tape } from "../nn/tape.ts";
import type { ParamStore } from "../nn/params.ts";
import { augmentationMatrices } from "./augmentation.ts";
import { Counters } from "./counters.ts";
import type { TaskData } from "./data.ts";
import { Evaluator } from "./evaluate.ts";
import type { NetworkScore, TrainEvent } from "./events.ts";
import { ImageOrder } from "./image_order.ts";
import type { LossTerm, Phase, Run } from "./method.ts";
import { dvnMethod } from "./methods/dvn.ts";
import type { DeepVirtualNetwork } from "./network.ts";
import { parseScenario } from "./parse_scenario.ts";
import { Recalibration } from "./recalibration.ts";
import type { Scenario } from "./scenario.ts";
import { withEpochs } from "./scenarios/scale.ts";
import { learningRate, type RateSpec } from "./schedule.ts";
import { checkLosses, compileUpdate, shownTask, type UpdatePlan } from "./update_plan.ts";

/** A checkpoint's two files. */
export interface CheckpointFiles {
  /** Safetensors: parameters and running statistics, with the scenario and the classes. */
  weights: Uint8Array;
  /** Safetensors: what a resumed run needs besides, such as momentum. */
  state: Uint8Array;
}

/** How to train; all of it may be left out. */
export interface TrainOptions {
  /**
   * What is done, of the scenario that the network was made for. Default: the paper's method,
   * eq. (4), or (6) for tasks that arrive one after another.
   */
  run?: Run;
  /**
   * Go on from here, bit for bit as if the run had not stopped (same adapter): with the kernels that the
   * run had chosen, whatever was measured since.
   */
  resume?: CheckpointFiles;
  /** Epochs between checkpoints. Default: none but the last. */
  checkpointEvery?: number;
  /** Epochs between evaluations; the last epoch of a phase always has one. Default 1. */
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
 * @throws {RangeError} If data or run do not fit the network.
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

/** A network of the run: task, index from 0, and level, from 1. */
type Network = Pick<LossTerm, "task" | "level">;

/** Where in the run a phase is. */
interface PlannedPhase extends Phase {
  /** Steps before its first, and before its end. */
  start: number;
  end: number;
  stepsPerEpoch: number;
  epochsBefore: number;
  /** The scenario's, stretched over the phase's epochs. */
  schedule: RateSpec;
  /** What it and the phases before it train. */
  trained: Network[];
}

/** A phase that is under way. */
interface CurrentPhase {
  /** Of each update its variants. */
  updates: UpdatePlan[][];
  /** Of the tasks whose images are shown. */
  orders: Map<number, ImageOrder>;
  counters: Counters;
  recalibrations: Recalibration[];
  evaluators: Evaluator[];
  /** The network as it was when the phase began, if a loss compares with it. */
  old?: DeepVirtualNetwork;
  /** Where the scenario keeps the best epoch: the weights of the phase's best so far, the first of equals. */
  best?: { accuracy: number; store: ParamStore };
}

class Trainer {
  readonly #run: Run;
  readonly #phases: PlannedPhase[];
  readonly #steps: number;
  readonly #inFlight: Promise<void>[] = [];
  readonly #start = performance.now();
  #current: CurrentPhase | undefined;
  #step = 0;
  /** Where activations are stored in 16 bits. */
  readonly #lossScale?: LossScale;
  /** Ends the run's record of the kernels it uses. */
  #leaveTuning = () => {};

  constructor(
    readonly net: DeepVirtualNetwork,
    readonly data: Readonly<Record<string, TaskData>>,
    readonly options: TrainOptions,
  ) {
    const { scenario } = net;
    this.#run = options.run ?? dvnMethod.runs(scenario)[0]!;
    if (canonical(this.#run.scenario) !== canonical(scenario)) {
      throw new RangeError(
        `train: the run (method ${this.#run.method}) is of another scenario than the network; make ` +
          "the network from run.scenario",
      );
    }
    this.#checkData();
    this.#phases = this.#planPhases();
    this.#steps = this.#phases.at(-1)!.end;
    if (scenario.training.activations === "f16") this.#lossScale = new LossScale(net.gpu);
  }

  #checkData(): void {
    const { scenario, tasks } = this.net;
    for (const { name, classes, height, width, channels } of tasks) {
      const found = this.data[name];
      if (!found) throw new RangeError(`train: no data for task ${name}`);
      if (found.height !== height || found.width !== width || found.channels !== channels) {
        throw new RangeError(
          `train: task ${name} was made for pictures of ${height}x${width}x${channels}, its data ` +
            `has ${found.height}x${found.width}x${found.channels}`,
        );
      }
      if (found.classes.length !== classes.length) {
        throw new RangeError(
          `train: task ${name} was made for ${classes.length} classes, its data has ` +
            `${found.classes.length}`,
        );
      }
      if (scenario.reportedEpoch !== "last" && !found.validation?.length) {
        throw new RangeError(
          `train: the best epoch is to be kept, and task ${name} has no validation images; split ` +
            "some off its training images",
        );
      }
    }
  }

  #planPhases(): PlannedPhase[] {
    const { tasks, scenario } = this.net;
    let [start, epochsBefore] = [0, 0];
    let trained: Network[] = [];
    return this.#run.phases.map((phase) => {
      // Here, so that a later phase does not fail after hours.
      for (const variant of phase.updates.flatMap(({ variants }) => variants)) {
        checkLosses(this.net, variant);
      }
      const losses = phase.updates.flatMap(({ variants }) => variants.flat());
      const lengths = losses.map((loss) => this.data[tasks[shownTask(loss)]!.name]!.train.length);
      const stepsPerEpoch = Math.ceil(Math.max(...lengths) / scenario.training.batchSize);
      trained = distinct([...trained, ...losses]);
      const end = start + phase.epochs * stepsPerEpoch;
      const schedule = withEpochs(scenario.training, phase.epochs);
      const planned = { ...phase, start, end, stepsPerEpoch, epochsBefore, schedule, trained };
      start = end;
      epochsBefore += phase.epochs;
      return planned;
    });
  }

  get #seconds(): number {
    return (performance.now() - this.#start) / 1000;
  }

  /** The epoch of the run, from 1, that `steps` finished steps have reached. */
  #epoch(steps: number): number {
    const phase = this.#phases.find(({ end }) => steps <= end)!;
    const within = Math.ceil((steps - phase.start) / phase.stepsPerEpoch);
    return Math.max(1, phase.epochsBefore + within);
  }

  async *run(): AsyncGenerator<TrainEvent, void, void> {
    const { options } = this;
    const resumed = options.resume ? this.#restore(options.resume) : undefined;
    this.#enterTuning(resumed?.metadata);
    const firstStep = this.#step;
    for (const [index, phase] of this.#phases.entries()) {
      const isLast = phase.end === this.#steps;
      if (firstStep >= phase.end && !isLast) continue;
      const continues = resumed && firstStep > phase.start;
      await this.#begin(phase, continues ? resumed : undefined);
      if (this.#step === firstStep) yield this.#startEvent(firstStep);
      yield {
        type: "phase",
        step: this.#step,
        name: phase.name,
        index: index + 1,
        count: this.#phases.length,
        bytesHeld: this.net.gpu.bytesHeld,
      };
      if (yield* this.#runPhase(phase)) return;
      if (isLast) yield await this.#checkpoint("end");
    }
    yield { type: "end", step: this.#step, interrupted: false, seconds: this.#seconds };
  }

  /**
   * Prepares a phase.
   *
   * @param resumed The training state to go on from within the phase.
   */
  async #begin(phase: PlannedPhase, resumed: SafeTensors | undefined): Promise<void> {
    const { net } = this;
    this.#endPhase();
    if (!resumed) {
      for (const { from, to } of phase.copies ?? []) await net.copyTask(from, to);
      net.store.clearMomentum();
    }
    const losses = phase.updates.flatMap(({ variants }) => variants.flat());
    const networks = distinct(losses);
    const current: CurrentPhase = this.#current = {
      updates: [],
      orders: new Map(),
      counters: new Counters(
        net.gpu,
        networks.map(({ task, level }) => ({ task: net.taskNames[task]!, level })),
      ),
      recalibrations: [],
      evaluators: [],
    };
    if (losses.some(({ target }) => target?.kind === "old-network")) {
      current.old = await net.frozenCopy();
      if (resumed) writeAll(current.old.store, resumed, OLD);
    }
    if (net.scenario.reportedEpoch !== "last") {
      current.best = { accuracy: -1, store: await net.store.frozenCopy() };
      if (resumed) {
        current.best.accuracy = Number(resumed.metadata.bestAccuracy);
        writeAll(current.best.store, resumed, BEST);
      }
    }
    const counters = (tape: Tape, loss: LossTerm) =>
      current.counters.tensor(tape, networks.findIndex((each) => isSame(each, loss)));
    const { frozen } = phase;
    const { old } = current;
    for (const { variants } of phase.updates) {
      const plans: UpdatePlan[] = [];
      current.updates.push(plans);
      for (const variant of variants) {
        const context = { old, frozen, lossScale: this.#lossScale, counters };
        plans.push(await compileUpdate(`train ${phase.name}`, net, variant, context));
      }
    }
    for (const task of new Set(losses.map(shownTask))) {
      const { name } = net.tasks[task]!;
      const { length } = this.data[name]!.train;
      current.orders.set(task, new ImageOrder(length, net.scenario.seed, name));
    }
    // What follows reuses the memory of the updates, which are the larger.
    if (net.scenario.batchNorm.statistics === "recalibrated") {
      const learning = losses.filter(({ learns }) => learns !== "head");
      for (const [task, levels] of byTask(distinct(learning))) {
        const shown = shownTask(learning.find((loss) => loss.task === task)!);
        current.recalibrations.push(await Recalibration.create(net, task, levels, shown));
      }
    }
    for (const [task, levels] of byTask(phase.trained)) {
      const batch = net.scenario.training.batchSize;
      current.evaluators.push(await Evaluator.create(net, task, levels, batch));
    }
    if (resumed) current.counters.write(resumed.tensors.get("counters")!.data);
  }

  /** @returns Whether the run was interrupted. */
  async *#runPhase(phase: PlannedPhase): AsyncGenerator<TrainEvent, boolean, void> {
    const { options } = this;
    const { start, end, stepsPerEpoch } = phase;
    const reportEvery = Math.min(
      MAX_STEPS_PER_REPORT,
      Math.ceil(stepsPerEpoch / REPORTS_PER_EPOCH),
    );
    const firstStep = this.#step;
    const began = performance.now();
    while (this.#step < end) {
      if (options.signal?.aborted) {
        yield await this.#checkpoint("interrupt");
        yield { type: "end", step: this.#step, interrupted: true, seconds: this.#seconds };
        return true;
      }
      const rate = this.#submitStep(phase);
      this.#step++;
      await this.#throttle();
      const inEpoch = (this.#step - start) % stepsPerEpoch;
      if (inEpoch % reportEvery === 0) {
        const seconds = (performance.now() - began) / 1000;
        yield await this.#report(rate, (this.#step - firstStep) / seconds);
      }
      if (inEpoch !== 0) continue;
      const epoch = this.#epoch(this.#step);
      const isLast = this.#step === end;
      if (isLast || epoch % (options.evaluateEvery ?? 1) === 0) {
        yield* this.#evaluate(phase);
      }
      yield { type: "epoch", step: this.#step, epoch, seconds: this.#seconds };
      const due = options.checkpointEvery && epoch % options.checkpointEvery === 0;
      if (due && this.#step < this.#steps) yield await this.#checkpoint("interval");
    }
    return false;
  }

  /** Fills the inputs of the next step and submits it. @returns The learning rate. */
  #submitStep({ start, stepsPerEpoch, schedule }: PlannedPhase): number {
    const { seed, training } = this.net.scenario;
    const rate = learningRate(this.#step - start, stepsPerEpoch, schedule);
    this.#current!.updates.forEach((variants, index) => {
      const drawn = variants.length === 1
        ? 0
        : new Random(seed, "variant", index, this.#step).below(variants.length);
      const { plan, hyper, batches } = variants[drawn]!;
      const { momentum, weightDecay } = training;
      plan.input(hyper, Float32Array).set([rate, momentum, weightDecay]);
      for (const batch of batches) this.#fill(plan, batch);
      plan.run();
    });
    return rate;
  }

  /** Writes a task's images of this step into a plan's inputs. */
  #fill(plan: UpdatePlan["plan"], { task, input, labels }: UpdatePlan["batches"][number]): void {
    const { seed, training, augmentation } = this.net.scenario;
    const { name, height, width, channels } = this.net.tasks[task]!;
    const indices = this.#current!.orders.get(task)!.indices(this.#step, training.batchSize);
    const bytes = plan.input(input.bytes, Uint8Array);
    this.data[name]!.train.read(
      indices,
      bytes.subarray(0, indices.length * height * width * channels),
      labels ? plan.input(labels, Uint32Array) : new Uint32Array(indices.length),
    );
    augmentationMatrices(
      plan.input(input.matrices, Float32Array),
      width,
      augmentation,
      new Random(seed, name, "augmentation", this.#step),
    );
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
      method: this.#run.method,
      run: this.#run.name,
      adapter: net.gpu.describe(),
      steps: this.#steps,
      firstStep,
      epochs: this.#run.phases.reduce((total, { epochs }) => total + epochs, 0),
      networks: net.costs(),
      bytesHeld: net.gpu.bytesHeld,
      pipelines: net.gpu.pipelineCount,
      tunedShapes: net.gpu.tuning.pinnedCount,
      buildSeconds: this.#seconds,
    };
  }

  async #report(rate: number, stepsPerSecond: number): Promise<TrainEvent> {
    const { net } = this;
    const { counters, orders } = this.#current!;
    const read = Promise.all([counters.read(), this.#lossScale?.read()]);
    counters.write(); // queued behind the copy that read() has submitted
    const [sums, scaling] = await read;
    // Of networks that are drawn at some steps only, those that were not have no score.
    const networks = counters.scores(sums).filter(({ count }) => count > 0);
    return {
      type: "step",
      step: this.#step,
      epoch: this.#epoch(this.#step),
      learningRate: rate,
      loss: mean(networks, ({ loss }) => loss),
      accuracy: mean(networks, ({ accuracy }) => accuracy),
      networks,
      ...scaling ? { skippedUpdates: LossScale.skipped(scaling) } : {},
      imagesPerSecond: stepsPerSecond * orders.size * net.scenario.training.batchSize,
      seconds: this.#seconds,
      secondsLeft: (this.#steps - this.#step) / stepsPerSecond,
    };
  }

  /** Scores the weights as they are, and at the end of a phase those that it keeps. */
  async *#evaluate({ end }: PlannedPhase): AsyncGenerator<TrainEvent, void, void> {
    const { net, data } = this;
    const { best, orders, recalibrations } = this.#current!;
    for (const recalibration of recalibrations) {
      recalibration.run(data[net.taskNames[recalibration.shown]!]!.train);
    }
    if (best) {
      const event = await this.#score("validation");
      yield event;
      // Images of tasks that are not shown are gone, and have no say.
      const shown = [...orders.keys()].map((task) => net.taskNames[task]!);
      const counted = event.networks.filter(({ task }) => shown.includes(task));
      const accuracy = mean(counted, ({ accuracy }) => accuracy);
      if (accuracy > best.accuracy) {
        best.accuracy = accuracy;
        best.store.copyFrom(net.store);
      }
      if (this.#step < end) return;
      net.store.copyFrom(best.store);
    }
    yield await this.#score("test");
  }

  async #score(
    images: "test" | "validation",
  ): Promise<Extract<TrainEvent, { type: "evaluation" }>> {
    const networks: NetworkScore[] = [];
    for (const evaluator of this.#current!.evaluators) {
      const { name } = this.net.tasks[evaluator.task]!;
      networks.push(...await evaluator.run(this.data[name]![images]!));
    }
    return {
      type: "evaluation",
      step: this.#step,
      epoch: this.#epoch(this.#step),
      images,
      networks,
      seconds: this.#seconds,
    };
  }

  async #checkpoint(reason: "interval" | "interrupt" | "end"): Promise<TrainEvent> {
    const { store } = this.net;
    const { old, best, counters } = this.#current!;
    const lossScale = this.#lossScale;
    const step = this.#step;
    const { method, name: run } = this.#run;
    const metadata = { method, run, step: `${step}` };
    const weights = await this.net.weights(metadata);
    const tensors: SafeTensors["tensors"] = new Map();
    const add = (prefix: string, values: Map<string, Float32Array>) => {
      for (const [name, data] of values) {
        const { shape } = store.params.get(name) ?? store.states.get(name)!;
        tensors.set(prefix + name, { shape: [...shape], data });
      }
    };
    add(MOMENTUM, await store.read("momentum"));
    if (old) add(OLD, await old.store.read());
    if (best) add(BEST, await best.store.read());
    const sums = await counters.read();
    tensors.set("counters", { shape: [sums.length], data: sums });
    const state = encodeSafeTensors({
      tensors,
      metadata: {
        ...metadata,
        ...best ? { bestAccuracy: `${best.accuracy}` } : {},
        ...lossScale ? { lossScale: JSON.stringify([...await lossScale.read()]) } : {},
        tunedFor: tuningKey(this.net.gpu),
        tuning: JSON.stringify(this.net.gpu.tuning.state),
      },
    });
    return { type: "checkpoint", step, epoch: this.#epoch(step), reason, weights, state };
  }

  /** @returns The training state. */
  #restore({ weights, state }: CheckpointFiles): SafeTensors {
    const { net } = this;
    const { method, name } = this.#run;
    const file = decodeSafeTensors(weights);
    const training = decodeSafeTensors(state);
    const [ofFile, ofTraining] = [file, training].map(({ metadata }) =>
      `method ${metadata.method}, run ${metadata.run}, step ${metadata.step}`
    );
    const { step } = training.metadata;
    if (ofFile !== ofTraining || ofFile !== `method ${method}, run ${name}, step ${step}`) {
      throw new RangeError(
        `train: weights (${ofFile}) and training state (${ofTraining}) must be the two files of one ` +
          `checkpoint of method ${method}, run ${name}`,
      );
    }
    if (canonical(JSON.parse(file.metadata.scenario!)) !== canonical(net.scenario)) {
      throw new RangeError(
        "train: the checkpoint is of another scenario than the network; resume with the scenario " +
          "that it was trained with",
      );
    }
    net.restore(file);
    for (const name of net.store.params.keys()) {
      const tensor = training.tensors.get(MOMENTUM + name);
      if (!tensor) throw new RangeError(`train: the training state has no momentum of ${name}`);
      net.store.write(name, tensor.data, "momentum");
    }
    if (this.#lossScale) {
      const { lossScale } = training.metadata;
      if (!lossScale) throw new RangeError("train: the training state has no loss scale");
      this.#lossScale.write(Uint32Array.from(JSON.parse(lossScale)));
    }
    this.#step = Number(step);
    return training;
  }

  /** From here on the run's choices of kernels are its own; a resumed one's are those that it had. */
  #enterTuning({ tuning, tunedFor }: SafeTensors["metadata"] = {}): void {
    const { gpu } = this.net;
    const isOurs = tuning && tunedFor === tuningKey(gpu); // of another adapter, they mean nothing
    this.#leaveTuning = gpu.tuning.begin(isOurs ? JSON.parse(tuning) : undefined);
  }

  /** Frees what the current phase holds, and lets the device choose its kernels as before. */
  destroy(): void {
    this.#endPhase();
    this.#lossScale?.destroy();
    this.#leaveTuning();
  }

  #endPhase(): void {
    if (!this.#current) return;
    const { updates, counters, recalibrations, evaluators, old, best } = this.#current;
    for (const { plan } of updates.flat()) plan.destroy();
    for (const each of [counters, ...recalibrations, ...evaluators]) each.destroy();
    old?.destroy();
    best?.store.destroy();
    this.#current = undefined;
  }
}

/** A scenario as text that does not depend on the order of its fields. */
function canonical(scenario: Scenario): string {
  return JSON.stringify(parseScenario(scenario));
}

/** Prefixes of names in the training state: momenta, and the values of the two copies a phase may hold. */
const MOMENTUM = "momentum.";
const OLD = "old.";
const BEST = "best.";

function writeAll(store: ParamStore, { tensors }: SafeTensors, prefix: string): void {
  for (const name of [...store.params.keys(), ...store.states.keys()]) {
    const tensor = tensors.get(prefix + name);
    if (!tensor) throw new RangeError(`train: the training state has no ${prefix}${name}`);
    store.write(name, tensor.data);
  }
}

function isSame(a: Network, b: Network): boolean {
  return a.task === b.task && a.level === b.level;
}

/** Each network once, by task and level. */
function distinct(networks: readonly Network[]): Network[] {
  return networks
    .filter((network, i) => networks.findIndex((other) => isSame(network, other)) === i)
    .map(({ task, level }) => ({ task, level }))
    .sort((a, b) => a.task - b.task || a.level - b.level);
}

/** The levels of each task. */
function byTask(networks: readonly Network[]): Map<number, number[]> {
  const levels = new Map<number, number[]>();
  for (const { task, level } of networks) {
    levels.set(task, [...levels.get(task) ?? [], level]);
  }
  return levels;
}

function mean<T>(items: readonly T[], of: (item: T) => number): number {
  return items.reduce((total, item) => total + of(item), 0) / items.length;
}
