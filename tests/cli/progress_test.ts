import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { Progress, type Whole } from "../../cli/progress.ts";
import type { TrainEvent } from "../../dvn/events.ts";
import { fakeRun, fakeScenario } from "./fake_run.ts";

function recording(columns: number | undefined, whole?: Whole) {
  const written: string[] = [];
  const output = { write: (text: string) => written.push(text), columns: () => columns };
  const progress = new Progress(output, whole);
  return { progress, written };
}

async function show(columns: number | undefined, firstStep = 0, whole?: Whole) {
  const { progress, written } = recording(columns, whole);
  progress.status("Building ...");
  for await (const event of fakeRun(fakeScenario(), { firstStep })) {
    progress.show(event);
  }
  progress.clear();
  return written;
}

const SCORE = { task: "a", level: 1, loss: 0.5, accuracy: 0.9, count: 10 };
const STEP: TrainEvent = {
  type: "step",
  step: 18,
  epoch: 2,
  learningRate: 0.1,
  loss: 0.12345,
  accuracy: 0.98765,
  networks: [SCORE],
  imagesPerSecond: 1234.5,
  seconds: 5,
  secondsLeft: 75,
};

Deno.test("a terminal gets one line, redrawn, and cleared at the end", async () => {
  const { progress, written } = recording(120);
  progress.status("Building ...");
  const [start] = await Array.fromAsync(fakeRun(fakeScenario()));
  progress.show(start!);
  progress.show(STEP);
  progress.show({
    type: "evaluation",
    step: 20,
    epoch: 2,
    images: "test",
    networks: [SCORE, { ...SCORE, accuracy: 0.8 }],
    seconds: 6,
  });
  progress.show({ ...STEP, step: 40 });
  progress.clear();
  progress.clear();
  const figures = "loss 0.123  accuracy 98.8 %  1,235 images/s  1:15 min left  epoch 2/4";
  assertEquals(written, [
    "\rBuilding ...\x1b[K",
    `\r━━━━━━━━━━━━━╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌ 45 %  ${figures}\x1b[K`,
    `\r━━━━━━━━━━━━━━━━━━━━━━━━━━━━━ 100 %  ${figures}  test 85.0 %\x1b[K`,
    "\r\x1b[K",
  ]);
});

Deno.test("80 columns show loss, accuracy, images/s and time left", async () => {
  const { progress, written } = recording(80);
  const [start] = await Array.fromAsync(fakeRun(fakeScenario()));
  progress.show(start!);
  progress.show(STEP);
  assertStringIncludes(
    written[0]!,
    "loss 0.123  accuracy 98.8 %  1,235 images/s  1:15 min left",
  );
});

Deno.test("what does not fit a narrow terminal is left out, never wrapped", async () => {
  for (const columns of [10, 40, 60, 80]) {
    for (const text of await show(columns)) {
      const line = text.replace("\r", "").replace("\x1b[K", "");
      assert(line.length < columns, `${line} in ${columns} columns`);
    }
  }
});

Deno.test("without a terminal there is a line for each tenth of the run", async () => {
  const written = await show(undefined);
  assertMatch(
    written[0]!,
    /^step 2\/40 {2}loss 1\.\d{3} {2}accuracy .* left {2}epoch 1\/4\n$/,
  );
  assertEquals(written.length, 11); // at the first step, then 10 to 100 %
  for (const text of written) assert(/^step [^\r]*\n$/.test(text), text);
});

Deno.test("a resumed run's lines go on from where it was", async () => {
  const written = await show(undefined, 20);
  assertEquals(written.length, 6); // at the first step, then 60 to 100 %
  assert(written[0]!.startsWith("step 22/40"));
});

/** Tells what it was told. */
class FakeWhole implements Whole {
  readonly label = "dvn, seed 1";
  begun: number | undefined;

  begin(part: number) {
    this.begun = part;
  }

  bar(part: number, columns: number) {
    return `${Math.round(100 * part)} % in ${columns}`;
  }
}

Deno.test("a part of a whole has its bar above, and both are cleared", async () => {
  const whole = new FakeWhole();
  const { progress, written } = recording(120, whole);
  progress.clear();
  progress.status("Building ...");
  const [start] = await Array.fromAsync(fakeRun(fakeScenario(), { firstStep: 4 }));
  progress.show(start!);
  assertEquals(whole.begun, 0.1);
  progress.status("Running ...");
  progress.show({ ...STEP, step: 20 });
  progress.clear();
  progress.status("Timing ...");
  progress.moveOn();
  progress.status("again");
  assertEquals(written.map((text) => text.replace(/━.*left/, "bar").replace("  epoch 2/4", "")), [
    "\r0 % in 120\x1b[K\nBuilding ...\x1b[K",
    "\x1b[A\r10 % in 120\x1b[K\nRunning ...\x1b[K",
    "\x1b[A\r50 % in 120\x1b[K\nbar\x1b[K",
    "\r\x1b[K\x1b[A\x1b[K",
    "\r50 % in 120\x1b[K\nTiming ...\x1b[K",
    "\r50 % in 120\x1b[K\nagain\x1b[K",
  ]);
});

Deno.test("without a terminal a part of a whole has lines only if it takes long, with its name", async () => {
  assertEquals(await show(undefined, 0, new FakeWhole()), []);
  const { progress, written } = recording(undefined, new FakeWhole());
  const [start] = await Array.fromAsync(fakeRun(fakeScenario()));
  progress.show(start!);
  for (const seconds of [29, 31, 60, 62]) progress.show({ ...STEP, seconds });
  assertEquals(written.length, 2);
  for (const line of written) assertMatch(line, /^dvn, seed 1: step 18\/40 {2}loss 0\.123 .*\n$/);
});

Deno.test("of several phases the present one is named; and which images were looked at", async () => {
  const { progress, written } = recording(200);
  const phase = { type: "phase", step: 0, bytesHeld: 1 } as const;
  const [start] = await Array.fromAsync(fakeRun(fakeScenario()));
  progress.show(start!);
  progress.show({ ...phase, name: "all", index: 1, count: 1 });
  progress.show(STEP);
  progress.show({ ...phase, name: "second", index: 2, count: 3 });
  progress.show({
    type: "evaluation",
    step: 20,
    epoch: 2,
    images: "validation",
    networks: [SCORE],
    seconds: 6,
  });
  progress.show(STEP);
  assert(!written[0]!.includes("phase"));
  assertStringIncludes(written[1]!, "epoch 2/4  validation 90.0 %  phase 2/3: second");
});
