/** `deno task experiment` from end to end, each in a process of its own, on the tiniest networks. */
import {
  assert,
  assertEquals,
  assertMatch,
  assertRejects,
  assertStringIncludes,
} from "@std/assert";
import { UsageError } from "../../cli/args.ts";
import { main as experiment } from "../../cli/experiment.ts";
import type { CellResult } from "../../cli/experiment/cell.ts";
import { sortLines } from "../../cli/run_record.ts";
import { methodNames } from "../../dvn/methods/index.ts";
import { hasReal, REAL_FOLDER } from "../datasets/sources.ts";
import { inTemporaryFolder } from "./archives.ts";
import { pressCtrlC } from "./press_ctrl_c.ts";
import { TINY_DIGITS } from "./tiny_digits.ts";

/** Two tasks, in two runs by `baseline`; the epoch is chosen by held-out images, which depend on the seed. */
const TINY = { ...TINY_DIGITS, reportedEpoch: { validation: 0.2 } };

const METHODS = "baseline,dvn";

function command(args: string[]): Deno.Command {
  const script = `${import.meta.dirname}/../../cli/experiment.ts`;
  return new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--no-check", script, ...args],
    stdout: "piped",
    stderr: "piped",
  });
}

async function run(args: string[]) {
  const { code, stdout, stderr } = await command(args).output();
  const [out, err] = [stdout, stderr].map((b) => new TextDecoder().decode(b));
  return { code, out: out!, err: err! };
}

async function readResults(folder: string): Promise<CellResult[]> {
  const text = await Deno.readTextFile(`${folder}/results.jsonl`);
  return text.trimEnd().split("\n").map((line) => JSON.parse(line));
}

/** Without what the clock says. */
function timeless(results: CellResult[]) {
  return results.map(({ networks, ...rest }) => ({
    ...rest,
    time: "",
    seconds: 0,
    networks: networks.map((network) => ({ ...network, msPerImage: 0, speedUp: 0 })),
  })).sort((a, b) => a.method < b.method ? -1 : 1);
}

Deno.test("experiment: a wrong flag, file or value is one line, and nothing is written", () =>
  inTemporaryFolder(async (path) => {
    await Deno.writeTextFile(`${path}/tiny.json`, JSON.stringify(TINY));
    const cases: [string[], string][] = [
      [[], "name one scenario: J1, J2, J3"],
      [
        ["J1", "H1"],
        "name one scenario: J1, J2, J3, J3-thirds, H1, S1, S2, or a .json file; got J1 H1",
      ],
      [["J9"], 'no built-in scenario is named "J9"'],
      [["J1", "--scale", "small"], "--scale must be one of"],
      [
        ["J1", "--method", "dvn"],
        "--method is not a flag of this command; did you mean --methods?",
      ],
      [["J1", "--methods", "dnv"], 'no method is named "dnv"; did you mean dvn?'],
      [["J1", "--methods", "lwf"], "lwf is for tasks that arrive one after another"],
      [["J1", "--seeds", "few"], "--seeds must be how many"],
      [["J1", "--epochs", "0"], "--epochs must be a whole number"],
      [["J1", "--data", `${path}/none`], '"deno task data cifar-10'],
      [[`${path}/none.json`], "no such file"],
    ];
    for (const [args, message] of cases) {
      const line = [...args, "--out", `${path}/experiments`];
      const error = await assertRejects(() => experiment(line), UsageError) as UsageError;
      assertStringIncludes(error.message, message);
      assertEquals(error.message.split("\n").length, 1);
    }
    assertEquals([...Deno.readDirSync(path)].length, 1);
  }));

Deno.test("experiment --help describes every method", async () => {
  const { code, out, err } = await run(["--help"]);
  assertEquals([code, err], [0, ""]);
  for (const name of methodNames) assertMatch(out, new RegExp(`^  ${name} +\\w`, "m"));
  for (const line of out.split("\n")) assert(line.length <= 120, line);
});

