/** The two commands from end to end, each in a process of its own, on the tiniest network. */
import {
  assert,
  assertEquals,
  assertMatch,
  assertRejects,
  assertStringIncludes,
} from "@std/assert";
import { UsageError } from "../../cli/args.ts";
import { main as infer } from "../../cli/infer.ts";
import { type RunLine, sortLines } from "../../cli/run_record.ts";
import { main as train } from "../../cli/train.ts";
import { digitsScenario } from "../../dvn/scenarios/digits.ts";
import { pressCtrlC } from "./press_ctrl_c.ts";
import { TINY_DIGITS } from "./tiny_digits.ts";

const DIGITS = `${import.meta.dirname}/../fixtures/digits`;

function command(name: "train" | "infer", args: string[]): Deno.Command {
  const script = `${import.meta.dirname}/../../cli/${name}.ts`;
  return new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", script, ...args],
    stdout: "piped",
    stderr: "piped",
  });
}

async function run(name: "train" | "infer", args: string[]) {
  const { code, stdout, stderr } = await command(name, args).output();
  const [out, err] = [stdout, stderr].map((b) => new TextDecoder().decode(b));
  return { code, out: out!, err: err! };
}

/** Trains until a step is told, and then presses Ctrl-C. */
async function interrupted(args: string[]) {
  const child = command("train", args).spawn();
  let err = "";
  let pressed = false;
  for await (const text of child.stderr.pipeThrough(new TextDecoderStream())) {
    err += text;
    if (pressed || !/step/.test(err)) continue;
    pressed = true;
    pressCtrlC(child);
  }
  const out = await new Response(child.stdout).text();
  return { code: (await child.status).code, out, err };
}

async function inTemporaryFolder(test: (path: string) => Promise<void>) {
  const path = await Deno.makeTempDir();
  try {
    await Deno.writeTextFile(`${path}/tiny.json`, JSON.stringify(TINY_DIGITS));
    await test(path);
  } finally {
    await Deno.remove(path, { recursive: true });
  }
}

async function readLines(folder: string): Promise<RunLine[]> {
  const text = await Deno.readTextFile(`${folder}/results.jsonl`);
  return text.trimEnd().split("\n").map((line) => JSON.parse(line));
}

Deno.test("train: a wrong flag, file or value is one line, and nothing is written", () =>
  inTemporaryFolder(async (path) => {
    const write = (name: string, content: unknown) => {
      const text = typeof content === "string" ? content : JSON.stringify(content);
      Deno.writeTextFileSync(`${path}/${name}`, text);
      return `${path}/${name}`;
    };
    const { training, tasks } = TINY_DIGITS;
    const cases: [string[], string][] = [
      [
        ["--sed", "1"],
        "--sed is not a flag of this command; did you mean --seed?",
      ],
      [["--seed", "-1"], '--seed must be a whole number, 0 or more; got "-1"'],
      [
        ["--epochs", "0"],
        '--epochs must be a whole number, 1 or more; got "0"',
      ],
      [
        ["--batch", "many"],
        '--batch must be a whole number, 1 or more; got "many"',
      ],
      [
        ["--checkpoint-every", "0"],
        "--checkpoint-every must be a whole number",
      ],
      [["--name", "../x"], '--name must be letters, digits, "-", "_" and "."'],
      [["a.json", "b.json"], "one scenario file at most; got a.json b.json"],
      [[`${path}/none.json`], `cannot read ${path}/none.json: no such file`],
      [[path], `cannot read ${path}: it is a folder`],
      [[write("a.json", "{,}")], `${path}/a.json is not JSON: `],
      [[write("b.json", 3)], `${path}/b.json: `],
      [[write("c.json", { ...TINY_DIGITS, sed: 1 })], `${path}/c.json: `],
      [
        [write("d.json", { ...TINY_DIGITS, training: { ...training, epochs: -1 } })],
        "training.epochs",
      ],
      [
        [write("e.json", {
          ...TINY_DIGITS,
          tasks: [{ name: "a", dataset: "nist" }, tasks[0]],
        })],
        'tasks[0].dataset "nist" is not known; known are: digits',
      ],
      [
        [write("f.json", {
          ...TINY_DIGITS,
          tasks: [tasks[0], { ...tasks[1], classes: [0, 10] }],
        })],
        "tasks[1].classes: digits has classes 0 to 9, got [0,10]",
      ],
      [
        ["--resume", `${path}/none`],
        "is not the folder of a run: no such folder",
      ],
      [
        ["--resume", path],
        "is not the folder of a run: it holds no scenario.json",
      ],
      [["--resume", path, "--seed", "2"], "leave out --seed"],
      [["--resume", path, "--method", "dvn"], "leave out --method"],
      [["--method", "dnv"], 'no method is named "dnv"; did you mean dvn?'],
      [["--method", "lwf"], "lwf is for tasks that arrive one after another"],
      [
        ["--method", "baseline", "--seed", "5"],
        "baseline trains 3 networks for digits, and this command one; use: " +
        "deno task experiment digits --methods baseline --seeds 5,",
      ],
      [["--resume", path, "x.json"], "leave out x.json"],
    ];
    const before = [...Deno.readDirSync(path)].length;
    for (const [args, message] of cases) {
      const line = [...args, "--out", `${path}/runs`];
      if (args[0] === "--resume") line.splice(-2);
      const error = await assertRejects(() => train(line), UsageError);
      assertStringIncludes((error as UsageError).message, message);
      assertEquals((error as UsageError).message.split("\n").length, 1);
    }
    assertEquals([...Deno.readDirSync(path)].length, before);
  }));

