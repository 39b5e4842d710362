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
import { enoughRuns, hasTimestamps, LEAST_MILLISECONDS, timePlan } from "./time_plan.ts";
import {
  type Choice,
  type Choices,
  describeChoice,
  multiplyAccumulates,
  shapeKey,
} from "./tuning.ts";

/** What a choice was measured to be worth; plain data. */
export interface TunedChoice {
  /** How the pass is computed from now on. */
  choice: Choice;
  /** Of one pass, the least of several runs; 0 if the device was lost before it could be told. */
  milliseconds: number;
  /** What is chosen where nothing was measured; no time where it cannot run or took the device with it. */
  standard: { choice: Choice; milliseconds?: number };
}

/** Measured choices by the shape they are for, as {@linkcode shapeKey} writes it. */
export type TunedChoices = Readonly<Record<string, TunedChoice>>;

/** One shape, decided. */
export interface TuningRecord extends TunedChoice {
  /** The shape, as {@linkcode shapeKey} writes it. */
  key: string;
  /** What was measured. */
  shape: ConvShape;
  /** All that could run, fastest first. Slow ones were run less often. */
  candidates: { choice: Choice; milliseconds: number }[];
  /** Those that could not, and why; the one that was tried when the device was lost, too. */
  failed: { choice: Choice; error: GpuError }[];
}

/** One way to compute a shape, ready to run. */
export interface Trial {
  /** What is computed. */
  shape: ConvShape;
  /** How. */
  choice: Choice;
  /** The pass alone, compiled. */
  plan: Plan;
  /** Runs in a row to take the mean of: of short ones, more. */
  runs: number;
}

/** How to measure; all of it may be left out. */
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

/** A measurement is to take so long where timestamps are exact: waiting for it takes longer. */
const EXACT_MILLISECONDS = 2;

/** Without timestamps a measurement is to take so many times as long as the wait for nothing does. */
const WAITS = 20;

/** Rounds that a shape is given also when the time is up. */
const LEAST_ROUNDS = 3;

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
 * @throws {DeviceLostError} If the device is lost, after what was tried then is yielded, as decided: whoever
 *   remembers it does not begin with what may take the next device, too.
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
  const clock = { now: () => 1000 * now() };
  const wait = hasTimestamps(gpu) ? 0 : await waitForNothing(gpu, clock);
  const means: Means = {
    left: () => seconds - (now() - begun),
    least: Math.max(LEAST_MILLISECONDS, WAITS * wait),
    measure: options.measure ?? (async ({ plan, runs }) => {
      const milliseconds = await timePlan(plan, runs, clock);
      if (hasTimestamps(gpu) && isExact(runs * milliseconds)) means.least = EXACT_MILLISECONDS;
      return Math.max(0, milliseconds - wait / runs);
    }),
    candidates: options.candidates ?? chooserCandidates,
  };
  for (const [key, shape] of order) {
    if (means.left() <= 0) return;
    const record = await tune(gpu, key, shape, means);
    if (!record) continue;
    gpu.tuning.pin({ [key]: record.choice });
    yield record;
    const lost = record.failed.find(({ error }) => error instanceof DeviceLostError);
    if (lost) throw lost.error;
  }
}

/** Whether a time is by timestamps that are not rounded: browsers have multiples of 0.1 ms or of 2^16 ns. */
function isExact(milliseconds: number): boolean {
  const nanoseconds = Math.round(1e6 * milliseconds);
  return nanoseconds % 100_000 > 0 && nanoseconds % 2 ** 16 > 0;
}

/** @returns Milliseconds that pass, at least, when there is nothing to wait for. */
async function waitForNothing(gpu: Gpu, clock: { now(): number }): Promise<number> {
  let least = Infinity;
  for (let time = 0; time < 5; time++) {
    const start = clock.now();
    gpu.device.queue.submit([]);
    await gpu.settle();
    least = Math.min(least, clock.now() - start);
  }
  return least;
}

/** What a shape is tuned with. */
interface Means extends Required<Pick<AutotuneOptions, "measure" | "candidates">> {
  /** Seconds. */
  left: () => number;
  /** Milliseconds that a measurement should take. */
  least: number;
}

/** @returns Undefined if nothing could run: an adapter too small for the shape. */
async function tune(
  gpu: Gpu,
  key: string,
  shape: ConvShape,
  means: Means,
): Promise<TuningRecord | undefined> {
  const { left, measure, candidates } = means;
  const { prefer } = gpu.tuning;
  const standard = gpu.tuning.standard(shape);
  const others = candidates(gpu.driver, shape)
    .filter(({ algorithm }) => !prefer || algorithm === standard.algorithm);
  // Each once; the standard one as the object that it is known by.
  const choices = new Map(
    [standard, ...others, standard].map((choice) => [describeChoice(choice), choice]),
  );
  const affordable = 1000 * left() / (choices.size * HOPELESS.length);
  const least = () => Math.min(means.least, Math.max(LEAST_MILLISECONDS, affordable));
  const failed: TuningRecord["failed"] = [];
  /** What cannot run does not stop the others; a lost device does. */
  const attempt = async <T>(choice: Choice, work: () => Promise<T>): Promise<T | undefined> => {
    try {
      return await work();
    } catch (error) {
      if (!(error instanceof GpuError)) throw error;
      failed.push({ choice, error });
      if (error instanceof DeviceLostError) throw error;
    }
  };
  const operands = await attempt(standard, () => Operands.create(gpu, shape));
  if (!operands) return undefined;
  const trials = new Set<Timed>();
  const drop = (trial: Timed) => {
    trial.plan.destroy();
    trials.delete(trial);
  };
  const measureAll = async () => {
    for (const choice of choices.values()) {
      const plan = await attempt(choice, () => operands.compile(key, choice));
      if (plan) trials.add({ shape, choice, plan, runs: 1, milliseconds: Infinity });
    }
    for (let round = 0; round < HOPELESS.length; round++) {
      if (round >= LEAST_ROUNDS && left() <= 0) break;
      const best = Math.min(...[...trials].map(({ milliseconds }) => milliseconds));
      for (const trial of [...trials]) {
        const isKnown = trial.milliseconds < Infinity;
        const isHopeless = isKnown && trial.milliseconds > HOPELESS[round]! * best;
        if (isHopeless && trial.choice !== standard) continue;
        const milliseconds = await attempt(trial.choice, async () => {
          while (true) {
            const time = await measure(trial);
            const { runs } = trial;
            trial.runs = enoughRuns(runs, time, least());
            if (trial.runs === runs || round === 0) return time;
          }
        });
        if (milliseconds === undefined) {
          drop(trial);
          continue;
        }
        if (round > 0 || milliseconds >= LONG_MILLISECONDS) {
          trial.milliseconds = Math.min(trial.milliseconds, milliseconds);
        }
      }
    }
  };
  try {
    await measureAll().catch((error) => {
      if (!(error instanceof DeviceLostError)) throw error;
    });
    const results = [...trials].map(({ choice, milliseconds }) => ({ choice, milliseconds }))
      .filter(({ milliseconds }) => milliseconds < Infinity)
      .sort((a, b) => a.milliseconds - b.milliseconds);
    const usual = results.find(({ choice }) => choice === standard);
    let [best] = results;
    if (failed.some(({ error }) => error instanceof DeviceLostError)) {
      // Half measured: nothing is changed.
      best = usual ?? { choice: standard, milliseconds: 0 };
    }
    if (!best) return undefined;
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
