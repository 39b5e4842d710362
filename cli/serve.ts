/**
 * Serves the page and some runs, on this machine alone unless told otherwise.
 *
 *     deno task serve [RUN ...]
 *
 * @module
 */
import { basename, join } from "node:path";
import { bundlePage } from "../web/server/page_bundle.ts";
import { GpuPredictor } from "../web/server/predictor.ts";
import { MODEL, type ServedRun } from "../web/server/run_files.ts";
import { LOOPBACK, startServer } from "../web/server/server.ts";
import { prepareAdapter } from "./adapter.ts";
import {
  COMMON_FLAGS,
  describeFlags,
  type Flag,
  parseCommandLine,
  runCommand,
  UsageError,
  wholeNumber,
} from "./args.ts";
import { RunFolder, why } from "./run_folder.ts";

const FLAGS = {
  host: {
    value: "NAME",
    help: "the address to listen at (127.0.0.1: this machine alone);\n" +
      "0.0.0.0 for everyone who can reach this machine; their browsers give\n" +
      "the page WebGPU through https alone, so put an https proxy in front",
  },
  port: { value: "N", help: "the port to listen at (8000); 0 for any that is free" },
  ...COMMON_FLAGS,
} as const satisfies Record<string, Flag>;

/** Runs that are served where none is named: the newest of the folder. */
const NEWEST = 10;
const RUNS = "runs";

const HELP = `Serves the page, on which networks are trained, looked into and used, and some runs.

  deno task serve [RUN ...]

${describeFlags(FLAGS)}

Without a RUN the ${NEWEST} newest in ${RUNS}/ are served. Of a run's folder only model.safetensors,
results.jsonl and report.html can be fetched. Programs can ask, too:

  GET  /runs                 the runs, their tasks and what each level costs
  GET  /runs/<run>/<file>    a file, or a range of it
  POST /predict              {"run", "task", "level" or "budget", "image": {"width",
                             "height", "channels", "data": bytes in base64}}

Ctrl-C ends it. Exit code: 0 ended so, 1 failed, 2 a wrong flag, folder or port.

  deno task serve runs/digits-seed1
  deno task serve --port 9000`;

/** @returns The exit code. */
export async function main(args: string[]): Promise<number> {
  const { flags, operands } = parseCommandLine(args, FLAGS);
  if (flags.help) {
    console.log(HELP);
    return 0;
  }
  const { host = "127.0.0.1" } = flags;
  const port = wholeNumber("port", flags.port ?? "8000", 0);
  if (port > 65535) throw new UsageError(`--port must be 65535 or less; got "${port}"`);
  const runs = operands.length > 0 ? await openRuns(operands) : await newestRuns(RUNS);
  const page = await bundlePage(join(import.meta.dirname!, "../web/page"));
  const predictor = new GpuPredictor({ prepareAdapter });
  const local = [...LOOPBACK, "::1"].includes(host) || /^127(\.\d+){1,3}$/.test(host);
  const hosts = local ? [...LOOPBACK, ...LOOPBACK.includes(host) ? [] : [host]] : undefined;
  let server;
  try {
    server = startServer({ page, runs, predictor, hosts }, { hostname: host, port });
  } catch (error) {
    if (error instanceof Deno.errors.AddrInUse) {
      throw new UsageError(
        `port ${port} is taken; name another with --port, or 0 for any that is free`,
      );
    }
    throw new UsageError(`cannot listen at ${host}, port ${port}: ${why(error)}`);
  }
  // Before anyone is told of the server: what they stop with at once must end it well, too.
  const stopped = stopSignal();
  console.log(describeRuns(runs, operands.length > 0));
  if (!local) {
    console.log(
      "Everyone who can reach this machine can open it; their browsers have WebGPU through https alone.",
    );
  }
  console.log(server.url);
  await stopped;
  await server.close();
  return 0;
}

/** @throws {UsageError} If one is not the folder of a run, or two have one name. */
async function openRuns(paths: readonly string[]): Promise<ServedRun[]> {
  const runs = await Promise.all(paths.map(async (given) => {
    const { path } = await RunFolder.open(given);
    return { name: basename(await Deno.realPath(path)), path }; // of "." too
  }));
  const twice = runs.find(({ name }, i) => runs.findIndex((run) => run.name === name) < i);
  if (twice) throw new UsageError(`two runs are named ${twice.name}; serve one of them`);
  return runs;
}

/** The runs in a folder that have left a checkpoint, the newest first. */
export async function newestRuns(parent: string): Promise<ServedRun[]> {
  const found: { name: string; path: string; modified: number }[] = [];
  try {
    for await (const { name } of Deno.readDir(parent)) {
      const run = await RunFolder.find(`${parent}/${name}`);
      const model = run && await Deno.stat(`${run.path}/${MODEL}`).catch(() => undefined); // gone since
      if (!model) continue;
      found.push({ name, path: run.path, modified: model.mtime?.getTime() ?? 0 });
    }
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
  return found.sort((a, b) => b.modified - a.modified).slice(0, NEWEST)
    .map(({ name, path }) => ({ name, path }));
}

function describeRuns(runs: readonly ServedRun[], named: boolean): string {
  const names = runs.map(({ name }) => name).join(", ");
  if (runs.length === 0) {
    return `Serving the page alone: ${RUNS}/ holds no run with a checkpoint (deno task train makes one).`;
  }
  return `Serving the page and ${named ? "" : "the newest of runs/: "}${names}. Ctrl-C stops.`;
}

/** Waits for Ctrl-C or SIGTERM. `deno task` may pass on a Ctrl-C that the terminal has told already. */
async function stopSignal(): Promise<void> {
  const signals: Deno.Signal[] = Deno.build.os === "windows"
    ? ["SIGINT", "SIGBREAK"]
    : ["SIGINT", "SIGTERM"];
  await new Promise<void>((resolve) => {
    for (const signal of signals) Deno.addSignalListener(signal, () => resolve());
  });
}

if (import.meta.main) await runCommand(main);
