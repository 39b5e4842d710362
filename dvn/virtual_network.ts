import type { Gpu } from "../nn/gpu/gpu.ts";
import type { Plan } from "../nn/gpu/plan.ts";
import { enoughRuns, hasTimestamps, LEAST_MILLISECONDS, timePlan } from "../nn/gpu/time_plan.ts";
import type { ParamStore } from "../nn/params.ts";
import { Tape } from "../nn/tape.ts";
import type { Tensor } from "../nn/tensor.ts";
import { identityMatrices } from "./augmentation.ts";
import type { NetworkCost } from "./costs.ts";
import { type BatchInput, recordImages, recordInput } from "./batch_input.ts";
import type { Scenario } from "./scenario.ts";
import type { TaskInfo } from "./task_info.ts";

/** Images that {@linkcode VirtualNetwork.predict} classifies at once; a single one has its own plan. */
export const PREDICT_BATCH = 32;

/** Images of a run of {@linkcode VirtualNetwork.measure}, and the measurements it takes the median of. */
const MEASURED_BATCH = 128;
const MEASUREMENTS = 9;

/** Milliseconds of a measurement by the clock: it counts the wait for the result, some 3 ms in browsers. */
const LEAST_BY_CLOCK = 100;

interface InferencePlan {
  plan: Plan;
  input: BatchInput;
  logits: Tensor;
}

/** What a virtual network needs of the network that it is part of; tasks count from 0, levels from 1. */
export interface SharedNetwork {
  /** Where it lives. */
  readonly gpu: Gpu;
  /** What it was made for. */
  readonly scenario: Scenario;
  /** All of them. */
  readonly tasks: readonly TaskInfo[];
  /** Its arrays. */
  readonly store: ParamStore;
  /** What a network costs. */
  cost(task: number, level: number): NetworkCost;
  /** Records what all levels of a task share. */
  stem(tape: Tape, task: number, images: Tensor, mode: "inference"): Tensor;
  /** Records the rest of a level; gives the logits. */
  forward(tape: Tape, task: number, level: number, stem: Tensor, mode: "inference"): Tensor;
}

/** One (task, level) of a deep virtual network, ready to classify. */
export class VirtualNetwork {
  /** What it takes to run. */
  readonly cost: NetworkCost;
  readonly #plans = new Map<number, Promise<InferencePlan>>();

  /** Use `DeepVirtualNetwork.virtual()`. @param taskIndex From 0. @param level From 1. */
  constructor(
    readonly net: SharedNetwork,
    readonly taskIndex: number,
    readonly level: number,
  ) {
    this.cost = net.cost(taskIndex, level);
  }

  /** Name of its task. */
  get task(): string {
    return this.net.tasks[this.taskIndex]!.name;
  }

  /** Names of the classes, in the order of the probabilities. */
  get classes(): string[] {
    return this.net.tasks[this.taskIndex]!.classes;
  }

  /** Rows of pixels of an image. */
  get height(): number {
    return this.net.tasks[this.taskIndex]!.height;
  }

  /** Pixels in a row. */
  get width(): number {
    return this.net.tasks[this.taskIndex]!.width;
  }

  /** Bytes of a pixel. */
  get channels(): number {
    return this.net.tasks[this.taskIndex]!.channels;
  }

  /** The largest byte value a picture can hold. */
  get maximum(): number {
    return this.net.tasks[this.taskIndex]!.maximum;
  }

  #plan(batch: number): Promise<InferencePlan> {
    let plan = this.#plans.get(batch);
    if (!plan) {
      this.#plans.set(batch, plan = this.#compile(batch));
      // What failed, perhaps for memory that is free later, is tried again when it is next needed.
      plan.catch(() => this.#plans.get(batch) === plan && this.#plans.delete(batch));
    }
    return plan;
  }

