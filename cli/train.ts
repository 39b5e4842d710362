/**
 * Trains a deep virtual network.
 *
 *     deno task train [scenario] [flags]
 *
 * @module
 */
import {
  builtInScenario,
  DeepVirtualNetwork,
  describeScale,
  digitsScenario,
  Gpu,
  paperScenarioNames,
  parseScenario,
  SafeTensorsError,
  scaleNames,
  scaleScenario,
  ScenarioError,
  train,
  withEpochs,
} from "../mod.ts";
import type { Dataset } from "../datasets/image_set.ts";
import type { NetworkScore } from "../dvn/events.ts";
import type { Scenario } from "../dvn/scenario.ts";
import { prepareAdapter } from "./adapter.ts";
import {
  COMMON_FLAGS,
  describeFlags,
  type Flag,
  type Flags,
  parseCommandLine,
  runCommand,
  UsageError,
  wholeNumber,
} from "./args.ts";
import { DATA_FOLDER, loadTasks } from "./datasets.ts";
import { formatBytes, formatCount, formatSeconds, plural } from "./format.ts";
import { watchInterrupts } from "./interrupt.ts";
import { Progress } from "./progress.ts";
import { readJson, RunFolder } from "./run_folder.ts";
import {
  isComplete,
  type ResultRow,
  type RunLine,
  type RunRecord,
  sortLines,
  type TaskSummary,
} from "./run_record.ts";
import { RunRecorder } from "./run_recorder.ts";
import { describeTiming, renderTable } from "./table.ts";

const FLAGS = {
  scale: {
    value: scaleNames.join("|"),
    help: "size of a scenario of the paper: as published (paper), or with\n" +
      "narrower layers, fewer of them, fewer epochs and fewer images",
  },
  seed: { value: "N", help: "seeds weights, order of images and augmentation" },
  epochs: { value: "N", help: "passes over the images of the largest task" },
  batch: { value: "N", help: "images of each task in a step" },
  data: { value: "DIR", help: `holds the datasets (${DATA_FOLDER})` },
  out: { value: "DIR", help: "where the run's folder is made (runs)" },
  name: { value: "NAME", help: "name of that folder (<scenario>-seed<N>)" },
  resume: { value: "DIR", help: "go on with the run in this folder" },
  "checkpoint-every": { value: "N", help: "epochs between checkpoints (1)" },
  "print-scenario": {
    help: "print the scenario as JSON, to edit, and do nothing",
  },
  ...COMMON_FLAGS,
} as const satisfies Record<string, Flag>;

/** What a resumed run cannot change. */
const FIXED_BY_RUN = [
  "scale",
  "seed",
  "epochs",
  "batch",
  "out",
  "name",
] as const;

/** Images in a batch when inference is timed. */
const TIMING_BATCH = 128;

const HELP = `Trains a deep virtual network and shows what each level costs and gives.

  deno task train [scenario] [flags]

The scenario is a .json file or one of the paper's by name: ${paperScenarioNames.join(", ")}.
Without one it trains the built-in digits, on handwritten digits. "deno task data" fetches
the other datasets.

${describeFlags(FLAGS)}

Ctrl-C saves a checkpoint and says how to go on; a second Ctrl-C quits at once.
Exit code: 0 done, 1 failed, 2 a wrong flag, file or value, 130 interrupted.

  deno task train
  deno task train --seed 2 --epochs 40 --out experiments
  deno task train --print-scenario > mine.json   then edit it, then
  deno task train mine.json
  deno task train J1 --scale ci --data DIR
  deno task train --resume runs/digits-seed1`;

/** A run to be made or to be continued. */
interface Job {
  scenario: Scenario;
  /** What --scale has changed. */
  scaled?: string;
  /** Where the datasets are. */
  data: string;
  checkpointEvery: number;
  /** Makes the folder of a new run, or gives that of the old one. */
  folder: () => Promise<RunFolder>;
  resume?: { weights: Uint8Array; state: Uint8Array };
  /** What the old run has written. */
  lines?: RunLine[];
}

