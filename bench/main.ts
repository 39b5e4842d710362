/**
 * Measures this project, alone or side by side with others: `deno task bench --help`.
 *
 * Each contender lives in a process of its own; for each group of workloads they take turns, A B A B.
 * Prints a table with ratios, where the time goes, and whether each bar is met.
 *
 * @module
 */
import { join } from "node:path";
import {
  COMMON_FLAGS,
  describeFlags,
  parseCommandLine,
  runCommand,
  UsageError,
  wholeNumber,
} from "../cli/args.ts";
import { verdicts, WARM } from "./bars.ts";
import { findEntrants } from "./entrants.ts";
import { environment } from "./environment.ts";
import type { Measurement, Runtime } from "./record.ts";
import { Session, STARTS } from "./session.ts";
import { renderFailures, renderKernels, renderMeasurements, renderVerdicts } from "./table.ts";
import { groups } from "./workloads.ts";

const FLAGS = {
  only: { value: "LIST", help: "groups whose names contain one of these, such as conv,train" },
  quick: { help: "a minute: fewer groups, 3 samples each" },
  peers: { help: "against jax-js and TensorFlow.js, too, from npm" },
  browser: { help: "in Chromium, too" },
  "no-deno": { help: "not in Deno: with --browser or --torch" },
  torch: { help: "against a local PyTorch, too; PYTHON may name the Python that has it" },
  samples: { value: "N", help: "of which the median is taken, from 3 (default 7)" },
  limit: {
    value: "SECONDS",
    help: "for all samples of a group (default 240): beyond it fewer are\ntaken, but 3 at least",
  },
  json: { help: "print a JSON line for each measurement, too" },
  save: { help: "write those lines to bench/results/" },
  ...COMMON_FLAGS,
} as const;

/** As shells have it for a command that Ctrl-C ended. */
const INTERRUPTED = 130;

async function main(args: string[]): Promise<number> {
  const { flags } = parseCommandLine(args, FLAGS);
  if (flags.help) {
    const names = [STARTS, ...new Set(groups(true).map(({ name }) => name))];
    console.log(
      `deno task bench: how fast this project is\n\n${describeFlags(FLAGS)}\n\n` +
        `Groups: ${names.join("; ")}`,
    );
    return 0;
  }
  const entrants = await findEntrants({ ...flags, deno: !flags["no-deno"] });
  if (entrants.length === 0) throw new UsageError("--no-deno needs --browser or --torch");
  const { quick } = flags;
  const session = new Session(entrants, {
    quick,
    only: flags.only?.split(",").map((part) => part.trim()),
    samples: flags.samples ? wholeNumber("samples", flags.samples, 3) : quick ? 3 : 7,
    limit: flags.limit ? wholeNumber("limit", flags.limit, 1) : quick ? 20 : 240,
  });
  const where = await environment();
  let interrupted = false;
  const stop = Promise.withResolvers<void>();
  Deno.addSignalListener("SIGINT", () => {
    interrupted = true;
    stop.resolve();
  });
  try {
    await Promise.race([session.run(), stop.promise]);
  } finally {
    await session.close();
  }
  const measurements = [...session.measurements];
  if (interrupted) console.log("interrupted: what there is so far");
  if (measurements.length === 0) return INTERRUPTED;
  report(measurements, quick);
  const text = measurements.map((it) => JSON.stringify({ ...where(it), quick, ...it })).join("\n");
  if (flags.json) console.log(`\n${text}`);
  if (flags.save) {
    const { date } = where(measurements[0]!);
    const slug = measurements[0]!.adapter.split(",")[0]!.replace(/\W+/g, "-").toLowerCase();
    const file = join(import.meta.dirname!, "results", `${date.slice(0, 10)}-${slug}.jsonl`);
    await Deno.writeTextFile(file, `${text}\n`);
    console.log(`\nsaved to ${file}`);
  }
  return interrupted ? INTERRUPTED : 0;
}

function report(all: readonly Measurement[], quick: boolean): void {
  const adapters = new Set(all.map((it) => {
    return `${it.runtime}: ${it.contender} ${it.version}, on ${it.adapter}`;
  }));
  console.log([...adapters].filter((line) => !line.endsWith(", on ")).join("\n"));
  if (quick) console.log("--quick: a first impression");
  const sections: [string, Runtime[]][] = [["", ["deno", "python"]], ["In Chromium", ["chromium"]]];
  for (const [title, runtimes] of sections) {
    const timed = all.filter((it) => runtimes.includes(it.runtime) && (it.ms || it.failure));
    if (timed.length === 0) continue;
    console.log(`\n${title ? `${title}\n\n` : ""}${renderMeasurements(timed, runtimes)}`);
  }
  const start = all.find(({ workload, contender }) => workload === WARM && contender === "ours");
  if (start?.facts?.kernels) {
    const copy = all.find(({ workload }) => workload === "copy by shader");
    const { dispatches, cpuPerDispatch, kernels, stepMilliseconds } = start.facts;
    console.log(
      `\nA training step of WRN-16-2, batch 32: ${dispatches} dispatches, of ` +
        `${cpuPerDispatch!.toFixed(1)} µs of CPU time each to submit\n`,
    );
    console.log(renderKernels(kernels, stepMilliseconds!, copy?.bandwidth));
  }
  const failures = renderFailures(all);
  if (failures) console.log(`\nFailed\n\n${failures}`);
  console.log(`\nBars\n\n${renderVerdicts(verdicts(all))}`);
}

if (import.meta.main) await runCommand(main);