  async #compile(batch: number): Promise<InferencePlan> {
    const { net, taskIndex, level } = this;
    const tape = new Tape(net.gpu);
    const input = recordInput(tape, net.tasks[taskIndex]!, batch);
    const images = recordImages(tape, input, net.tasks[taskIndex]!);
    const stem = net.stem(tape, taskIndex, images, "inference");
    const logits = tape.output(
      net.forward(tape, taskIndex, level, stem, "inference"),
    );
    const plan = await tape.compile(
      `${this.task} level ${level}, batch ${batch}`,
    );
    identityMatrices(plan.input(input.matrices, Float32Array));
    return { plan, input, logits };
  }

  /**
   * Compiles what {@linkcode VirtualNetwork.predict} needs, so that its first call is as fast as later
   * ones.
   *
   * @param count Images that will be classified at once.
   */
  async prepare(count = 1): Promise<void> {
    await this.#plan(planBatch(count));
  }

  /**
   * Classifies images.
   *
   * @param images [count, height, width, channels] bytes, each at most `maximum`.
   * @returns [count, classes]: softmax probabilities.
   * @throws {RangeError} If the bytes are not a whole number of pictures.
   */
  async predict(images: Uint8Array): Promise<Float32Array> {
    const { height, width, channels } = this;
    const bytes = height * width * channels;
    const count = images.length / bytes;
    if (!Number.isInteger(count) || count < 1) {
      throw new RangeError(
        `predict: images must be whole pictures of ${height}x${width}x${channels} = ${bytes} ` +
          `bytes, got ${images.length}`,
      );
    }
    const batch = planBatch(count);
    const { plan, input, logits } = await this.#plan(batch);
    const classes = this.classes.length;
    const probabilities = new Float32Array(count * classes);
    for (let first = 0; first < count; first += batch) {
      const part = images.subarray(
        first * bytes,
        Math.min(count, first + batch) * bytes,
      );
      plan.input(input.bytes, Uint8Array).set(part);
      plan.run();
      const scores = await plan.read(logits);
      const used = scores.subarray(0, part.length / bytes * classes);
      probabilities.set(softmaxRows(used, classes), first * classes);
    }
    return probabilities;
  }

  /**
   * Milliseconds of GPU time for one image: the median of a few measurements on batches of zeros, by
   * timestamp queries, or by the clock where the adapter has none.
   */
  async measure(
    batch: number = MEASURED_BATCH,
  ): Promise<{ msPerImage: number; source: "timestamp-query" | "wall clock" }> {
    const { plan } = await this.#compile(batch); // not kept: nothing else needs so large a batch
    const byTimestamps = hasTimestamps(this.net.gpu);
    const least = byTimestamps ? LEAST_MILLISECONDS : LEAST_BY_CLOCK;
    const times: number[] = []; // among them one of a cold start, which a median does not mind
    try {
      for (let runs = 1; times.length < MEASUREMENTS;) {
        const time = await timePlan(plan, runs);
        const enough = enoughRuns(runs, time, least);
        if (enough === runs) times.push(time);
        runs = enough;
      }
    } finally {
      plan.destroy();
    }
    times.sort((a, b) => a - b);
    return {
      msPerImage: times[MEASUREMENTS >> 1]! / batch,
      source: byTimestamps ? "timestamp-query" : "wall clock",
    };
  }

  /** Frees the plans. */
  destroy(): void {
    for (const plan of this.#plans.values()) {
      plan.then(({ plan }) => plan.destroy(), () => {});
    }
    this.#plans.clear();
  }
}

function planBatch(count: number): number {
  return count === 1 ? 1 : PREDICT_BATCH;
}

function softmaxRows(scores: Float32Array, classes: number): Float32Array {
  const result = new Float32Array(scores.length);
  for (let at = 0; at < scores.length; at += classes) {
    const row = scores.subarray(at, at + classes);
    const most = Math.max(...row);
    const exponentials = Array.from(row, (score) => Math.exp(score - most));
    const sum = exponentials.reduce((total, value) => total + value, 0);
    exponentials.forEach((value, c) => result[at + c] = value / sum);
  }
  return result;
}
