/**
 * Makes the paper's tables and figures of the results of experiments.
 *
 *     deno task tables [folder] [flags]
 *
 * @module
 */
import { join } from "node:path";
import {
  COMMON_FLAGS,
  describeFlags,
  type Flag,
  parseCommandLine,
  runCommand,
  UsageError,
} from "./args.ts";
import { plural } from "./format.ts";
import { why, writeAtomically } from "./run_folder.ts";
import { renderCsv } from "./tables/csv.ts";
import { type Block, renderMarkdown, renderPage } from "./tables/document.ts";
import { readResults } from "./tables/read_results.ts";
import { groupCells } from "./tables/result_group.ts";
import { briefOf, overviewOf, sectionOf } from "./tables/sections.ts";
import { type Subject, subjectsOf } from "./tables/subject.ts";

const FOLDER = "experiments";

const FLAGS = {
  out: { value: "DIR", help: `where the tables are put (tables, in the folder of the results)` },
  ...COMMON_FLAGS,
} as const satisfies Record<string, Flag>;

const HELP =
  `Makes the paper's tables and figures of the results of experiments: accuracy, memory, time and
speed-up, beside the published numbers.

  deno task tables [folder] [flags]

Every results.jsonl of "deno task experiment" at or below the folder (${FOLDER}) is read; an experiment
may still be running. Written are tables.md, tables.html with charts, and a .csv file for each table.

${describeFlags(FLAGS)}

Exit code: 0 done, 1 failed, 2 a wrong flag, file or value.

  deno task tables
  deno task tables ${FOLDER}/J1-ci --out report`;

const TITLE = "The paper's tables";

/** @returns The exit code. */
export async function main(args: string[]): Promise<number> {
  const { flags, operands } = parseCommandLine(args, FLAGS);
  if (flags.help) {
    console.log(HELP);
    return 0;
  }
  if (operands.length > 1) {
    throw new UsageError(`one folder of results at most; got ${operands.join(" ")}`);
  }
  const [folder = FOLDER] = operands;
  const { files, cells } = await readResults(folder);
  if (cells.length === 0) {
    throw new UsageError(
      `there is no result of an experiment in ${folder} or below; "deno task experiment" makes them`,
    );
  }
  const subjects = subjectsOf(groupCells(cells));
  const out = flags.out ?? join(folder, "tables");
  await write(out, subjects);
  console.log(renderMarkdown(subjects.filter(({ results }) => results).flatMap(briefOf)));
  const read = `${plural(cells.length, "result")} in ${plural(files.length, "file")}`;
  const written = ["tables.html", "tables.md", "*.csv"].map((name) => `  ${join(out, name)}`);
  console.log([`Read ${read}, wrote`, ...written].join("\n"));
  return 0;
}

async function write(folder: string, subjects: readonly Subject[]): Promise<void> {
  const blocks = subjects.flatMap(sectionOf);
  const files = new Map([
    ["tables.md", `# ${TITLE}\n\n${renderMarkdown([...head(subjects), ...blocks])}`],
    ["tables.html", renderPage(TITLE, head(subjects), blocks)],
    ...renderCsv(subjects),
  ]);
  try {
    await Deno.mkdir(folder, { recursive: true });
  } catch (error) {
    throw new UsageError(`cannot make the folder ${folder}: ${why(error)}`);
  }
  for (const [name, text] of files) await writeAtomically(join(folder, name), text);
}

function head(subjects: readonly Subject[]): Block[] {
  return [
    {
      kind: "text",
      text:
        "Results of `deno task experiment` beside those of Kim, Ahn, Torr and Oh, Deep Virtual " +
        "Networks for Memory Efficient Inference of Multiple Tasks, CVPR 2019.",
    },
    overviewOf(subjects),
  ];
}

if (import.meta.main) await runCommand(main);
