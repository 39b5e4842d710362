/**
 * Trains methods with several seeds on one scenario, to be compared.
 *
 *     deno task experiment <scenario> [flags]
 *
 * @module
 */
import { Gpu, type Method, paperScenarioNames, type Scenario } from "../mod.ts";
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
import type { CellResult } from "./experiment/cell.ts";
import {
  type ExperimentAbout,
  ExperimentFolder,
  resultOf,
} from "./experiment/experiment_folder.ts";
import { type Cell, chooseMethods, describeCell, grid, readSeeds } from "./experiment/grid.ts";
import { describeResult, renderSummary } from "./experiment/summary.ts";
import { trainCells } from "./experiment/train_cells.ts";
import { plural } from "./format.ts";
import { describeMethods, methodRuns } from "./method_choice.ts";
import { RunFolder } from "./run_folder.ts";
import { chooseScenario, SCALE_FLAG, type ScenarioChoice } from "./scenario_choice.ts";
import { alignColumns } from "./table.ts";
import { describeTasks, holdOut, quote } from "./train_run.ts";
import { NO_TUNING_FLAG, useRemembered } from "./tuning_file.ts";

const OUT_FOLDER = "experiments";

const FLAGS = {
  methods: { value: "A,B", help: "methods of those below; default: those that the paper compares" },
  ablation: { help: "dvn, and dvn with one choice changed at a time" },
  seeds: { value: "N|LIST", help: 'how many seeds, 1 to N; or a list, such as "1,4" (3)' },
  scale: SCALE_FLAG,
  epochs: { value: "N", help: "passes over the images of the largest task" },
  data: { value: "DIR", help: `holds the datasets (${DATA_FOLDER})` },
  out: { value: "DIR", help: `where the experiment's folder is made (${OUT_FOLDER})` },
  list: { help: "say what is done and what is not, and do nothing" },
  "no-tuning": NO_TUNING_FLAG,
  ...COMMON_FLAGS,
} as const satisfies Record<string, Flag>;

const HELP = `Trains methods with several seeds on one scenario, to be compared.

  deno task experiment <scenario> [flags]

The scenario is one of the paper's by name, ${paperScenarioNames.join(", ")}; or a .json file,
see "deno task train --print-scenario". "deno task data" fetches the datasets.

${describeFlags(FLAGS)}

Methods:

${describeMethods()}

Each method with each seed is a cell, with a line in results.jsonl of the experiment's folder and a
folder for each of its runs. The same command again does the cells that are left, from the last
checkpoint on; several processes with one --out share them. "deno task tables" makes tables of
the results.
Ctrl-C saves a checkpoint; a second Ctrl-C quits at once.
Exit code: 0 done, 1 failed, 2 a wrong flag, file or value, 130 interrupted.

  deno task experiment J1 --scale ci --data DIR
  deno task experiment J1 --methods dvn,nestednet,packnet,baseline --seeds 3 --scale ci --data DIR
  deno task experiment S1 --ablation --seeds 5 --scale gpu-30min`;

/** What was asked for. */
interface Experiment {
  choice: ScenarioChoice;
  methods: Method[];
  cells: Cell[];
  folder: ExperimentFolder;
  /** Where the datasets are. */
  data: string;
  /** To go on with it. */
  command: string;
  "no-tuning": boolean;
}

/** @returns The exit code. */
export async function main(args: string[]): Promise<number> {
  const { flags, operands } = parseCommandLine(args, FLAGS);
  if (flags.help) {
    console.log(HELP);
    return 0;
  }
  const experiment = await readExperiment(flags, operands, args);
  return flags.list ? await list(experiment) : await run(experiment);
}

async function readExperiment(
  flags: Flags<typeof FLAGS>,
  operands: string[],
  args: string[],
): Promise<Experiment> {
  const [source, ...others] = operands;
  if (!source || others.length > 0) {
    throw new UsageError(
      `name one scenario: ${paperScenarioNames.join(", ")}, or a .json file; got ` +
        (operands.join(" ") || "none"),
    );
  }
  const epochs = flags.epochs === undefined ? undefined : wholeNumber("epochs", flags.epochs, 1);
  const choice = await chooseScenario(source, flags.scale, { epochs });
  const methods = chooseMethods(choice.scenario, choice.name, {
    names: flags.methods,
    ablation: flags.ablation,
  });
  return {
    choice,
    methods,
    cells: grid(methods, readSeeds(flags.seeds ?? "3")),
    folder: new ExperimentFolder(`${flags.out ?? OUT_FOLDER}/${choice.scenario.name}`),
    data: flags.data ?? DATA_FOLDER,
    "no-tuning": flags["no-tuning"],
    command: `deno task experiment ${args.filter((arg) => arg !== "--").map(quote).join(" ")}`,
  };
}