Deno.test("infer: a wrong flag or value is one line", async () => {
  const cases: [string[], string][] = [
    [
      ["--levle", "1"],
      "--levle is not a flag of this command; did you mean --level?",
    ],
    [["a.png"], "--run is needed"],
    [
      ["--run", "x", "--budget", "1KB", "--level", "1", "a.png"],
      "exclude each other",
    ],
    [
      ["--run", "x", "--budget", "40 bits", "a.png"],
      "--budget must be a size such as",
    ],
    [["--run", "x", "--level", "0", "a.png"], "--level must be a whole number"],
    [["--run", "x", "--top", "0", "a.png"], "--top must be a whole number"],
    [
      ["--run", "x", "--ink", "blue", "a.png"],
      "--ink must be light, dark or none",
    ],
    [["--run", "x"], "name at least one picture"],
    [
      ["--run", "/none", "a.png"],
      "/none is not the folder of a run: no such folder",
    ],
  ];
  for (const [args, message] of cases) {
    const error = await assertRejects(() => infer(args), UsageError);
    assertStringIncludes((error as UsageError).message, message);
  }
});

Deno.test("a wrong value ends the process with code 2 and one line on stderr", () =>
  inTemporaryFolder(async (path) => {
    const args = ["--epochs", "x", "--out", `${path}/runs`];
    assertEquals(await run("train", args), {
      code: 2,
      out: "",
      err: 'error: --epochs must be a whole number, 1 or more; got "x"\n',
    });
    // Known only once the network is made: a stem whose maps the pictures do not fit.
    const stem = { ...TINY_DIGITS.stem, outputSize: 5 };
    await Deno.writeTextFile(
      `${path}/odd.json`,
      JSON.stringify({ ...TINY_DIGITS, stem }),
    );
    const odd = await run("train", [
      `${path}/odd.json`,
      "--out",
      `${path}/runs`,
    ]);
    assertEquals([odd.code, odd.out], [2, ""]);
    assertMatch(odd.err, /^error: .*\n$/);
    assertEquals([...Deno.readDirSync(path)].length, 2);
  }));

Deno.test("--help names every flag; --print-scenario prints what would be trained", async () => {
  const { code, out, err } = await run("train", ["--help"]);
  assertEquals([code, err], [0, ""]);
  for (
    const flag of ["seed", "epochs", "batch", "out", "name", "resume", "help"]
  ) {
    assertStringIncludes(out, `--${flag} `);
  }
  const help = await run("infer", ["-h"]);
  for (const flag of ["run", "task", "budget", "level", "top", "ink", "json"]) {
    assertStringIncludes(help.out, `--${flag} `);
  }
  const printed = await run("train", ["--print-scenario", "--seed", "5"]);
  assertEquals(JSON.parse(printed.out), { ...digitsScenario, seed: 5 });
});

