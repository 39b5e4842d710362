import {
  assert,
  assertEquals,
  assertMatch,
  assertRejects,
  assertStringIncludes,
} from "@std/assert";
import { dirname, join } from "node:path";
import { defaultCacheDir } from "../../cli/adapter/swiftshader.ts";
import { UsageError } from "../../cli/args.ts";
import { main, tune } from "../../cli/tune.ts";
import { renderChoices, renderGains, TuneProgress } from "../../cli/tune_report.ts";
import { TuningFile } from "../../cli/tuning_file.ts";
import type { TunedChoice } from "../../nn/gpu/autotune.ts";
import type { ConvShape } from "../../nn/gpu/chooser.ts";
import { DeviceLostError } from "../../nn/gpu/errors.ts";
import { Gpu } from "../../nn/gpu/gpu.ts";
import { type Choice, describeChoice, shapeKey } from "../../nn/gpu/tuning.ts";
import { tuningKey } from "../../nn/gpu/tuning_key.ts";
import { testGpu } from "../gpu.ts";
import { inTemporaryFolder } from "./archives.ts";
import { TINY_DIGITS } from "./tiny_digits.ts";

const SHAPE: ConvShape = {
  pass: "forward",
  ...{ n: 1, h: 4, w: 4, ci: 8, co: 8 },
  ...{ kernel: 3, stride: 1, padding: 1 },
};
const OTHER: ConvShape = { ...SHAPE, ci: 16 };

const DIRECT: Choice = { algorithm: "direct", tile: { rows: 8, columns: 2 } };
const WINOGRAD: Choice = { algorithm: "winograd", tile: { rows: 8, columns: 2 }, tiles: 512 };

const work = (...counts: number[]) => [{
  name: "made-up",
  work: {
    what: "a training step",
    uses: [SHAPE, OTHER].map((shape, i) => ({ shape, choice: DIRECT, count: counts[i]! })),
  },
}];

Deno.test("the table says what won, and by how much", () => {
  const tuned: Record<string, TunedChoice> = {
    [shapeKey(SHAPE)]: {
      choice: WINOGRAD,
      milliseconds: 2,
      standard: { choice: DIRECT, milliseconds: 3 },
    },
    [shapeKey(OTHER)]: {
      choice: DIRECT,
      milliseconds: 0.05,
      standard: { choice: DIRECT, milliseconds: 0.05 },
    },
    third: { choice: WINOGRAD, milliseconds: 2, standard: { choice: DIRECT } },
  };
  assertEquals(
    renderChoices(tuned),
    `\
convolution                          default     fastest                     default  fastest   gain
───────────────────────────────────  ──────────  ───────────────────────  ──────────  ───────  ─────
forward 1x4x4x8 to 8, 3x3 /1 pad 1   direct 8x2  winograd 8x2, tiles 512     3.00 ms  2.00 ms  1.50x
forward 1x4x4x16 to 8, 3x3 /1 pad 1  direct 8x2  the same                    50.0 µs  50.0 µs  1.00x
third                                direct 8x2  winograd 8x2, tiles 512  cannot run  2.00 ms`,
  );
});

Deno.test("a shape that lost the device is told of as not timed", () => {
  const lost = { choice: DIRECT, milliseconds: 0, standard: { choice: DIRECT } };
  assertMatch(renderChoices({ [shapeKey(SHAPE)]: lost }), / direct 8x2 +the same +not timed$/);
  assertMatch(renderGains(work(4, 1), { [shapeKey(SHAPE)]: lost }), /a training step +0 of 5$/);
});

Deno.test("a step gains by how often it has each shape; what was not measured is told", () => {
  const one: TunedChoice = {
    choice: WINOGRAD,
    milliseconds: 1,
    standard: { choice: DIRECT, milliseconds: 3 },
  };
  const both = { [shapeKey(SHAPE)]: one, [shapeKey(OTHER)]: { ...one, milliseconds: 3 } };
  assertEquals(
    renderGains([...work(4, 1), ...work(1, 0.5)], both),
    `\
convolutions of           measured  default  fastest   gain
────────────────────────  ────────  ───────  ───────  ─────
made-up: a training step    5 of 5  15.0 ms  7.00 ms  2.14x
made-up: a training step    2 of 2  4.50 ms  2.50 ms  1.80x`,
  );
  assertStringIncludes(
    renderGains(work(4, 1), { [shapeKey(SHAPE)]: one }),
    "made-up: a training step    4 of 5  12.0 ms  4.00 ms  3.00x",
  );
  assertMatch(renderGains(work(4, 1), {}), /made-up: a training step +0 of 5$/);
});

