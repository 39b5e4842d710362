/**
 * The first thing a stranger does, measured: `deno task train` on the built-in scenario, once a seed,
 * each in a fresh process with an empty shader cache of its own, from start to written report.
 *
 *     deno task bench:digits [--seeds 3] [--f16]
 *
 * Prints accuracy by level (mean and spread over the seeds) and the seconds of the whole command.
 * On a 2-core machine: about 40 seconds a seed with lavapipe, 100 with the embedded SwiftShader
 * (DVN_ADAPTER=embedded).
 *
 * @module
 */
import { join } from "node:path";
import {
  COMMON_FLAGS,
  describeFlags,
  parseCommandLine,
  runCommand,
  wholeNumber,
} from "../cli/args.ts";
import { type RunRecord, sortLines } from "../cli/run_record.ts";

const FLAGS = {
  seeds: { value: "N", help: "how many seeds, from 1 (default 3)" },
  f16: { help: "activations in 16 bits" },
  ...COMMON_FLAGS,
} as const;

async function main(args: string[]): Promise<number> {
  const { flags } = parseCommandLine(args, FLAGS);
  if (flags.help) {
    console.log(
      `deno task bench:digits: train the digits, once a seed\n\n${describeFlags(FLAGS)}`,
    );
    return 0;
  }
  const seeds = flags.seeds ? wholeNumber("--seeds", flags.seeds, 1) : 3;
  const runs: { record: RunRecord; seconds: number }[] = [];
  for (let seed = 1; seed <= seeds; seed++) {
    const folder = await Deno.makeTempDir();
    try {
      const start = performance.now();
      const { success } = await new Deno.Command(Deno.execPath(), {
        args: [
          "task",
          "train",
          "--seed",
          `${seed}`,
          "--out",
          folder,
          "--name",
          "run",
          ...flags.f16 ? ["--f16"] : [],
        ],
        env: { MESA_SHADER_CACHE_DIR: join(folder, "shaders") },
        stdout: "null",
      }).output();
      if (!success) throw new Error(`training with seed ${seed} failed`);
      const seconds = (performance.now() - start) / 1000;
      const lines = await Deno.readTextFile(
        join(folder, "run", "results.jsonl"),
      );
      const record = sortLines(
        lines.trim().split("\n").map((line) => JSON.parse(line)),
      );
      runs.push({ record, seconds });
      console.log(
        `seed ${seed}: ${seconds.toFixed(0)} s, ${byLevel(record).map(percent).join(" ")}`,
      );
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  }
  const { start } = runs[0]!.record;
  console.log(`\n${start.adapter}; ${start.epochs} epochs, ${seeds} seeds`);
  start.scenario.levels.forEach((_, index) => {
    const { mean, spread } = statistics(
      runs.map(({ record }) => byLevel(record)[index]!),
    );
    const label = `level ${index + 1}, mean test accuracy of the tasks`;
    console.log(
      `${label}: ${percent(mean)} (standard deviation ${percent(spread)})`,
    );
  });
  const longest = Math.max(...runs.map(({ seconds }) => seconds));
  console.log(`whole command: ${longest.toFixed(0)} s at most`);
  return 0;
}

/** Mean test accuracy over the tasks, for each level. */
function byLevel({ start, results }: RunRecord): number[] {
  return start.scenario.levels.map((_, index) =>
    statistics(
      results.filter(({ level }) => level === index + 1).map((row) => row.accuracy),
    ).mean
  );
}

function statistics(values: number[]): { mean: number; spread: number } {
  const mean = values.reduce((total, value) => total + value, 0) /
    values.length;
  const squares = values.reduce(
    (total, value) => total + (value - mean) ** 2,
    0,
  );
  return { mean, spread: Math.sqrt(squares / Math.max(1, values.length - 1)) };
}

function percent(value: number): string {
  return `${(100 * value).toFixed(1)} %`;
}

if (import.meta.main) await runCommand(main);
