import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { Progress } from "../../cli/progress.ts";
import { RunFolder } from "../../cli/run_folder.ts";
import { RunRecorder } from "../../cli/run_recorder.ts";
import { isComplete, type ResultRow, type RunLine, sortLines } from "../../cli/run_record.ts";
import type { TrainEvent } from "../../dvn/events.ts";
import { fakeCosts, fakeRun, fakeScenario, fakeTasks } from "./fake_run.ts";

const SCENARIO = fakeScenario();
const ABOUT = { title: "made up", tasks: fakeTasks(SCENARIO) };
const SILENT = new Progress({ write: () => {}, columns: () => undefined });
const ROWS: ResultRow[] = fakeCosts(SCENARIO).map((cost) => ({
  ...cost,
  accuracy: 0.9,
  loss: 0.3,
  msPerImage: 1,
  timeSource: "wall clock",
  batch: 32,
  speedUp: 1,
}));

/** Follows a run to its end and writes what the command would. */
async function record(
  folder: RunFolder,
  events: AsyncIterable<TrainEvent>,
  lines?: RunLine[],
) {
  const recorder = new RunRecorder(folder, ABOUT, SILENT, lines);
  const end = await recorder.follow(events, () => {});
  await recorder.finish(end, end.interrupted ? [] : ROWS);
  return recorder;
}

/** Aborts once the run has done some steps. */
async function* abortAfter(
  steps: number,
  controller: AbortController,
  events: AsyncIterable<TrainEvent>,
): AsyncIterable<TrainEvent> {
  for await (const event of events) {
    if ("step" in event && event.step >= steps) controller.abort();
    yield event;
  }
}

/** Without what the clock says, and without the note that there was a break. */
function timeless(lines: RunLine[]) {
  return lines.filter(({ type }) => type !== "resume").map((line) => ({
    ...line,
    time: "",
    seconds: 0,
    secondsLeft: 0,
  }));
}

async function inTemporaryFolder(test: (path: string) => Promise<void>) {
  const path = await Deno.makeTempDir();
  try {
    await test(path);
  } finally {
    await Deno.remove(path, { recursive: true });
  }
}

Deno.test("a run's folder holds its checkpoint, lines and report", () =>
  inTemporaryFolder(async (path) => {
    const folder = await RunFolder.create(path, "a", true);
    await folder.writeScenario(SCENARIO);
    const recorder = await record(folder, fakeRun(SCENARIO));
    assert(isComplete(recorder.record));
    const { weights, state } = await folder.readCheckpoint();
    assertEquals(new TextDecoder().decode(weights), "weights after 40");
    assertEquals(new TextDecoder().decode(state), "state after 40");
    const lines = await (await RunFolder.open(folder.path)).readLines();
    assertEquals(sortLines(lines), recorder.record);
    assertEquals(lines.map(({ type }) => type).filter((t) => t !== "step"), [
      "start",
      "phase",
      ...Array(4).fill("evaluation"),
      ...Array(4).fill("result"),
      "end",
    ]);
    const html = await Deno.readTextFile(folder.reportPath);
    assertStringIncludes(html, "<h2>Results</h2>");
  }));

/** Steps after which a run of two phases is broken off: within each, and between. */
for (const after of [13, 20, 33]) {
  Deno.test(`a run resumed after step ${after} has an unbroken one's lines`, () =>
    testResumed(after));
}

const testResumed = (after: number) =>
  inTemporaryFolder(async (path) => {
    const sequential = true;
    const whole = await RunFolder.create(path, "whole", true);
    await record(whole, fakeRun(SCENARIO, { sequential }));

    const broken = await RunFolder.create(path, "broken", true);
    await broken.writeScenario(SCENARIO);
    const controller = new AbortController();
    const events = fakeRun(SCENARIO, { signal: controller.signal, sequential });
    const first = await record(broken, abortAfter(after, controller, events));
    assertEquals(first.record.end?.interrupted, true);
    const stopped = first.record.end!.step;
    assertEquals(
      new TextDecoder().decode((await broken.readCheckpoint()).weights),
      `weights after ${stopped}`,
    );

    const again = await RunFolder.open(broken.path);
    const second = await record(
      again,
      fakeRun(SCENARIO, { firstStep: stopped, sequential }),
      await again.readLines(),
    );
    assertEquals(second.record.resumes.map(({ step }) => step), [stopped]);
    assertEquals(
      timeless(await again.readLines()),
      timeless(await whole.readLines()),
    );
    // Its clock goes on, too.
    assertEquals(second.record.end!.seconds.toFixed(2), "0.40");
  });

Deno.test("a run that was killed drops what came after its checkpoint", () =>
  inTemporaryFolder(async (path) => {
    const whole = await RunFolder.create(path, "whole", true);
    await record(whole, fakeRun(SCENARIO));

    // Killed at step 28; its last checkpoint is of step 20.
    const killed = await RunFolder.create(path, "killed", true);
    await killed.writeScenario(SCENARIO);
    const recorder = new RunRecorder(killed, ABOUT, SILENT);
    const firstPart = async function* () {
      for await (const event of fakeRun(SCENARIO)) {
        yield event;
        if (event.type === "step" && event.step === 28) {
          throw new Error("killed");
        }
      }
    };
    await recorder.follow(firstPart(), () => {}).catch(() => {});
    const again = await RunFolder.open(killed.path);
    const lines = await again.readLines();
    assertEquals(sortLines(lines).steps.at(-1)!.step, 28);
    await record(again, fakeRun(SCENARIO, { firstStep: 20 }), lines);
    assertEquals(
      timeless(await again.readLines()),
      timeless(await whole.readLines()),
    );
  }));

Deno.test("the start is told once it is written", () =>
  inTemporaryFolder(async (path) => {
    const folder = await RunFolder.create(path, "a", true);
    const recorder = new RunRecorder(folder, ABOUT, SILENT);
    const told: string[] = [];
    await recorder.follow(fakeRun(SCENARIO), ({ start }) => {
      told.push(`${start.title}: ${start.steps} steps`);
    });
    assertEquals(told, ["made up: 40 steps"]);
  }));
