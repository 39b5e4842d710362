/**
 * Trains a deep virtual network, or what it is compared with.
 *
 *     deno task train [scenario] [flags]
 *
 * @module
 */
import { digitsScenario, Gpu, type Run, type Scenario } from "../mod.ts";
import { paperScenarioNames } from "../paper.ts";
import { dvnMethod } from "../dvn/methods/dvn.ts";
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
import { chooseMethod, describeMethods, methodRuns } from "./method_choice.ts";
import { Progress } from "./progress.ts";
import { RunFolder } from "./run_folder.ts";
import { isComplete, type RunRecord, sortLines } from "./run_record.ts";
import { checkScenario, chooseScenario, SCALE_FLAG } from "./scenario_choice.ts";
import { describeTiming, renderTable } from "./table.ts";
import {
  createNetwork,
  describeInterrupt,
  type EarlierPart,
  holdOut,
  quote,
  trainRun,
} from "./train_run.ts";
import { NO_TUNING_FLAG, useRemembered } from "./tuning_file.ts";

const FLAGS = {
  method: { value: "NAME", help: `how to train, one of those below (${dvnMethod.name})` },
  scale: SCALE_FLAG,
  seed: { value: "N", help: "seeds weights, order of images and augmentation" },
  epochs: { value: "N", help: "passes over the images of the largest task" },
  batch: { value: "N", help: "images of each task in a step" },
  f16: {
    help: "keep activations in 16 bits while training: less memory, on\n" +
      "adapters with shader-f16",
  },
  data: { value: "DIR", help: `holds the datasets (${DATA_FOLDER})` },
  out: { value: "DIR", help: "where the run's folder is made (runs)" },
  name: { value: "NAME", help: "name of that folder (<scenario>-seed<N>)" },
  resume: { value: "DIR", help: "go on with the run in this folder" },
  "checkpoint-every": { value: "N", help: "epochs between checkpoints (1)" },
  "print-scenario": {
    help: "print the scenario as JSON, to edit, and do nothing",
  },
  "no-tuning": NO_TUNING_FLAG,
  ...COMMON_FLAGS,
} as const satisfies Record<string, Flag>;

/** What a resumed run cannot change. */
const FIXED_BY_RUN = [
  "method",
  "scale",
  "seed",
  "epochs",
  "batch",
  "f16",
  "out",
  "name",
] as const;

const HELP = `Trains a deep virtual network and shows what each level costs and gives.

  deno task train [scenario] [flags]

The scenario is a .json file or one of the paper's by name: ${paperScenarioNames.join(", ")}.
Without one it trains the built-in digits, on handwritten digits. "deno task data" fetches
the other datasets; "deno task experiment" trains several methods and seeds.

${describeFlags(FLAGS)}

Methods; those that train several networks are for "deno task experiment":

${describeMethods()}

Ctrl-C saves a checkpoint and says how to go on; a second Ctrl-C quits at once.
Exit code: 0 done, 1 failed, 2 a wrong flag, file or value, 130 interrupted.

  deno task train
  deno task train --seed 2 --epochs 40 --name long
  deno task train --print-scenario > mine.json   then edit it, then
  deno task train mine.json
  deno task train J1 --scale ci --data DIR
  deno task train --resume runs/digits-seed1`;

/** A run to be made or to be continued. */
interface Job {
  /** What was asked for; the method may change it. */
  scenario: Scenario;
  run: Run;
  /** What --scale has changed. */
  scaled?: string;
  /** Where the datasets are. */
  data: string;
  checkpointEvery: number;
  /** Makes the folder of a new run, or gives that of the old one. */
  folder: () => Promise<RunFolder>;
  earlier?: EarlierPart;
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
  const data = holdOut(await loadTasks(job.scenario, job.data), job.scenario);
  const { line } = await prepareAdapter();
  const gpu = await Gpu.open({ limits: "max" });
  try {
    await useRemembered(gpu, flags);
    const net = await createNetwork(gpu, job.run, data);
    const folder = await job.folder();
    const interrupts = await watchInterrupts(); // before there is anything to be interrupted
    console.log(line); // and nothing before: what is wrong is said in one line
    if (job.scaled) console.log(job.scaled);
    const command = resumeCommand(folder, job.data);
    const record = await trainRun(net, job.run, data, folder, {
      earlier: job.earlier,
      checkpointEvery: job.checkpointEvery,
      progress: new Progress(),
      signal: interrupts.signal,
      command,
      onStart: (record) => console.log(describeStart(record)),
    });
    interrupts.dispose();
    const { interrupted } = record.end!;
    console.log(
      interrupted ? describeInterrupt(record, folder, command) : describeEnd(record, folder),
    );
    return interrupted ? 130 : 0;
  } finally {
    gpu.destroy();
  }
}

