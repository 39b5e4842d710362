import { size } from "../../shaders/kernel.ts";
import { recordConvPass } from "../ops/conv_pass.ts";
import { type Param, ParamStore } from "../params.ts";
import { type Dispatch, wholeOf } from "../tensor.ts";
import {
  convCandidates,
  type ConvShape,
  type Driver,
  weightGradientCandidates,
} from "./chooser.ts";
import { DeviceLostError, GpuError } from "./errors.ts";
import type { Gpu } from "./gpu.ts";
import { compilePlan, type Plan } from "./plan.ts";
import {
  type Choice,
  type Choices,
  describeChoice,
  multiplyAccumulates,
  shapeKey,
} from "./tuning.ts";

/** What a choice was measured to be worth; plain data. */
export interface TunedChoice {
  choice: Choice;
  /** Of one pass, the least of several runs. */
  milliseconds: number;
  /** What is chosen where nothing was measured; no time where it cannot run. */
  standard: { choice: Choice; milliseconds?: number };
}

/** Measured choices by the shape they are for, as {@linkcode shapeKey} writes it. */
export type TunedChoices = Readonly<Record<string, TunedChoice>>;

/** One shape, decided. */
export interface TuningRecord extends TunedChoice {
  key: string;
  shape: ConvShape;
  /** All that could run, fastest first. Slow ones were run less often. */
  candidates: { choice: Choice; milliseconds: number }[];
  /** Those that could not, and why. */
  failed: { choice: Choice; error: GpuError }[];
}

/** One way to compute a shape, ready to run. */
export interface Trial {
  shape: ConvShape;
  choice: Choice;
  plan: Plan;
  /** Runs in a row to take the mean of: of short ones, more. */
  runs: number;
}

export interface AutotuneOptions {
  /**
   * No shape is begun after that; one that is begun is decided, with fewer runs. Default: none is left
   * out.
   */
  seconds?: number;
  /** Runs a trial. @returns Milliseconds of one run. Default: the adapter's timestamps, else the clock. */
  measure?: (trial: Trial) => Promise<number>;
  /** Seconds on any clock. */
  now?: () => number;
  /** The ways that are tried beside the standard one. Default: the chooser's. */
  candidates?: (driver: Driver, shape: ConvShape) => Choice[];
}

/** Another choice must take less than this part of the standard one's time, or nothing is changed. */
const WORTHWHILE = 0.97;

/**
 * A candidate is run once in each round, unless it takes more than so many times as long as the best so
 * far. The first round warms up, and counts only where what is compiled then takes no part worth telling.
 */
const HOPELESS = [Infinity, 2, 2, 1.3, 1.3, 1.3];
const LONG_MILLISECONDS = 1000;

/** Rounds that a shape is given also when the time is up. */
const LEAST_ROUNDS = 3;

/** A measurement is to take so long, by running more than once, though not more often than that. */
const LEAST_MILLISECONDS = 2;
const MOST_RUNS = 64;

/**
 * Measures, for each shape, every way to compute it, and pins the fastest in `gpu.tuning`: for what is
 * recorded later. Shapes with the most arithmetic come first. Where nothing is faster by 3 %, the standard
 * choice is kept.
 *
 * ```ts
 * for await (const { key, choice } of autotune(gpu, gpu.tuning.shapes, { seconds: 30 })) {
 *   console.log(key, describeChoice(choice));
 * }
 * ```
 *
 * @param shapes Such as `gpu.tuning.shapes`, what was recorded so far. Each is measured once.
 * @throws {DeviceLostError} If the device is lost.
 */
export async function* autotune(
  gpu: Gpu,
  shapes: readonly ConvShape[],
  options: AutotuneOptions = {},
): AsyncGenerator<TuningRecord, void, void> {
  const { seconds = Infinity, now = () => performance.now() / 1000 } = options;
  const begun = now();
  const distinct = new Map(shapes.map((shape) => [shapeKey(shape), shape]));
  const order = [...distinct].sort(([, a], [, b]) =>
    multiplyAccumulates(b) - multiplyAccumulates(a)
  );
  const isOver = () => now() - begun >= seconds;
  for (const [key, shape] of order) {
    if (isOver()) return;
    const record = await tune(gpu, key, shape, isOver, options);
    if (!record) continue;
    gpu.tuning.pin({ [key]: record.choice });
    yield record;
  }
}

