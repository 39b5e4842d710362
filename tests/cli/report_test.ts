import { assert, assertEquals, assertNotMatch, assertStringIncludes } from "@std/assert";
import { renderReport } from "../../cli/report.ts";
import { renderChart } from "../../cli/report/chart.ts";
import { Html, markup } from "../../cli/report/html.ts";
import { renderUnits } from "../../cli/report/unit_picture.ts";
import { type RunLine, type RunRecord, sortLines, testScore } from "../../cli/run_record.ts";
import { fakeCosts, fakeRun, fakeScenario, fakeTasks } from "./fake_run.ts";

const NAMES = ["low", '<b>high</b> & "all"'];

async function fakeRecord(
  scenario = fakeScenario(NAMES),
  options: { sequential?: boolean } = {},
): Promise<RunRecord> {
  const lines: RunLine[] = [];
  const time = "2000-01-02T03:04:05.678Z";
  for await (const event of fakeRun(scenario, options)) {
    if (event.type === "start") {
      const tasks = fakeTasks(scenario);
      lines.push({ ...event, title: "made-up-seed7", time, tasks });
    } else if (event.type === "end") {
      for (const cost of fakeCosts(scenario)) {
        lines.push({
          type: "result",
          step: event.step,
          ...cost,
          accuracy: 0.91,
          loss: 0.3,
          msPerImage: 0.012,
          timeSource: "timestamp-query",
          batch: 32,
          speedUp: 1.5,
        });
      }
      lines.push({ ...event, time });
    } else if (event.type !== "epoch" && event.type !== "checkpoint") {
      lines.push(event);
    }
  }
  return sortLines(lines);
}

/** Names of elements that are opened but not closed, or the other way round. */
function unbalanced(text: string): string[] {
  const open: string[] = [];
  const empty = /^(!DOCTYPE|meta|path|rect)$/;
  for (
    const [, close, name, self] of text.matchAll(/<(\/?)([!\w]+)[^>]*?(\/?)>/g)
  ) {
    if (self || empty.test(name!)) continue;
    if (!close) open.push(name!);
    else if (open.pop() !== name) return [`/${name}`];
  }
  return open;
}