Deno.test("progress tells shapes and the time left, which is never more than the budget's", () => {
  const texts: string[] = [];
  let clock = 100;
  let columns: number | undefined = 60;
  const output = { write: (text: string) => texts.push(text), columns: () => columns };
  const progress = new TuneProgress(10, 60, output, () => clock);
  progress.show(0);
  assertStringIncludes(texts[0]!, " 0 %  0 of 10 shapes  1:00 min left\x1b[K");
  clock = 110;
  progress.show(5);
  assertStringIncludes(texts[1]!, " 50 %  5 of 10 shapes  10 s left\x1b[K");
  clock = 150;
  progress.show(6);
  assertStringIncludes(texts[2]!, "6 of 10 shapes  10 s left\x1b[K");
  progress.clear();
  progress.clear();
  assertEquals(texts.slice(3), ["\r\x1b[K"]);
  columns = undefined;
  progress.show(7);
  clock = 200;
  progress.show(8);
  assertEquals(texts.slice(4), ["7 of 10 shapes  10 s left\n", "8 of 10 shapes  0.0 s left\n"]);
});

/** Tunes with made-up times on a device of its own. */
async function tuneOnce(
  file: TuningFile,
  { seconds = 100, secondsPerRun = 0, shapes = work(4, 1), pinned = {}, onRun = () => {} } = {},
) {
  await testGpu(); // loads the driver
  const gpu = await Gpu.open({ limits: "default" });
  gpu.tuning.pin(pinned);
  let clock = 0;
  const measured = new Set<string>();
  const quiet = { write: () => {}, columns: () => undefined };
  const text = await tune(gpu, shapes, file, {
    seconds,
    now: () => clock,
    progress: new TuneProgress(1, seconds, quiet, () => clock),
    measure: ({ choice, shape }) => {
      clock += secondsPerRun;
      measured.add(shapeKey(shape));
      onRun();
      return Promise.resolve(choice.algorithm === "winograd" ? 1 : 2);
    },
  });
  const { state: { pinned: left } } = gpu.tuning;
  const key = tuningKey(gpu);
  gpu.destroy();
  return { text, measured: [...measured], pinned: left, key };
}

Deno.test("what is found is remembered, pinned and not measured again; what the time lacked is, later", () =>
  inTemporaryFolder(async (path) => {
    const file = new TuningFile(`${path}/tuning.json`);
    const first = await tuneOnce(file, { seconds: 1, secondsPerRun: 1 });
    assertEquals(first.measured, [shapeKey(OTHER)], "the one with the most arithmetic");
    assertEquals(Object.keys(await file.load(first.key)), first.measured);
    assertStringIncludes(first.text, "1 shape left, as the time was up");
    const second = await tuneOnce(file);
    assertEquals(second.measured, [shapeKey(SHAPE)]);
    assertStringIncludes(second.text, "1 shape measured in 0.0 s; 1 known from before.");
    assertStringIncludes(
      second.text,
      "made-up: a training step    5 of 5  10.0 ms  5.00 ms  2.00x",
    );
    assertStringIncludes(second.text, `Remembered in ${path}/tuning.json`);
    const third = await tuneOnce(file);
    assertEquals(third.measured, []);
    assertStringIncludes(third.text, "0 shapes measured in 0.0 s; 2 known from before.");

    const tuned = await file.load(first.key);
    assertEquals(Object.keys(tuned).length, 2);
    for (const [key, { choice, milliseconds, standard }] of Object.entries(tuned)) {
      assertEquals([choice.algorithm, milliseconds, standard.milliseconds], ["winograd", 1, 2]);
      const pins = { ...first.pinned, ...second.pinned };
      assertEquals(describeChoice(pins[key]!), describeChoice(choice));
    }
  }));

Deno.test("a shape that cannot be run is told of", () =>
  inTemporaryFolder(async (path) => {
    const huge: ConvShape = { ...SHAPE, n: 2 ** 14, h: 64, w: 64 };
    const uses = [{ shape: huge, choice: DIRECT, count: 1 }];
    const shapes = [{ name: "huge", work: { what: "a step", uses } }];
    const { text } = await tuneOnce(new TuningFile(`${path}/tuning.json`), { shapes });
    assertStringIncludes(text, "1 shape could not be run on this adapter, and stay as they are.");
  }));