Deno.test("train, interrupt, resume and infer", async (t) => {
  await inTemporaryFolder(async (path) => {
    const tiny = [`${path}/tiny.json`, "--out", `${path}/runs`];

    await t.step(
      "train writes the folder and prints table and commands",
      async () => {
        const { code, out, err } = await run("train", tiny);
        assertEquals(code, 0, err);
        assertMatch(
          out,
          /^Adapter: .*\nTraining: tiny .*\n {2}4 networks for 2 tasks/,
        );
        assertMatch(out, /\ntask +level +accuracy +parameters +memory +MACs/);
        assertMatch(
          out,
          /\nfirst +1 +\d+\.\d % .*\n +2 .*\nsecond +1 .*\n +2 /,
        );
        assertStringIncludes(out, `report.html\n`);
        assertStringIncludes(
          out,
          `deno task infer --run ${path}/runs/tiny-seed1`,
        );
        assertMatch(err, /^(step \d+\/\d+ {2}loss .*\n)+$/);
        const folder = `${path}/runs/tiny-seed1`;
        const names = [...Deno.readDirSync(folder)].map(({ name }) => name)
          .sort();
        assertEquals(names.length, 5);
        const { start, results, end } = sortLines(await readLines(folder));
        assertEquals(start.networks.length, 4);
        assertEquals(results.length, 4);
        assertEquals(end?.interrupted, false);
        for (const { speedUp, msPerImage, bytes, parameters } of results) {
          assert(speedUp > 0 && msPerImage > 0);
          assertEquals(bytes, 4 * parameters.total);
        }
      },
    );

    await t.step(
      "the same again takes another folder, and --name never does",
      async () => {
        const folder = `${path}/runs/tiny-seed1`;
        const before = await Deno.readFile(`${folder}/model.safetensors`);
        const named = await run("train", [...tiny, "--name", "tiny-seed1"]);
        assertEquals([named.code, named.out], [2, ""]);
        assertStringIncludes(
          named.err,
          `${folder} exists; choose another --name`,
        );
        assertEquals(
          await Deno.readFile(`${folder}/model.safetensors`),
          before,
        );
      },
    );

    await t.step(
      "Ctrl-C saves a checkpoint and says how to go on",
      async () => {
        const folder = `${path}/runs/tiny-seed1-2`;
        let { code, out, err } = await interrupted(tiny);
        // On a busy machine all may be over before the signal is sent.
        for (let tries = 1; code === 0 && tries < 5; tries++) {
          await Deno.remove(folder, { recursive: true });
          ({ code, out, err } = await interrupted(tiny));
        }
        assertEquals(code, 130, err);
        assertStringIncludes(err, "Ctrl-C again quits at once");
        assertMatch(
          out,
          /\nInterrupted after step \d+ of \d+; the checkpoint is in /,
        );
        assertStringIncludes(out, `deno task train --resume ${folder}\n`);
        assertEquals(sortLines(await readLines(folder)).end?.interrupted, true);
        assertStringIncludes(
          await Deno.readTextFile(`${folder}/report.html`),
          "Interrupted after",
        );
      },
    );

    await t.step(
      "resumed, it ends as the unbroken run did, bit for bit",
      async () => {
        const [whole, broken] = ["tiny-seed1", "tiny-seed1-2"].map((name) =>
          `${path}/runs/${name}`
        ) as [string, string];
        const { code, out, err } = await run("train", ["--resume", broken]);
        assertEquals(code, 0, err);
        assertMatch(out, /\n {2}going on after step [1-9]\d*\n/);
        assertEquals(
          await Deno.readFile(`${broken}/model.safetensors`),
          await Deno.readFile(`${whole}/model.safetensors`),
        );
        const scores = (lines: RunLine[]) =>
          lines.filter(({ type }) => type === "step" || type === "evaluation")
            .map((line) => ({
              ...line,
              ...{ seconds: 0, secondsLeft: 0, imagesPerSecond: 0 },
            }));
        assertEquals(
          scores(await readLines(broken)),
          scores(await readLines(whole)),
        );
        const again = await run("train", ["--resume", broken]);
        assertEquals([again.code, again.out], [2, ""]);
        assertStringIncludes(
          again.err,
          "is complete; there is nothing left to do",
        );
      },
    );

    await t.step("a run whose files were changed is not resumed", async () => {
      const folder = `${path}/runs/changed`;
      const args = [...tiny, "--name", "changed", "--epochs", "1"];
      assertEquals((await run("train", args)).code, 0);
      const lines = await readLines(folder);
      const begun = lines.filter(({ type }) => type !== "end");
      await Deno.writeTextFile(
        `${folder}/results.jsonl`,
        begun.map((line) => JSON.stringify(line) + "\n").join(""),
      );
      const wider = { ...TINY_DIGITS.backbone, widths: [8, 16] };
      await Deno.writeTextFile(
        `${folder}/scenario.json`,
        JSON.stringify({ ...TINY_DIGITS, backbone: wider }),
      );
      const { code, err } = await run("train", ["--resume", folder]);
      assertEquals(code, 2);
      assertMatch(err, /^error: cannot resume .*changed: .*\n$/);
      assertEquals(await readLines(folder), begun);
    });

    await t.step("another method is trained, and resumed, by name", async () => {
      const folder = `${path}/runs/tiny-packnet-seed1`;
      const args = [...tiny, "--method", "packnet", "--epochs", "1"];
      const { code, out, err } = await run("train", args);
      assertEquals(code, 0, err);
      assertMatch(out, /\nfirst +1 .*\nsecond +2 /);
      const model = await Deno.readFile(`${folder}/model.safetensors`);
      const lines = await readLines(folder);
      // As if it had been killed while its networks were timed.
      const begun = lines.filter(({ type }) => type !== "end" && type !== "result");
      await Deno.writeTextFile(
        `${folder}/results.jsonl`,
        begun.map((line) => JSON.stringify(line) + "\n").join(""),
      );
      const again = await run("train", ["--resume", folder]);
      assertEquals(again.code, 0, again.err);
      const { start, results, phases } = sortLines(await readLines(folder));
      assertEquals([start.method, start.run], ["packnet", "all"]);
      assertEquals(phases.map(({ name }) => name), ["first", "second"]);
      assertEquals(results.map(({ task, level }) => [task, level]), [["first", 1], ["second", 2]]);
      assertEquals(await Deno.readFile(`${folder}/model.safetensors`), model);

      // The first task has no network at the scenario's top level, 2.
      const of = ["--run", folder, "--task", "first", `${DIGITS}/0.png`];
      const answer = await run("infer", of);
      assertEquals(answer.code, 0, answer.err);
      assertMatch(answer.out, /\nfirst, level 1 of 2: /);
    });

    const of = ["--run", `${path}/runs/tiny-seed1`, "--task", "second"];
    const pictures = [`${DIGITS}/2.png`, `${DIGITS}/3.png`];

    await t.step(
      "infer takes the highest level within the budget",
      async () => {
        const costs = sortLines(await readLines(`${path}/runs/tiny-seed1`))
          .start.networks.filter(({ task }) => task === "second");
        const [small, large] = costs.map(({ bytes }) => bytes) as [
          number,
          number,
        ];
        for (
          const [budget, level] of [[small, 1], [large - 1, 1], [large, 2]]
        ) {
          const args = [...of, "--budget", `${budget}`, "--json", ...pictures];
          const { code, out, err } = await run("infer", args);
          assertEquals(code, 0, err);
          const answer = JSON.parse(out);
          assertEquals([answer.level, answer.bytes], [
            level,
            costs[level! - 1]!.bytes,
          ]);
          assertEquals(answer.pictures.length, 2);
          for (const { ink, top } of answer.pictures) {
            assertEquals(ink, "light");
            assertEquals(
              top.map((best: { class: string }) => best.class).sort(),
              ["2", "3"],
            );
            assert(top[0].probability >= top[1].probability);
            const sum = top[0].probability + top[1].probability;
            assert(Math.abs(sum - 1) < 1e-5);
          }
        }
        const { code, out, err } = await run("infer", [
          ...of,
          ...["--budget", `${small - 1}`],
          ...pictures,
        ]);
        assertEquals([code, out], [2, ""]);
        assertMatch(err, new RegExp(`^error: .*${small} bytes\n$`));
      },
    );

    await t.step(
      "infer answers what it can read and names what it cannot",
      async () => {
        const { code, out, err } = await run("infer", [
          ...of,
          ...["--level", "1", "--top", "1"],
          ...[pictures[0]!, `${path}/none.png`, `${path}/tiny.json`],
        ]);
        assertEquals(code, 2);
        assertMatch(
          out,
          /^Adapter: .*\nsecond, level 1 of 2: [\d,]+ parameters, .* MACs an image\n.*2\.png +[23] +\d+\.\d %\n$/,
        );
        assertEquals(
          err,
          `error: ${path}/none.png: no such file\n` +
            `error: ${path}/tiny.json: it is not a PNG, JPEG, PGM or PPM picture\n`,
        );
      },
    );

    await t.step(
      "infer names the tasks where the given one is not there",
      async () => {
        const { code, out, err } = await run("infer", [
          ...["--run", `${path}/runs/tiny-seed1`],
          ...pictures,
        ]);
        assertEquals([code, out], [2, ""]);
        assertEquals(
          err,
          "error: --task is needed; the run has first, second\n",
        );
      },
    );
  });
});