/** @returns The exit code. */
export async function main(args: string[]): Promise<number> {
  const { flags, operands } = parseCommandLine(args, FLAGS);
  if (flags.help) {
    console.log(HELP);
    return 0;
  }
  const job = flags.resume
    ? await resumedJob(flags.resume, flags, operands)
    : await newJob(flags, operands);
  if (flags["print-scenario"]) {
    console.log(JSON.stringify(job.scenario, null, 2));
    return 0;
  }
  const tasks = await loadTasks(job.scenario, job.data);
  const { line } = await prepareAdapter();
  const gpu = await Gpu.open({ limits: "max" });
  try {
    return await runJob(job, tasks, gpu, line);
  } finally {
    gpu.destroy();
  }
}

async function newJob(
  flags: Flags<typeof FLAGS>,
  operands: string[],
): Promise<Job> {
  if (operands.length > 1) {
    throw new UsageError(
      `one scenario file at most; got ${operands.join(" ")}`,
    );
  }
  const { name } = flags;
  if (name !== undefined && !/^[\w-][\w.-]*$/.test(name)) {
    throw new UsageError(
      `--name must be letters, digits, "-", "_" and "."; got "${name}"`,
    );
  }
  const checkpointEvery = readCheckpointEvery(flags);
  const number = (flag: "seed" | "epochs" | "batch", least: number) => {
    const text = flags[flag];
    return text === undefined ? undefined : wholeNumber(flag, text, least);
  };
  const { scenario, scaled } = await readScenario(operands[0], flags.scale, {
    seed: number("seed", 0),
    epochs: number("epochs", 1),
    batchSize: number("batch", 1),
  });
  return {
    scenario,
    scaled,
    data: flags.data ?? DATA_FOLDER,
    checkpointEvery,
    folder: async () => {
      const folder = await RunFolder.create(
        flags.out ?? "runs",
        name ?? `${scenario.name}-seed${scenario.seed}`,
        name !== undefined,
      );
      await folder.writeScenario(scenario);
      return folder;
    },
  };
}

async function resumedJob(
  path: string,
  flags: Flags<typeof FLAGS>,
  operands: string[],
): Promise<Job> {
  const fixed = operands[0] ?? FIXED_BY_RUN.filter((name) => flags[name])
    .map((name) => `--${name}`)[0];
  if (fixed) {
    throw new UsageError(
      `--resume goes on with a run as it was begun; leave out ${fixed}`,
    );
  }
  const checkpointEvery = readCheckpointEvery(flags);
  const folder = await RunFolder.open(path);
  const lines = await folder.readLines();
  if (lines[0]?.type !== "start") {
    throw new UsageError(`${path} holds no run that has begun`);
  }
  if (isComplete(sortLines(lines))) {
    throw new UsageError(
      `the run in ${path} is complete; there is nothing left to do`,
    );
  }
  const scenario = checkScenario(await folder.readScenario(), path);
  const resume = await folder.readCheckpoint();
  return {
    scenario,
    data: flags.data ?? DATA_FOLDER,
    checkpointEvery,
    folder: () => Promise.resolve(folder),
    resume,
    lines,
  };
}

function readCheckpointEvery(flags: Flags<typeof FLAGS>): number {
  const text = flags["checkpoint-every"] ?? "1";
  return wholeNumber("checkpoint-every", text, 1);
}

/** The scenario of a file, or a built-in one, with what the flags change. */
async function readScenario(
  source = digitsScenario.name,
  scale: string | undefined,
  { seed, ...training }: Record<
    "seed" | "epochs" | "batchSize",
    number | undefined
  >,
): Promise<{ scenario: Scenario; scaled?: string }> {
  const isFile = /[./\\]/.test(source);
  const builtIn = isFile ? undefined : findScenario(source);
  const sized = scale ? atScale(builtIn, source, scale) : builtIn;
  const json = sized ? structuredClone(sized) : await readJson(source);
  // What is not of this form is for parseScenario to complain about.
  if (isObject(json)) {
    if (seed !== undefined) json.seed = seed;
    if (sized && training.epochs) {
      json.training = withEpochs(sized.training, training.epochs);
    }
    if (isObject(json.training)) {
      Object.assign(json.training, defined(training));
    }
  }
  const scenario = checkScenario(json, source);
  if (!builtIn || !scale) return { scenario };
  const changes = describeScale(builtIn, scenario) || "nothing is changed";
  return { scenario, scaled: `Scale ${scale}: ${changes}` };
}

