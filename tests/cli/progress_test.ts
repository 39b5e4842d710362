import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { Progress } from "../../cli/progress.ts";
import type { TrainEvent } from "../../dvn/events.ts";
import { fakeRun, fakeScenario } from "./fake_run.ts";

function recording(columns: number | undefined) {
  const written: string[] = [];
  const progress = new Progress({
    write: (text) => written.push(text),
    columns: () => columns,
  });
  return { progress, written };
}

async function show(columns: number | undefined, firstStep = 0) {
  const { progress, written } = recording(columns);
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
