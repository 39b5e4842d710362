/**
 * Runs the tests: those of `deno test`, then the op cases in headless Chromium where there is one.
 *
 *     deno task test [filter] [files and folders] [--no-browser] [options of deno test]
 *
 * The filter is a part of the tests' names or a `/pattern/`. The last line has the counts.
 *
 * @module
 */
import { join, relative } from "node:path";
import { stripVTControlCharacters } from "node:util";
import { prepareAdapter } from "../cli/adapter.ts";
import { findChromium } from "./browser/chromium.ts";
import { runBrowserCases } from "./browser/run_cases.ts";
import { browserCases } from "./ops/cases.ts";
import { matches } from "./ops/harness.ts";

interface Counts {
  passed: number;
  failed: number;
  skipped: number;
}

interface Arguments {
  filter: string;
  paths: string[];
  /** For `deno test`. */
  options: string[];
  browser: boolean;
}

async function readArguments(args: string[]): Promise<Arguments> {
  const read: Arguments = { filter: "", paths: [], options: [], browser: true };
  for (const arg of args) {
    if (arg === "--no-browser") read.browser = false;
    else if (arg === "--") continue;
    else if (arg.startsWith("-")) read.options.push(arg);
    else if (await exists(arg)) read.paths.push(arg);
    else if (read.filter) {
      throw new Error(`two filters: "${read.filter}" and "${arg}"`);
    } else read.filter = arg;
  }
  return read;
}

async function exists(path: string): Promise<boolean> {
  try {
    await Deno.stat(path);
    return true;
  } catch {
    return false;
  }
}

/** Runs `deno test`, shows what it prints, and reads the counts off its last line. */
async function runDenoTests(
  { filter, paths, options }: Arguments,
): Promise<Counts> {
  const args = ["test", "--allow-all", "--no-check", ...options];
  if (filter) args.push(`--filter=${filter}`);
  args.push(...(paths.length ? paths : [import.meta.dirname!]));
  const child = new Deno.Command(Deno.execPath(), {
    args,
    stdout: "piped",
    clearEnv: true,
    env: environment,
  })
    .spawn();
  let tail = "";
  const decoder = new TextDecoder();
  for await (const chunk of child.stdout) {
    await Deno.stdout.write(chunk);
    tail = (tail + decoder.decode(chunk, { stream: true })).slice(-4096);
  }
  const { success } = await child.status;
  const summary =
    stripVTControlCharacters(tail).split("\n").findLast((line) =>
      /^(ok|FAILED) \| \d+ passed/.test(line)
    ) ?? "";
  const count = (word: string) => Number(new RegExp(`(\\d+) ${word}`).exec(summary)?.[1] ?? 0);
  const failed = count("failed");
  return {
    passed: count("passed"),
    // A run can fail without a failed test: no file to run, a crash, a file that does not load.
    failed: success ? failed : Math.max(1, failed),
    skipped: count("ignored"),
  };
}

async function runBrowserTests({ filter, paths }: Arguments): Promise<Counts> {
  const folder = join(import.meta.dirname!, "ops");
  const asked = !paths.length ||
    paths.some((path) => !relative(path, folder).startsWith(".."));
  const count = browserCases.filter(({ name }) => matches(filter, name)).length;
  if (!asked || count === 0) return { passed: 0, failed: 0, skipped: 0 };
  if (!chromium) {
    console.log(
      "browser tests: skipped, no Chromium found (set CHROMIUM_PATH)",
    );
    return { passed: 0, failed: 0, skipped: count };
  }
  console.log(`\nrunning ${count} tests in ${chromium}`);
  try {
    const counts = await runBrowserCases(chromium, filter, environment);
    return { skipped: 0, ...counts };
  } catch (error) {
    console.error(`browser tests: ${(error as Error).message}`);
    return { passed: 0, failed: 1, skipped: 0 };
  }
}

/** As it was before `prepareAdapter()` adds to it what only this process may see. */
const environment = Deno.env.toObject();
let asked: Arguments;
let chromium: string | undefined;
try {
  asked = await readArguments(Deno.args);
  chromium = await findChromium();
  console.log((await prepareAdapter()).line);
} catch (error) {
  console.error(`no test was run: ${(error as Error).message}`);
  console.log("0 passed, 1 failed");
  Deno.exit(1);
}
const results = [await runDenoTests(asked)];
if (asked.browser) results.push(await runBrowserTests(asked));
const sum = (key: keyof Counts) => results.reduce((total, counts) => total + counts[key], 0);
const [passed, failed, skipped] = [
  sum("passed"),
  sum("failed"),
  sum("skipped"),
];
const none = passed + failed + skipped === 0;
if (none) console.error(`no test's name matches "${asked.filter}"`);
console.log(
  `${passed} passed, ${failed} failed${skipped ? `, ${skipped} skipped` : ""}`,
);
Deno.exit(failed || none ? 1 : 0);
