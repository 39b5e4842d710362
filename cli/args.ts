/** Reading command lines: every mistake becomes one line that says what was wrong and what is meant. */
import { parseArgs } from "@std/cli/parse-args";
import { levenshteinDistance } from "@std/text/levenshtein-distance";
import { AdapterError } from "../nn/gpu/errors.ts";

/** A mistake in a flag, a file or a value: one line on stderr, exit code 2, nothing written. */
export class UsageError extends Error {
  override name = "UsageError";
}

/** One `--flag` of a command. */
export interface Flag {
  /** What stands for the value in the help text; a flag without one is a switch. */
  value?: string;
  help: string;
}

/** Values as typed, switches as booleans. */
export type Flags<F extends Record<string, Flag>> = {
  [K in keyof F]: F[K] extends { value: string } ? string | undefined : boolean;
};

/** Each command has these. */
export const COMMON_FLAGS = {
  debug: { help: "show the stack of an unexpected error" },
  help: { help: "show this text" },
} as const satisfies Record<string, Flag>;

/**
 * Splits a command line into flags and operands.
 *
 * A first `--` is dropped, because `deno task` passes it on where npm would not.
 *
 * @throws {UsageError} If a flag is unknown (naming the nearest) or lacks its value.
 */
export function parseCommandLine<F extends Record<string, Flag>>(
  args: readonly string[],
  flags: F,
): { flags: Flags<F>; operands: string[] } {
  const valued = Object.keys(flags).filter((name) => flags[name]!.value);
  const switches = Object.keys(flags).filter((name) => !flags[name]!.value);
  const unknown: string[] = [];
  const parsed = parseArgs(joinNegatives(args, valued), {
    string: ["_", ...valued],
    boolean: switches,
    alias: { h: "help" },
    unknown: (arg: string, key?: string) => {
      if (key !== undefined) unknown.push(arg);
    },
  });
  if (unknown.length > 0) {
    const flag = unknown[0]!.replace(/=.*$/s, "");
    throw new UsageError(
      `${flag} is not a flag of this command; ${nearest(flag, Object.keys(flags))}`,
    );
  }
  for (const name of valued) {
    if (parsed[name] === "") {
      throw new UsageError(
        `--${name} needs a value: --${name} ${flags[name]!.value}`,
      );
    }
  }
  return { flags: parsed as Flags<F>, operands: parsed._.map(String) };
}

/** Writes `--seed -1` as `--seed=-1`, lest -1 be read as a flag and the message be about that. */
function joinNegatives(args: readonly string[], valued: string[]): string[] {
  const joined: string[] = [];
  for (const arg of args[0] === "--" ? args.slice(1) : args) {
    const flag = joined.at(-1) ?? "";
    if (/^-\d/.test(arg) && valued.includes(flag.replace(/^--/, ""))) {
      joined[joined.length - 1] = `${flag}=${arg}`;
    } else {
      joined.push(arg);
    }
  }
  return joined;
}

function nearest(flag: string, names: string[]): string {
  const word = flag.replace(/^-+/, "");
  const [best] = names
    .map((name) => ({
      name,
      distance: levenshteinDistance(word, name) as number,
    }))
    .sort((a, b) => a.distance - b.distance);
  const near = names.find((name) => word.length > 1 && name.startsWith(word)) ??
    (best!.distance <= Math.ceil(word.length / 3) ? best!.name : undefined);
  return near ? `did you mean --${near}?` : "--help lists them";
}

/**
 * Reads a whole number.
 *
 * @throws {UsageError} If `text` is none, or is below `least`.
 */
export function wholeNumber(flag: string, text: string, least: number): number {
  const value = Number(text);
  if (!/^\d+$/.test(text) || !Number.isSafeInteger(value) || value < least) {
    throw new UsageError(
      `--${flag} must be a whole number, ${least} or more; got "${text}"`,
    );
  }
  return value;
}

const UNITS: Record<string, number> = {
  "": 1,
  b: 1,
  kb: 1e3,
  mb: 1e6,
  gb: 1e9,
  kib: 2 ** 10,
  mib: 2 ** 20,
  gib: 2 ** 30,
};

/**
 * Reads a size such as "40960", "40KB", "1.5 MB" or "64KiB": kB = 1000 bytes, KiB = 1024.
 *
 * @returns Whole bytes, rounded down.
 * @throws {UsageError} If `text` is no such size, or is less than one byte.
 */
export function byteSize(flag: string, text: string): number {
  const [, number, unit] = /^(\d+(?:\.\d+)?|\.\d+)\s*([a-z]*)$/i.exec(text.trim()) ?? [];
  const scale = UNITS[(unit ?? "?").toLowerCase()];
  const bytes = Math.floor(Number(number) * (scale ?? NaN));
  if (!Number.isSafeInteger(bytes) || bytes < 1) {
    throw new UsageError(
      `--${flag} must be a size such as 40960, 40KB (1000 bytes each) or 64KiB (1024); got "${text}"`,
    );
  }
  return bytes;
}

/** The flags of a command, one a line, for its help text. */
export function describeFlags(flags: Record<string, Flag>): string {
  const rows = Object.entries(flags).map(([name, flag]) => [
    `  --${name}${flag.value ? ` ${flag.value}` : ""}`,
    flag.help,
  ]);
  const width = Math.max(...rows.map(([left]) => left!.length)) + 2;
  return rows
    .map(([left, help]) => left!.padEnd(width) + help!.replaceAll("\n", `\n${" ".repeat(width)}`))
    .join("\n");
}

/**
 * Runs a command and ends the process with its exit code: 2 after a mistake of the user's, 1 after
 * any other error, each told in one line on stderr.
 */
export async function runCommand(
  main: (args: string[]) => Promise<number>,
): Promise<never> {
  try {
    Deno.exit(await main(Deno.args));
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    if (error instanceof UsageError) {
      console.error(`error: ${message}`);
      Deno.exit(2);
    }
    if (Deno.args.includes("--debug")) {
      console.error(error);
    } else if (error instanceof AdapterError) {
      console.error(`error: ${message}`); // all of it: it says what to install
    } else {
      console.error(`error: ${message.split("\n")[0]} (--debug shows where)`);
    }
    Deno.exit(1);
  }
}