async function newJob(flags: Flags<typeof FLAGS>, operands: string[]): Promise<Job> {
  if (operands.length > 1) {
    throw new UsageError(`one scenario file at most; got ${operands.join(" ")}`);
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
  const source = operands[0] ?? digitsScenario.name;
  const { scenario, scaled } = await chooseScenario(source, flags.scale, {
    seed: number("seed", 0),
    epochs: number("epochs", 1),
    batchSize: number("batch", 1),
    activations: flags.f16 ? "f16" : undefined,
  });
  const method = chooseMethod(flags.method ?? dvnMethod.name);
  const [run, ...others] = methodRuns(method, scenario);
  if (others.length > 0) {
    throw new UsageError(
      `${method.name} trains ${
        others.length + 1
      } networks for ${scenario.name}, and this command ` +
        `one; use: deno task experiment ${source} --methods ${method.name} --seeds ${scenario.seed},`,
    );
  }
  const ofMethod = method === dvnMethod ? "" : `-${method.name}`;
  return {
    scenario,
    run: run!,
    scaled,
    data: flags.data ?? DATA_FOLDER,
    checkpointEvery,
    folder: async () => {
      const folder = await RunFolder.create(
        flags.out ?? "runs",
        name ?? `${scenario.name}${ofMethod}-seed${scenario.seed}`,
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
  const [start] = lines;
  if (start?.type !== "start") {
    throw new UsageError(`${path} holds no run that has begun`);
  }
  if (isComplete(sortLines(lines))) {
    throw new UsageError(
      `the run in ${path} is complete; there is nothing left to do`,
    );
  }
  const scenario = checkScenario(await folder.readScenario(), path);
  const run = methodRuns(chooseMethod(start.method), scenario)
    .find(({ name }) => name === start.run);
  if (!run) {
    throw new UsageError(`cannot resume ${path}: ${start.method} has no run ${start.run} any more`);
  }
  return {
    scenario,
    run,
    data: flags.data ?? DATA_FOLDER,
    checkpointEvery,
    folder: () => Promise.resolve(folder),
    earlier: { lines, checkpoint: await folder.readCheckpoint() },
  };
}

function readCheckpointEvery(flags: Flags<typeof FLAGS>): number {
  const text = flags["checkpoint-every"] ?? "1";
  return wholeNumber("checkpoint-every", text, 1);
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
    `${training.batchSize} of each task, seed ${seed}` +
    `${training.activations === "f16" ? ", activations in 16 bits" : ""}`,
    ...resumed ? [`  going on after step ${formatCount(resumed.step)}`] : [],
  ].join("\n");
}

function resumeCommand(folder: RunFolder, data: string): string {
  const where = data === DATA_FOLDER ? "" : ` --data ${quote(data)}`;
  return `deno task train --resume ${quote(folder.path)}${where}`;
}

function describeEnd(record: RunRecord, folder: RunFolder): string {
  const { results, end, start, steps } = record;
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

${describeSkipped(steps.at(-1)?.skippedUpdates)}Trained in ${formatSeconds(end!.seconds)}; \
written to ${folder.path}.
  report:  ${viewer} ${quote(folder.reportPath)}
  use it:  deno task infer --run ${quote(folder.path)} --task ${task} \
--budget ${budget}KB ${images}`;
}

/** Of the updates whose 16-bit gradients overflowed; nothing where there are none. */
function describeSkipped(updates = 0): string {
  return updates === 0
    ? ""
    : `${plural(updates, "update")} skipped, until the losses had a scale that fits 16 bits.\n`;
}

if (import.meta.main) await runCommand(main);