/** @returns Undefined if nothing could run: an adapter too small for the shape. */
async function tune(
  gpu: Gpu,
  key: string,
  shape: ConvShape,
  isOver: () => boolean,
  { measure = runOnGpu, candidates = chooserCandidates }: AutotuneOptions,
): Promise<TuningRecord | undefined> {
  const { prefer } = gpu.tuning;
  const standard = gpu.tuning.standard(shape);
  const others = candidates(gpu.driver, shape)
    .filter(({ algorithm }) => !prefer || algorithm === standard.algorithm);
  // Each once; the standard one as the object that it is known by.
  const choices = new Map(
    [standard, ...others, standard].map((choice) => [describeChoice(choice), choice]),
  );
  const failed: TuningRecord["failed"] = [];
  /** What cannot run does not stop the others; a lost device does. */
  const attempt = async <T>(choice: Choice, work: () => Promise<T>): Promise<T | undefined> => {
    try {
      return await work();
    } catch (error) {
      if (!(error instanceof GpuError) || error instanceof DeviceLostError) throw error;
      failed.push({ choice, error });
    }
  };
  const operands = await attempt(standard, () => Operands.create(gpu, shape));
  if (!operands) return undefined;
  const trials = new Set<Timed>();
  const drop = (trial: Timed) => {
    trial.plan.destroy();
    trials.delete(trial);
  };
  try {
    for (const choice of choices.values()) {
      const plan = await attempt(choice, () => operands.compile(key, choice));
      if (plan) trials.add({ shape, choice, plan, runs: 1, milliseconds: Infinity });
    }
    for (let round = 0; round < HOPELESS.length; round++) {
      if (round >= LEAST_ROUNDS && isOver()) break;
      const best = Math.min(...[...trials].map(({ milliseconds }) => milliseconds));
      for (const trial of [...trials]) {
        const isKnown = trial.milliseconds < Infinity;
        const isHopeless = isKnown && trial.milliseconds > HOPELESS[round]! * best;
        if (isHopeless && trial.choice !== standard) continue;
        const milliseconds = await attempt(trial.choice, () => measure(trial));
        if (milliseconds === undefined) {
          drop(trial);
          continue;
        }
        if (round === 0) {
          trial.runs = Math.ceil(Math.min(MOST_RUNS, LEAST_MILLISECONDS / milliseconds));
        }
        if (round > 0 || milliseconds >= LONG_MILLISECONDS) {
          trial.milliseconds = Math.min(trial.milliseconds, milliseconds);
        }
      }
    }
    const results = [...trials].map(({ choice, milliseconds }) => ({ choice, milliseconds }))
      .sort((a, b) => a.milliseconds - b.milliseconds);
    const [best] = results;
    if (!best) return undefined;
    const usual = results.find(({ choice }) => choice === standard);
    const isWorthwhile = !usual || best.milliseconds < WORTHWHILE * usual.milliseconds;
    return {
      key,
      shape,
      ...isWorthwhile ? best : usual,
      standard: usual ?? { choice: standard },
      candidates: results,
      failed,
    };
  } finally {
    trials.forEach(drop);
    operands.free();
  }
}

interface Timed extends Trial {
  /** The least so far. */
  milliseconds: number;
}

function chooserCandidates(driver: Driver, shape: ConvShape): Choice[] {
  return shape.pass === "dw"
    ? weightGradientCandidates(driver, shape)
    : convCandidates(driver, shape);
}

async function runOnGpu({ plan, runs }: Trial): Promise<number> {
  if (plan.gpu.device.features.has("timestamp-query")) return await plan.time(runs);
  const start = performance.now();
  for (let run = 0; run < runs; run++) plan.run();
  await plan.gpu.settle();
  return (performance.now() - start) / runs;
}

/** What a pass reads and writes, in buffers that all its candidates share. */
class Operands {
  private constructor(
    readonly gpu: Gpu,
    readonly shape: ConvShape,
    readonly store: ParamStore,
    readonly weight: Param,
    readonly buffers: Map<string, GPUBuffer>,
  ) {}

  /** @throws {OutOfMemoryError} If the memory cannot be had. */
  static async create(gpu: Gpu, shape: ConvShape): Promise<Operands> {
    const { kernel, ci, co } = shape;
    const taps = kernel ** 2;
    const store = new ParamStore(gpu, 0);
    const layout = { taps, inWidths: [ci], outWidths: [co] };
    const weight = store.param("weight", [taps, ci, co], scatter, { decay: false, layout });
    await store.allocate();
    const operands = new Operands(gpu, shape, store, weight, new Map());
    try {
      const inputs = new Map(
        operands.#record({}, (tape, label, shape) => tape.input(label, shape))
          .flatMap(({ tensors }) => tensors.map(wholeOf))
          .filter(({ home }) => home.kind === "input")
          .map(({ label, shape }) => [label, shape]),
      );
      for (const [label, shape] of inputs) await operands.#upload(label, size(shape));
      return operands;
    } catch (error) {
      operands.free();
      throw error;
    }
  }

  async #upload(label: string, length: number): Promise<void> {
    const values = new Float32Array(length);
    scatter(values);
    await this.gpu.guard(`autotune: ${label}`, () => {
      const buffer = this.gpu.buffer(label, values.byteLength);
      this.buffers.set(label, buffer);
      this.gpu.device.queue.writeBuffer(buffer, 0, values);
    });
  }

  #record(trial: Choices, operand: Parameters<typeof recordConvPass>[3]): Dispatch[] {
    let dispatches: Dispatch[] = [];
    this.gpu.tuning.collect(() => {
      ({ dispatches } = recordConvPass(this.store, this.weight, this.shape, operand));
    }, trial);
    return dispatches;
  }

  /** The pass, computed that way. */
  async compile(key: string, choice: Choice): Promise<Plan> {
    const dispatches = this.#record(
      { [key]: choice },
      (tape, label, shape) => tape.bound(label, shape, this.buffers.get(label)!),
    );
    return await compilePlan(this.gpu, `${key}: ${describeChoice(choice)}`, dispatches);
  }

  free(): void {
    for (const buffer of this.buffers.values()) this.gpu.free(buffer);
    this.store.destroy();
  }
}

/** Numbers in [-0.5, 0.5) without a pattern, made fast. */
function scatter(values: Float32Array): void {
  for (let i = 0; i < values.length; i++) {
    values[i] = (Math.imul(i + 1, 0x9e3779b1) >>> 8) / 2 ** 24 - 0.5;
  }
}