function findScenario(name: string): Scenario {
  try {
    return builtInScenario(name);
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    throw new UsageError(`${error.message}; or give a .json file`);
  }
}

function atScale(
  scenario: Scenario | undefined,
  source: string,
  name: string,
): Scenario {
  const scale = scaleNames.find((each) => each === name);
  if (!scale) {
    throw new UsageError(
      `--scale must be one of ${scaleNames.join(", ")}; got "${name}"`,
    );
  }
  if (!scenario || !paperScenarioNames.includes(scenario.name)) {
    throw new UsageError(
      `--scale is for the scenarios of the paper (${
        paperScenarioNames.join(", ")
      }); ${source} says its own size`,
    );
  }
  return scaleScenario(scenario, scale);
}

function checkScenario(json: unknown, source: string): Scenario {
  try {
    return parseScenario(json);
  } catch (error) {
    if (!(error instanceof ScenarioError)) throw error;
    throw new UsageError(`${source}: ${error.problems.join("; ")}`);
  }
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function defined<T extends object>(values: T): Partial<T> {
  const entries = Object.entries(values).filter(([, v]) => v !== undefined);
  return Object.fromEntries(entries) as Partial<T>;
}

async function createNetwork(
  scenario: Scenario,
  tasks: Record<string, Dataset>,
  gpu: Gpu,
) {
  try {
    return await DeepVirtualNetwork.create(gpu, scenario, tasks);
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    throw new UsageError(error.message); // the scenario does not fit the data
  }
}

async function runJob(
  job: Job,
  tasks: Record<string, Dataset>,
  gpu: Gpu,
  adapter: string,
): Promise<number> {
  const progress = new Progress();
  const net = await createNetwork(job.scenario, tasks, gpu);
  const folder = await job.folder();
  console.log(adapter); // and nothing before: what is wrong is said in one line
  if (job.scaled) console.log(job.scaled);
  const interrupts = await watchInterrupts();
  const recorder = new RunRecorder(
    folder,
    describeTasks(job.scenario, tasks),
    progress,
    job.lines,
  );
  const events = train(net, tasks, {
    resume: job.resume,
    checkpointEvery: job.checkpointEvery,
    signal: interrupts.signal,
  });
  progress.status("Building the training step ...");
  let started = false;
  let end;
  try {
    end = await recorder.follow(events, (record) => {
      started = true;
      progress.clear();
      console.log(describeStart(record));
      progress.status("Running the first steps ...");
    });
  } catch (error) {
    progress.clear();
    if (started && recorder.hasCheckpoint) {
      console.error(
        `The last checkpoint is kept. ${resumeCommand(folder, job.data)}`,
      );
    } else if (
      !started && job.resume &&
      (error instanceof RangeError || error instanceof SafeTensorsError)
    ) {
      throw new UsageError(`cannot resume ${folder.path}: ${error.message}`);
    }
    throw error;
  }
  const rows = end.interrupted
    ? []
    : await measure(net, recorder.record, progress, interrupts.signal);
  progress.clear();
  const interrupted = end.interrupted || rows === undefined;
  await recorder.finish({ ...end, interrupted }, rows ?? []);
  interrupts.dispose();
  console.log(
    interrupted
      ? describeInterrupt(recorder.record, folder, job.data)
      : describeEnd(recorder.record, folder),
  );
  return interrupted ? 130 : 0;
}

/** @returns The final table; undefined if it was interrupted. */
async function measure(
  net: DeepVirtualNetwork,
  record: RunRecord,
  progress: Progress,
  signal: AbortSignal,
): Promise<ResultRow[] | undefined> {
  const scores = record.evaluations.at(-1)!.networks;
  const rows: Omit<ResultRow, "speedUp">[] = [];
  for (const cost of net.costs()) {
    const { task, level } = cost;
    progress.status(`Timing ${task}, level ${level} ...`);
    const network = net.virtual(task, { level });
    const { msPerImage, source } = await network.measure(TIMING_BATCH);
    if (signal.aborted) return undefined;
    const { accuracy, loss } = scores.find((score: NetworkScore) =>
      score.task === task && score.level === level
    )!;
    rows.push({
      ...cost,
      accuracy,
      loss,
      msPerImage,
      timeSource: source,
      batch: TIMING_BATCH,
    });
  }
  return rows.map((row) => {
    const top = rows.findLast(({ task }) => task === row.task)!;
    return { ...row, speedUp: top.msPerImage / row.msPerImage };
  });
}

function describeTasks(
  { tasks }: Scenario,
  data: Record<string, Dataset>,
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

/** What is trained, in a few lines. */
function describeStart({ start, resumes }: RunRecord): string {
  const { scenario, networks, steps, epochs } = start;
  const { name, description, seed, units, training } = scenario;
  const tasks = start.tasks.map((task) => task.name).join(", ");
  const trunk = Math.max(...networks.map(({ parameters }) => parameters.trunk));
  const sizes = networks.map(({ bytes }) => bytes);
  const resumed = resumes.at(-1);
  return [
    `Training: ${name}${description ? ` (${description})` : ""}`,
    `  ${plural(networks.length, "network")} for ` +
    `${plural(start.tasks.length, "task")} (${tasks}) out of one set of ` +
    `${plural(units, "unit")}`,
    `  ${formatCount(trunk)} trunk parameters; a network holds ` +
    `${formatBytes(Math.min(...sizes))} to ${formatBytes(Math.max(...sizes))}`,
    `  ${plural(epochs, "epoch")}, ${plural(steps, "step")}, batches of ` +
    `${training.batchSize} of each task, seed ${seed}`,
    ...resumed ? [`  going on after step ${formatCount(resumed.step)}`] : [],
  ].join("\n");
}

function describeInterrupt(
  { end, start }: RunRecord,
  folder: RunFolder,
  data: string,
) {
  return [
    `Interrupted after step ${formatCount(end!.step)} of ${
      formatCount(start.steps)
    }; the checkpoint is in ${folder.path}.`,
    resumeCommand(folder, data),
  ].join("\n");
}

function resumeCommand(folder: RunFolder, data: string): string {
  const where = data === DATA_FOLDER ? "" : ` --data ${quote(data)}`;
  return `To go on:  deno task train --resume ${quote(folder.path)}${where}`;
}

function describeEnd(record: RunRecord, folder: RunFolder): string {
  const { results, end, start } = record;
  const { task } = results.at(-1)!;
  const smallest = results.find((row) => row.task === task)!;
  const budget = Math.ceil(smallest.bytes / 1000);
  const { dataset } = start.tasks.find(({ name }) => name === task)!;
  const images = dataset === "digits" ? "tests/fixtures/digits/*.png" : "<image files>";
  const viewer = { darwin: "open", windows: "start" }[
    Deno.build.os as string
  ] ?? "xdg-open";
  return `
${renderTable(results)}
Timed ${describeTiming(results)}.

Trained in ${formatSeconds(end!.seconds)}; written to ${folder.path}.
  report:  ${viewer} ${quote(folder.reportPath)}
  use it:  deno task infer --run ${quote(folder.path)} --task ${task} \
--budget ${budget}KB ${images}`;
}

/** For a shell, where needed. */
function quote(path: string): string {
  return /^[\w./\\:~-]+$/.test(path) ? path : `'${path.replaceAll("'", `'\\''`)}'`;
}

if (import.meta.main) await runCommand(main);
