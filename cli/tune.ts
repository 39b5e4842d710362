/**
 * Measures which kernels are the fastest on this machine's adapter, and remembers them.
 *
 *     deno task tune [scenario ...] [flags]
 *
 * @module
 */
import { DeviceLostError, digitsScenario, Gpu, type Run } from "../mod.ts";
import { paperScenarioNames } from "../paper.ts";
import {
  autotune,
  type AutotuneOptions,
  type ChoiceStore,
  type ConvolutionWork,
  convolutionWork,
  describeChoice,
  shapeKey,
  shapesOf,
  type TunedChoice,
  type TunedChoices,
  tuningKey,
} from "../tuning.ts";
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
import { blankTasks } from "./datasets.ts";
import { formatSeconds, plural } from "./format.ts";
import { chooseMethod, methodRuns } from "./method_choice.ts";
import { chooseScenario, SCALE_FLAG } from "./scenario_choice.ts";
import { createNetwork } from "./train_run.ts";
import { renderChoices, renderGains, TuneProgress } from "./tune_report.ts";
import { TuningFile } from "./tuning_file.ts";

/** What tuning takes unless told otherwise: enough for the digits on two processor cores. */
const SECONDS = 120;

const FLAGS = {
  seconds: { value: "N", help: `stop after so long; the costly shapes come first (${SECONDS})` },
  method: { value: "NAME", help: `of which the training step is tuned for (${dvnMethod.name})` },
  scale: SCALE_FLAG,
  batch: { value: "N", help: "images of each task in a step" },
  list: { help: "show what is remembered for this adapter, and do nothing" },
  forget: { help: "forget what is remembered for this adapter, and do nothing more" },
  ...COMMON_FLAGS,
} as const satisfies Record<string, Flag>;

const HELP = `Measures which kernels are the fastest on this machine's adapter, and remembers them.

  deno task tune [scenario ...] [flags]

A convolution can be computed in several ways, and which is the fastest depends on its shape and on
the adapter. For each shape in a training step of the scenario and in the inference of its networks
(images one by one and by 32) every way is run; the fastest is kept if it gains 3 % or more on the
default. No dataset is needed. A scenario is a .json file or one of the paper's by name,
${paperScenarioNames.join(", ")}; without one it is the digits.

${describeFlags(FLAGS)}

What was found is used by "deno task train", "experiment" and "infer" from then on, unless they are
told --no-tuning. Results change by rounding alone; a run that is resumed keeps the kernels it began
with. The same command again measures what is left; what is known is not measured again before
--forget. Ctrl-C keeps what was found so far.
Exit code: 0 done, 1 failed, 2 a wrong flag, file or value.

  deno task tune
  deno task tune J1 S1 --scale ci --seconds 300
  deno task tune mine.json --method nestednet
  deno task tune --list`;

/** A network to be tuned for. */
interface Subject {
  /** For people. */
  name: string;
  run: Run;
}

/** @returns The exit code. */
export async function main(args: string[]): Promise<number> {
  const { flags, operands } = parseCommandLine(args, FLAGS);
  if (flags.help) {
    console.log(HELP);
    return 0;
  }
  const seconds = wholeNumber("seconds", flags.seconds ?? `${SECONDS}`, 1);
  const only = (["list", "forget"] as const).filter((name) => flags[name]);
  if (only.length > 1) throw new UsageError("--list and --forget exclude each other");
  const unused = operands[0] ??
    (["seconds", "method", "scale", "batch"] as const).filter((name) => flags[name])
      .map((name) => `--${name}`)[0];
  if (only.length > 0 && unused) {
    throw new UsageError(`--${only[0]} is about the adapter; leave out ${unused}`);
  }
  const subjects = only.length > 0 ? [] : await readSubjects(flags, operands);
  const { line } = await prepareAdapter();
  const gpu = await Gpu.open({ limits: "max" });
  try {
    const file = new TuningFile();
    if (only.length > 0) {
      console.log(line);
      console.log(await (flags.list ? list : forget)(gpu, file));
      return 0;
    }
    const work = await recordWork(gpu, subjects);
    console.log(line); // and nothing before: what is wrong is said in one line
    const report = await tune(gpu, work, file, { seconds });
    console.log(report);
    return 0;
  } finally {
    gpu.destroy();
  }
}