async function run(experiment: Experiment): Promise<number> {
  const { choice: { scenario, name, scale, scaled }, cells, folder, command } = experiment;
  const data = await loadTasks(scenario, experiment.data);
  const about: ExperimentAbout = {
    scenario: name,
    scale,
    settings: scenario,
    tasks: describeTasks(scenario, holdOut(data, scenario))
      .map(({ classes, ...task }) => ({ ...task, classes: classes.length })),
  };
  await folder.check(about);
  const results = resultsOf(cells, await folder.results());
  if (results.length < cells.length) {
    const { line } = await prepareAdapter();
    const gpu = await Gpu.open({ limits: "max" });
    try {
      await useRemembered(gpu, experiment);
      await folder.begin(about);
      console.log(line); // and nothing before: what is wrong is said in one line
      if (scaled) console.log(scaled);
      console.log(describeStart(experiment, results.length));
      const onDone = (result: CellResult, done: number) =>
        console.log(describeResult(result, cells, done));
      const outcome = await trainCells({ cells, about, data, folder, gpu, command, onDone });
      if (outcome.interrupted) return 130;
      if (outcome.elsewhere.length > 0) {
        console.log(
          `Not done, as other processes are at them: ${
            outcome.elsewhere.map(describeCell).join("; ")
          }. What they leave, the same command does.`,
        );
      }
    } finally {
      gpu.destroy();
    }
  }
  console.log(describeEnd(experiment, resultsOf(cells, await folder.results())));
  return 0;
}

/** The results of those cells that are done, in the order of the cells. */
function resultsOf(cells: readonly Cell[], results: CellResult[]): CellResult[] {
  return cells.flatMap((cell) => resultOf(cell, results) ?? []);
}

/** Says how far each cell is. */
async function list({ cells, folder, choice }: Experiment): Promise<number> {
  await folder.check({ scale: choice.scale, settings: choice.scenario });
  const results = await folder.results();
  const rows = await Promise.all(cells.map(async (cell) => [
    cell.method.name,
    `${cell.seed}`,
    resultOf(cell, results)
      ? "done"
      : await folder.isClaimed(cell)
      ? "a process is at it"
      : await isBegun(cell, folder, choice.scenario)
      ? "begun"
      : "to do",
  ]));
  console.log(alignColumns([["method", "seed", "state"], ...rows], 3));
  return 0;
}

/** Whether there is something to go on from. */
async function isBegun(cell: Cell, folder: ExperimentFolder, scenario: Scenario) {
  const runs = methodRuns(cell.method, { ...scenario, seed: cell.seed });
  return await RunFolder.find(folder.runPath(cell, runs[0]!.name)) !== undefined;
}

function describeStart({ choice, methods, cells, folder }: Experiment, done: number): string {
  const { name, description } = choice.scenario;
  const names = methods.map((method) => method.name).join(", ");
  const seeds = plural(cells.length / methods.length, "seed");
  return [
    `Experiment: ${name}${description ? ` (${description})` : ""}`,
    `  ${plural(methods.length, "method")} (${names}) with ${seeds} each, in ${folder.path}`,
    ...done > 0 ? [`  ${done} of ${plural(cells.length, "cell")} done before`] : [],
  ].join("\n");
}

function describeEnd(
  { methods, cells, folder }: Experiment,
  results: readonly CellResult[],
): string {
  const names = methods.map((method) => method.name);
  return `
${renderSummary(results, names)}
Test accuracy, mean ± standard deviation over the seeds; ${results.length} of ${
    plural(cells.length, "cell")
  } done.
  tables:  deno task tables ${quote(folder.path)}`;
}

if (import.meta.main) await runCommand(main);
