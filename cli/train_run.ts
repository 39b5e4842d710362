/** What `train` and `experiment` share: one run of a method, from its network to its table. */
import { splitValidation } from "../datasets.ts";
import {
  type CheckpointFiles,
  DeepVirtualNetwork,
  type Gpu,
  type Run,
  SafeTensorsError,
  type Scenario,
  type TaskData,
  train,
} from "../mod.ts";
import type { Dataset } from "../datasets/image_set.ts";
import { has16Bit } from "../nn/gpu/gpu.ts";
import { UsageError } from "./args.ts";
import { formatCount } from "./format.ts";
import type { Progress } from "./progress.ts";
import type { RunFolder } from "./run_folder.ts";
import {
  type ResultRow,
  type RunLine,
  type RunRecord,
  type TaskSummary,
  testScore,
} from "./run_record.ts";
import { RunRecorder } from "./run_recorder.ts";

/** Images in a batch when inference is timed. */
const TIMING_BATCH = 128;

/** What an earlier part of a run has left. */
export interface EarlierPart {
  lines: RunLine[];
  checkpoint: CheckpointFiles;
}

export interface TrainRunOptions {
  /** Heads the report. Default: the folder's name. */
  title?: string;
  /** Go on from here. */
  earlier?: EarlierPart;
  /** Epochs between checkpoints. */
  checkpointEvery: number;
  progress: Progress;
  signal: AbortSignal;
  /** What to type to go on with the run if it breaks off. */
  command: string;
  /** Called before the first step. */
  onStart?: (record: RunRecord) => void;
}

/**
 * Holds out of each task's training images those that the epoch is chosen by, where the scenario
 * wants it so.
 *
 * @throws {UsageError} If a class has too few images for that.
 */
export function holdOut(
  data: Readonly<Record<string, Dataset>>,
  { reportedEpoch, seed }: Pick<Scenario, "reportedEpoch" | "seed">,
): Record<string, Dataset & Pick<TaskData, "validation">> {
  if (reportedEpoch === "last") return data;
  const entries = Object.entries(data).map(([name, task]) => {
    try {
      return [name, splitValidation(task, reportedEpoch.validation, seed)];
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
      throw new UsageError(`reportedEpoch.validation, task ${name}: ${error.message}`);
    }
  });
  return Object.fromEntries(entries);
}

/** @throws {UsageError} If the scenario does not fit the images. */
export async function createNetwork(
  gpu: Gpu,
  { scenario }: Run,
  data: Readonly<Record<string, TaskData>>,
): Promise<DeepVirtualNetwork> {
  if (scenario.training.activations === "f16" && !has16Bit(gpu)) {
    throw new UsageError(
      `activations in 16 bits need an adapter with shader-f16, and this is ${gpu.describe()}; leave ` +
        'out --f16, or "activations" of the scenario\'s training',
    );
  }
  try {
    return await DeepVirtualNetwork.create(gpu, scenario, data);
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    throw new UsageError(error.message);
  }
}

/**
 * Trains a network, writes all of it into the run's folder, and times each of its networks.
 *
 * @param data What the network was made for.
 * @returns What was recorded; its `end` tells whether the run was interrupted.
 * @throws {UsageError} If the run cannot go on from its earlier part.
 */
export async function trainRun(
  net: DeepVirtualNetwork,
  run: Run,
  data: Readonly<Record<string, TaskData>>,
  folder: RunFolder,
  options: TrainRunOptions,
): Promise<RunRecord> {
  const { earlier, checkpointEvery, progress, signal } = options;
  const about = {
    title: options.title ?? folder.name,
    tasks: describeTasks(net.scenario, data),
  };
  const recorder = new RunRecorder(folder, about, progress, earlier?.lines);
  const events = train(net, data, { run, resume: earlier?.checkpoint, checkpointEvery, signal });
  progress.status("Building the training step ...");
  let started = false;
  try {
    const end = await recorder.follow(events, (record) => {
      started = true;
      progress.clear();
      options.onStart?.(record);
      progress.status("Running the first steps ...");
    });
    const rows = end.interrupted
      ? undefined
      : await measure(net, recorder.record, progress, signal);
    await recorder.finish({ ...end, interrupted: rows === undefined }, rows ?? []);
    progress.clear();
    return recorder.record;
  } catch (error) {
    progress.clear();
    if (started && recorder.hasCheckpoint) {
      console.error(`The last checkpoint is kept. To go on:  ${options.command}`);
    } else if (
      !started && earlier &&
      (error instanceof RangeError || error instanceof SafeTensorsError)
    ) {
      throw new UsageError(`cannot resume ${folder.path}: ${error.message}`);
    }
    throw error;
  }
}

/** Where an interrupted run stopped, and how to go on with it. */
export function describeInterrupt(
  { start, end }: RunRecord,
  folder: RunFolder,
  command: string,
): string {
  const step = formatCount(end!.step);
  return `Interrupted after step ${step} of ${formatCount(start.steps)}; ` +
    `the checkpoint is in ${folder.path}.\nTo go on:  ${command}`;
}

/** The images of each task of a scenario. */
export function describeTasks(
  { tasks }: Scenario,
  data: Readonly<Record<string, TaskData>>,
): TaskSummary[] {
  return tasks.map(({ name, dataset }) => {
    const { classes, height, width, channels, train, test } = data[name]!;
    return {
      name,
      dataset,
      classes,
      height,
      width,
      channels,
      trainImages: train.length,
      testImages: test.length,
    };
  });
}

/** For a shell, where needed. */
export function quote(word: string): string {
  return /^[\w./\\:~,=-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
}

/** @returns The final table; undefined if it was interrupted. */
async function measure(
  net: DeepVirtualNetwork,
  record: RunRecord,
  progress: Progress,
  signal: AbortSignal,
): Promise<ResultRow[] | undefined> {
  const rows: Omit<ResultRow, "speedUp">[] = [];
  for (const cost of net.costs()) {
    const { task, level } = cost;
    progress.status(`Timing ${task}, level ${level} ...`);
    const { msPerImage, source } = await net.virtual(task, { level }).measure(TIMING_BATCH);
    if (signal.aborted) return undefined;
    const { accuracy, loss } = testScore(record, task, level)!;
    rows.push({ ...cost, accuracy, loss, msPerImage, timeSource: source, batch: TIMING_BATCH });
  }
  return rows.map((row) => {
    const top = rows.findLast(({ task }) => task === row.task)!;
    return { ...row, speedUp: top.msPerImage / row.msPerImage };
  });
}