Deno.test("the report holds everything and fetches nothing", async () => {
  const html = renderReport(await fakeRecord());
  assert(html.startsWith('<!DOCTYPE html>\n<html lang="en">'));
  assertEquals(unbalanced(html), []);
  assertNotMatch(html, /https?:|<script|<link|<img|@import|url\(/);
  for (
    const text of [
      "made-up-seed7",
      "Nobody was trained for this. 4 networks for 2 tasks",
      "<h2>Results</h2>",
      "Accuracy against memory",
      "Accuracy by level",
      "Test accuracy over the epochs",
      "Training loss",
      "Units and levels",
      "made-up adapter, software; timestamp-query",
      "<dt>Seed</dt><dd>7</dd>",
      "2000-01-02 03:04 UTC",
      "4 epochs, 40 steps",
      "prefers-color-scheme: dark",
    ]
  ) assertStringIncludes(html, text);
  assertNotMatch(html, /NaN|undefined|Infinity|\[object/);
});

Deno.test("the report escapes names", async () => {
  const html = renderReport(await fakeRecord());
  assert(!html.includes("<b>high"));
  assertStringIncludes(html, "&#60;b&#62;high&#60;/b&#62; &#38; &#34;all&#34;");
});

Deno.test("the report can be made at any stage of a run", async () => {
  const whole = await fakeRecord();
  const { start } = whole;
  const none = { resumes: [], phases: [], steps: [], evaluations: [], results: [] };
  const begun = renderReport({ start, ...none });
  assertStringIncludes(
    begun,
    "Not finished: this was written after 0 of 40 steps.",
  );
  assert(!begun.includes("<h2>Results</h2>"));

  const end = { ...whole.end!, step: 14, interrupted: true };
  const halfway = renderReport({
    ...whole,
    results: [],
    steps: whole.steps.slice(0, 7),
    evaluations: whole.evaluations.slice(0, 1),
    resumes: [{
      type: "resume",
      step: 5,
      time: "2000-01-03T00:00:00Z",
      adapter: "another",
    }],
    end,
  });
  assertStringIncludes(halfway, "Interrupted after 14 of 40 steps.");
  assertStringIncludes(
    halfway,
    "2000-01-03 00:00 UTC, after step 5, on another",
  );
  for (const html of [begun, halfway]) {
    assertEquals(unbalanced(html), []);
    assertNotMatch(html, /NaN|undefined|Infinity/);
  }
});

Deno.test("tasks may have some levels only, or one", async () => {
  const scenario = fakeScenario(["low", "high", "third"]);
  scenario.tasks[0]!.levels = [2];
  scenario.tasks[1]!.levels = [1, 3];
  const html = renderReport(await fakeRecord(scenario));
  assertEquals(unbalanced(html), []);
  assertNotMatch(html, /NaN|undefined|Infinity/);
  assertStringIncludes(html, "6 networks for 3 tasks");
  assertStringIncludes(html, "Lowest level, mean test accuracy");
  // The only level of a task is its top one: a full line in the task's colour.
  const first = /<figure>\n<h3>low<\/h3>[\s\S]*?<\/figure>/.exec(html)![0];
  assertStringIncludes(first, "level 2");
  assertNotMatch(first, /color-mix|dasharray="\d/);

  for (const task of scenario.tasks) task.levels = [1];
  const flat = renderReport(await fakeRecord(scenario));
  assertNotMatch(flat, /NaN|undefined|Infinity/);
  assertStringIncludes(flat, "Mean test accuracy");
  assertNotMatch(flat, /[Ll]evel, mean/);
});

Deno.test("a task that comes later is left out until then, and keeps its last score", async () => {
  const record = await fakeRecord(fakeScenario(["low", "high"]), { sequential: true });
  assertEquals(record.phases.map(({ name, step }) => [name, step]), [["low", 0], ["high", 20]]);
  assertEquals(record.evaluations[0]!.networks.map(({ task }) => task), ["low", "low"]);
  const html = renderReport(record);
  assertStringIncludes(html, "low from step 0, high from step 20");
  // All tasks on the same epochs.
  const curves = html.slice(html.indexOf("over the epochs"), html.indexOf("Training loss"));
  for (const [chart] of curves.matchAll(/<figure>[\s\S]*?<\/figure>/g)) {
    const ticks = Array.from(
      chart.matchAll(/class="tick middle"[^>]*>(\d+)</g),
      ([, epoch]) => epoch,
    );
    assertEquals(ticks, ["1", "2", "3", "4"]);
  }
  const early = renderReport({ ...record, evaluations: record.evaluations.slice(0, 2) });
  for (const text of [html, early]) {
    assertEquals(unbalanced(text), []);
    assertNotMatch(text, /NaN|undefined|Infinity/);
  }
  const [low] = record.evaluations[1]!.networks;
  assertEquals(
    testScore({ ...record, evaluations: record.evaluations.slice(0, 2) }, "low", 1),
    low,
  );
  assertEquals(
    testScore({ ...record, evaluations: record.evaluations.slice(0, 2) }, "high", 1),
    undefined,
  );
});

Deno.test("accuracy on held-out images is not that on the test images", async () => {
  const record = await fakeRecord();
  const { evaluations } = record;
  const held = evaluations.map((evaluation) => ({ ...evaluation, images: "validation" as const }));
  const until = { ...record, evaluations: held };
  assertEquals(testScore(until, "low", 1), undefined);
  const halfway = renderReport(until);
  assertStringIncludes(halfway, "on held-out images");
  assertNotMatch(halfway, /Accuracy against memory|over the epochs<|NaN|undefined/);
  const test = {
    ...evaluations.at(-1)!,
    networks: evaluations.at(-1)!.networks.map((score) => ({ ...score, accuracy: 0.4321 })),
  };
  const html = renderReport({ ...record, evaluations: [...held, test] });
  assertEquals(testScore({ ...record, evaluations: [...held, test] }, "low", 1)!.accuracy, 0.4321);
  assertStringIncludes(html, "Accuracy against memory");
  assertStringIncludes(html, "<dd>43.2 %");
  const curves = html.slice(html.indexOf("on held-out images"), html.indexOf("Training loss"));
  assertNotMatch(curves, /43\.2/);
});

Deno.test("markup escapes values but not its own text, nor other markup", () => {
  const part = markup`<i>${"<&>"}</i>`;
  assertEquals(
    markup`<p class="${'"'}">${part}${[1, "'"]}${undefined}</p>`.text,
    '<p class="&#34;"><i>&#60;&#38;&#62;</i>1&#39;</p>',
  );
  assertEquals(new Html("<b>").text, "<b>");
});

/** Numbers of an attribute in all elements of a class. */
function numbers(svg: string, pattern: RegExp): number[] {
  return Array.from(svg.matchAll(pattern), ([, number]) => Number(number));
}

Deno.test("a chart puts points where its axes say", () => {
  const { text } = renderChart({
    description: "a line",
    x: { label: "x", format: String, include: [0, 10] },
    y: { label: "y", format: String, include: [0, 100] },
    series: [{
      name: "s",
      color: "red",
      marker: "square",
      points: [{ x: 0, y: 0 }, { x: 5, y: 50 }, { x: 10, y: 100 }],
    }],
  });
  const path = /class="line"[^>]* d="M(\S+) (\S+)L(\S+) (\S+)L(\S+) (\S+)"/
    .exec(text)!.slice(1).map(Number);
  const [x0, y0, x1, y1, x2, y2] = path as [
    number,
    number,
    number,
    number,
    number,
    number,
  ];
  assertEquals([x1, y1], [(x0 + x2) / 2, (y0 + y2) / 2]);
  assert(x0 < x2 && y0 > y2, "right and up are more");
  // The tick of 10 stands under the last point, that of 100 beside it.
  const tick = (label: string) =>
    new RegExp(`class="tick[^>]* x="([^"]+)" y="([^"]+)"[^>]*>${label}<`)
      .exec(text)!.slice(1).map(Number);
  assertEquals(tick("10")[0], x2);
  assertEquals(tick("100")[1], y2);
});

Deno.test("labels at the ends of lines do not overlap nor leave the chart", () => {
  const levels = [0.991, 0.99, 0.989, 0.2, 0.199];
  const { text } = renderChart({
    description: "",
    x: { label: "", format: String },
    y: { label: "", format: String },
    series: levels.map((y, i) => ({
      name: `${i}`,
      label: `level ${i}`,
      color: "red",
      points: [{ x: 0, y: 0.5 }, { x: 1, y }],
    })),
  });
  const heights = numbers(text, /class="end"[^>]* y="([^"]+)"/g);
  assertEquals(heights.length, 5);
  const sorted = heights.toSorted((a, b) => a - b);
  for (let i = 1; i < 5; i++) assert(sorted[i]! - sorted[i - 1]! >= 12.9);
  assertEquals(heights, sorted, "in the order of the lines");
  assert(sorted[0]! >= 10 && sorted[4]! <= 264 - 44);
});

Deno.test("a logarithmic axis has ticks in equal ratios", () => {
  const { text } = renderChart({
    description: "",
    x: { label: "", format: String },
    y: { label: "", format: String, log: true },
    series: [{
      name: "s",
      color: "red",
      points: [{ x: 0, y: 0.01 }, { x: 1, y: 1 }],
    }],
  });
  const heights = numbers(text, /class="tick right"[^>]* y="([^"]+)"/g);
  const labels = Array.from(
    text.matchAll(/class="tick right"[^>]*>([^<]+)</g),
    ([, label]) => Number(label),
  );
  assertEquals(labels, [0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1]);
  const [a, , , b, , , c] = heights;
  assert(Math.abs((a! - b!) - (b! - c!)) < 0.2);
});

Deno.test("a chart of nothing, one point or one value is still a chart", () => {
  for (const log of [false, true]) {
    for (
      const points of [[], [{ x: 3, y: 2 }], [{ x: 3, y: 2 }, { x: 4, y: 2 }]]
    ) {
      const { text } = renderChart({
        description: "",
        x: { label: "", format: String, whole: true },
        y: { label: "", format: String, log },
        series: [{ name: "", label: "end", color: "red", points }],
      });
      assertNotMatch(text, /NaN|undefined|Infinity/);
    }
  }
});

Deno.test("the picture of units marks the blocks that each level computes", () => {
  const levels = fakeCosts(fakeScenario(["a", "b", "c"])).slice(3, 6);
  assertEquals(levels.map(({ units }) => units), [[2], [2, 1], [2, 1, 3]]);
  const { text } = renderUnits(levels, 3, "red");
  const blocks = Array.from(
    text.matchAll(/<title>from unit (\d) to unit (\d): (\w+)/g),
    ([, from, to, state]) => `${from}${to} ${state}`,
  );
  assertEquals(blocks.length, 3 * 9);
  const of = (level: number, state: string) =>
    blocks.slice(9 * level, 9 * level + 9).filter((block) => block.endsWith(state))
      .map((block) => block.slice(0, 2)).sort().join(" ");
  assertEquals(of(0, "joins"), "22");
  assertEquals([of(1, "kept"), of(1, "joins")], ["22", "11 12 21"]);
  assertEquals(of(1, "unused"), "13 23 31 32 33");
  assertEquals(of(2, "kept"), "11 12 21 22");
  assertEquals(of(2, "joins"), "13 23 31 32 33");
  assertStringIncludes(text, "Units join in the order 2, 1, 3.");
});