async function readSubjects(flags: Flags<typeof FLAGS>, operands: string[]): Promise<Subject[]> {
  const batchSize = flags.batch === undefined ? undefined : wholeNumber("batch", flags.batch, 1);
  const method = chooseMethod(flags.method ?? dvnMethod.name);
  const subjects: Subject[] = [];
  for (const source of operands.length > 0 ? operands : [digitsScenario.name]) {
    const { scenario } = await chooseScenario(source, flags.scale, { batchSize });
    const runs = methodRuns(method, scenario);
    const name = method === dvnMethod ? scenario.name : `${scenario.name}, ${method.name}`;
    for (const run of runs) {
      subjects.push({ name: runs.length > 1 ? `${name}, ${run.name}` : name, run });
    }
  }
  return subjects;
}

/** What a subject's network convolves. */
export interface NamedWork {
  name: string;
  work: ConvolutionWork;
}

async function recordWork(gpu: Gpu, subjects: readonly Subject[]): Promise<NamedWork[]> {
  const all: NamedWork[] = [];
  for (const { name, run } of subjects) {
    const net = await createNetwork(gpu, run, blankTasks(run.scenario));
    all.push(...convolutionWork(net, run).map((work) => ({ name, work })));
    net.destroy();
  }
  return all;
}

/**
 * Measures what is not remembered yet, remembers it, and says what was found.
 *
 * @param options Seconds that it may take; the rest only in tests.
 */
export async function tune(
  gpu: Gpu,
  all: readonly NamedWork[],
  store: ChoiceStore & { path: string },
  options: AutotuneOptions & { seconds: number; progress?: TuneProgress },
): Promise<string> {
  const { seconds, now = () => performance.now() / 1000 } = options;
  const key = tuningKey(gpu);
  const remembered = await store.load(key);
  const shapes = shapesOf(all.map(({ work }) => work));
  const left = shapes.filter((shape) => !Object.hasOwn(remembered, shapeKey(shape)));
  const progress = options.progress ?? new TuneProgress(left.length, seconds, undefined, now);
  const found: Record<string, TunedChoice> = {};
  const begun = now();
  progress.show(0);
  try {
    for await (
      const { key: shape, choice, milliseconds, standard, failed } of autotune(gpu, left, options)
    ) {
      found[shape] = { choice, milliseconds, standard };
      await store.save(key, { [shape]: found[shape] }); // now: Ctrl-C may come
      const lost = failed.find(({ error }) => error instanceof DeviceLostError);
      if (lost) {
        throw new Error(
          `the device was lost when ${shape} was tried as ${describeChoice(lost.choice)}; that ` +
            "shape stays as it is from now on, and the same command goes on with the others",
          { cause: lost.error },
        );
      }
      progress.show(Object.keys(found).length);
    }
  } finally {
    progress.clear();
  }
  const taken = now() - begun;
  const isOver = taken >= seconds;
  const missing = left.length - Object.keys(found).length;
  const known = shapes.length - left.length;
  return [
    ...missing < left.length ? [renderChoices(found), ""] : [],
    renderGains(all, { ...remembered, ...found }),
    "",
    `${plural(Object.keys(found).length, "shape")} measured in ${formatSeconds(taken)}` +
    (known > 0 ? `; ${known} known from before` : "") + ".",
    ...missing > 0
      ? [
        isOver
          ? `${plural(missing, "shape")} left, as the time was up: the same command goes on, ` +
            "--seconds gives it longer."
          : `${plural(missing, "shape")} could not be run on this adapter, and stay as they are.`,
      ]
      : [],
    `Remembered in ${store.path}; --no-tuning does without, "deno task tune --forget" forgets.`,
  ].join("\n");
}

async function list(gpu: Gpu, store: TuningFile): Promise<string> {
  const tuned: TunedChoices = await store.load(tuningKey(gpu));
  const count = Object.keys(tuned).length;
  return count > 0
    ? `${renderChoices(tuned)}\n\n${plural(count, "shape")}, in ${store.path}.`
    : `Nothing is remembered for this adapter in ${store.path}.`;
}

async function forget(gpu: Gpu, store: TuningFile): Promise<string> {
  const count = Object.keys(await store.load(tuningKey(gpu))).length;
  await store.forget(tuningKey(gpu));
  return `${plural(count, "shape")} forgotten, in ${store.path}.`;
}

if (import.meta.main) await runCommand(main);