Deno.test("experiment: shared, interrupted, gone on with", async (t) => {
  await inTemporaryFolder(async (path) => {
    await Deno.writeTextFile(`${path}/tiny.json`, JSON.stringify(TINY));
    const args = (out: string) => [
      `${path}/tiny.json`,
      ...["--methods", METHODS, "--seeds", "2,", "--out", `${path}/${out}`],
    ];
    const folder = (out: string) => `${path}/${out}/tiny`;

    await t.step("two processes share the cells", async () => {
      const both = await Promise.all([run(args("shared")), run(args("shared"))]);
      const outs = both.map(({ code, out, err }) => {
        assertEquals(code, 0, err);
        return out;
      });
      const told = outs.flatMap((out) => [...out.matchAll(/^\d\/2 +(\S+) +seed 2 /gm)]);
      assertEquals(told.map(([, method]) => method).sort(), ["baseline", "dvn"]);
      const results = await readResults(folder("shared"));
      assertEquals(results.length, 2);
      const [baseline, dvn] = timeless(results);
      assertEquals(baseline!.networks.map(({ run, task, level }) => `${run} ${task} ${level}`), [
        "first first 1",
        "second second 1",
      ]);
      assertEquals(dvn!.networks.map(({ run, task, level }) => `${run} ${task} ${level}`), [
        "all first 1",
        "all first 2",
        "all second 1",
        "all second 2",
      ]);
      assertEquals(dvn!.settings.seed, 2);
      assertEquals([dvn!.scenario, dvn!.scale], ["tiny", "own"]);
      for (const { accuracy } of dvn!.networks) assert(accuracy > 0.7, `accuracy ${accuracy}`);
    });

    await t.step("Ctrl-C saves the run; the same command goes on with it", async () => {
      const run1 = `${folder("broken")}/baseline/seed2/first`;
      const run2 = `${folder("broken")}/baseline/seed2/second`;
      const interrupted = async () => {
        const child = command(args("broken")).spawn();
        const output = child.output();
        let ended = false;
        child.status.then(() => ended = true);
        while (!ended && !await hasLine(`${run2}/results.jsonl`, "step")) {
          await new Promise((resolve) => setTimeout(resolve, 5));
        }
        pressCtrlC(child);
        const { code, stdout, stderr } = await output;
        const [out, err] = [stdout, stderr].map((b) => new TextDecoder().decode(b));
        const [, step] = out!.match(
          /\nInterrupted after step ([1-9]\d*) of \d+; the checkpoint is in \S+second\.\n/,
        ) ?? [];
        return { code, out, err, step };
      };
      let { code, out, err, step } = await interrupted();
      // On a busy machine the run may be over before the signal is sent.
      for (let tries = 1; !step && tries < 5; tries++) {
        await Deno.remove(folder("broken"), { recursive: true });
        ({ code, out, err, step } = await interrupted());
      }
      assert(code === 130 && step, `${code}: ${out}${err}`);
      assertStringIncludes(out!, `To go on:  deno task experiment ${args("broken").join(" ")}\n`);
      assertEquals(await hasLine(`${folder("broken")}/results.jsonl`, "seed"), false);

      const listed = await run([...args("broken"), "--list"]);
      assertEquals([listed.code, listed.err], [0, ""]);
      assertMatch(listed.out, /^baseline +2 +begun\ndvn +2 +to do$/m);

      const before = await Deno.readTextFile(`${run1}/results.jsonl`);
      const again = await run(args("broken"));
      assertEquals(again.code, 0, again.err);
      assertEquals(await Deno.readTextFile(`${run1}/results.jsonl`), before);
      const { resumes, start } = sortLines(await readRun(run2));
      assertEquals(resumes.map((resume) => `${resume.step}`), [step]);
      assertEquals(start.title, "tiny, baseline, seed 2, second");
    });

    await t.step("either way the results are the same, bit for bit", async () => {
      for (const run of ["baseline/seed2/first", "baseline/seed2/second", "dvn/seed2/all"]) {
        const [one, other] = ["shared", "broken"].map((out) =>
          Deno.readFileSync(`${folder(out)}/${run}/model.safetensors`)
        );
        assertEquals(one, other, run);
      }
      assertEquals(
        timeless(await readResults(folder("broken"))),
        timeless(await readResults(folder("shared"))),
      );
    });

    await t.step("what is done is not done again; nothing else mixes with it", async () => {
      const before = await Deno.readTextFile(`${folder("shared")}/results.jsonl`);
      const { code, out, err } = await run(args("shared"));
      assertEquals(code, 0, err);
      assertMatch(out, /^\nmethod +task +level +memory +accuracy +seeds\n/);
      assertStringIncludes(out, "2 of 2 cells done");
      assertStringIncludes(out, `deno task tables ${folder("shared")}\n`);
      const listed = await run([...args("shared"), "--list"]);
      assertMatch(listed.out, /^baseline +2 +done\ndvn +2 +done$/m);
      const other = await run([...args("shared"), "--epochs", "9"]);
      assertEquals([other.code, other.out], [2, ""]);
      assertMatch(
        other.err,
        /^error: \S+experiment\.json has settings\.training\.epochs 6, not 9; .*\n$/,
      );
      assertEquals(await Deno.readTextFile(`${folder("shared")}/results.jsonl`), before);
    });
  });
});

async function hasLine(file: string, text: string): Promise<boolean> {
  return await Deno.readTextFile(file).then((lines) => lines.includes(`"${text}"`), () => false);
}

async function readRun(folder: string) {
  const text = await Deno.readTextFile(`${folder}/results.jsonl`);
  return text.trimEnd().split("\n").map((line) => JSON.parse(line));
}

Deno.test({
  name: "experiment S1 on the cut-down images, at the smallest scale",
  ignore: !await hasReal("cifar-10-batches-bin"),
  fn: () =>
    inTemporaryFolder(async (path) => {
      const { code, out, err } = await run([
        ...["S1", "--scale", "ci", "--seeds", "1", "--methods", "lwf,dvn"],
        ...["--data", REAL_FOLDER, "--out", path],
      ]);
      assertEquals(code, 0, err);
      assertMatch(out, /\nScale ci: widths 64,128,256 -> 16,32,64; /);
      assertStringIncludes(out, "Experiment: S1-ci (");
      const results = await readResults(`${path}/S1-ci`);
      assertEquals(results.map(({ method, scale }) => `${method} ${scale}`), ["lwf ci", "dvn ci"]);
      for (const { method, scenario, networks, tasks } of results) {
        assertEquals(scenario, "S1");
        assertEquals(tasks.map(({ classes }) => classes), [5, 5]);
        const { phases, evaluations } = sortLines(
          await readRun(`${path}/S1-ci/${method}/seed1/all`),
        );
        assertEquals(phases.length, method === "lwf" ? 3 : 2);
        const [first] = evaluations;
        assertEquals(new Set(first!.networks.map(({ task }) => task)).size, 1);
        // Of five classes; the second task is the last that was trained.
        const last = networks.at(-1)!;
        assert(last.accuracy > 0.25, `${method}: ${last.task} ${last.accuracy}`);
      }
    }),
});