Deno.test("what lost the device does not come first again, nor at all", () =>
  inTemporaryFolder(async (path) => {
    const file = new TuningFile(`${path}/tuning.json`);
    const lost = await assertRejects(() =>
      tuneOnce(file, {
        onRun: () => {
          throw new DeviceLostError("device", "lost (unknown)");
        },
      })
    ) as Error;
    assertMatch(
      lost.message,
      /^the device was lost when forward 1x4x4x16 to 8, .+ was tried as direct 8x2; that shape /,
    );
    const second = await tuneOnce(file);
    assertEquals(second.measured, [shapeKey(SHAPE)], "the other one");
    assertStringIncludes(second.text, "1 shape measured in 0.0 s; 1 known from before.");
    const third = await tuneOnce(file);
    assertEquals(third.measured, []);
  }));

Deno.test("tune: a wrong flag or value is one line", async () => {
  const cases: [string[], string][] = [
    [["--second", "3"], "--second is not a flag of this command; did you mean --seconds?"],
    [["--seconds", "0"], '--seconds must be a whole number, 1 or more; got "0"'],
    [["--batch", "0"], '--batch must be a whole number, 1 or more; got "0"'],
    [["--method", "dnv"], 'no method is named "dnv"; did you mean dvn?'],
    [["J9"], 'no built-in scenario is named "J9"'],
    [["none.json"], "cannot read none.json: no such file"],
    [["--scale", "ci"], "--scale is for the scenarios of the paper"],
    [["--list", "--forget"], "--list and --forget exclude each other"],
    [["--list", "J1"], "--list is about the adapter; leave out J1"],
    [["--forget", "--seconds", "3"], "--forget is about the adapter; leave out --seconds"],
  ];
  for (const [args, message] of cases) {
    const error = await assertRejects(() => main(args), UsageError) as Error;
    assertStringIncludes(error.message, message);
  }
});

const TINY = { ...TINY_DIGITS, training: { ...TINY_DIGITS.training, epochs: 1 } };

Deno.test("tune measures, remembers, lists and forgets; train uses what it found unless told not to", () =>
  inTemporaryFolder(async (path) => {
    await Deno.writeTextFile(`${path}/tiny.json`, JSON.stringify(TINY));
    const env = {
      XDG_CACHE_HOME: `${path}/cache`,
      // These would move with it.
      DENO_DIR: Deno.env.get("DENO_DIR") ?? join(dirname(defaultCacheDir()), "deno"),
      MESA_SHADER_CACHE_DIR: Deno.env.get("MESA_SHADER_CACHE_DIR") ?? dirname(defaultCacheDir()),
    };
    const run = async (name: string, ...args: string[]) => {
      const script = `${import.meta.dirname}/../../cli/${name}.ts`;
      const command = new Deno.Command(Deno.execPath(), {
        args: ["run", "-A", script, ...args],
        env,
      });
      const { code, stdout, stderr } = await command.output();
      const [out, err] = [stdout, stderr].map((bytes) => new TextDecoder().decode(bytes));
      assertEquals(code, 0, err);
      return out!;
    };
    const tunedShapes = async (...args: string[]) => {
      await run("train", `${path}/tiny.json`, "--out", `${path}/runs`, "--name", "run", ...args);
      const lines = await Deno.readTextFile(`${path}/runs/run/results.jsonl`);
      await Deno.remove(`${path}/runs`, { recursive: true });
      return JSON.parse(lines.split("\n")[0]!).tunedShapes;
    };
    assertEquals(await tunedShapes(), 0);
    assertMatch(await run("tune", "--list"), /Nothing is remembered for this adapter/);
    const found = await run("tune", `${path}/tiny.json`, "--seconds", "1000");
    assertMatch(found, /\ntiny: a training step +(\d+) of \1 /);
    assertMatch(found, /\ntiny: inference of all levels, batch 1 +(\d+) of \1 /);
    assertMatch(found, /\ntiny: inference of all levels, batch 32 +(\d+) of \1 /);
    const count = Number(/\n(\d+) shapes measured/.exec(found)![1]);
    const listed = await run("tune", "--list");
    assertStringIncludes(listed, `\n${count} shapes, in ${path}/cache/dvn/tuning.json.`);
    assertStringIncludes(listed, "\ndw 48x8x8x4 to 4, 3x3 /1 pad 1 ");
    const used = await tunedShapes();
    assert(used > 10 && used < count, `${used} of ${count}`);
    assertEquals(await tunedShapes("--no-tuning"), 0);
    assertMatch(await run("tune", "--forget"), new RegExp(`\\n${count} shapes forgotten`));
    assertMatch(await run("tune", "--list"), /Nothing is remembered for this adapter/);
  }));
