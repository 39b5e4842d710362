import { stripVTControlCharacters } from "node:util";
import { assert, assertEquals, assertMatch } from "@std/assert";
import { formatBytes } from "../../cli/format.ts";
import type { ProgressOutput } from "../../cli/progress.ts";
import { WorkProgress } from "../../cli/work_progress.ts";

/** Shows amounts at times, and gives what was written. */
function shown(
  columns: number | undefined,
  steps: [seconds: number, done: number][],
): { texts: string[]; progress: WorkProgress } {
  const texts: string[] = [];
  const output: ProgressOutput = {
    write: (text) => texts.push(text),
    columns: () => columns,
  };
  let clock = 0;
  const progress = new WorkProgress(1e6, formatBytes, output, () => clock);
  for (const [seconds, done] of steps) {
    clock = seconds;
    progress.show(done);
  }
  return { texts, progress };
}

Deno.test("in a terminal, progress is a bar with amount, rate and time left", () => {
  const { texts, progress } = shown(100, [[0, 0], [10, 250_000]]);
  assertEquals(texts[0], `\r${"╌".repeat(30)} 0 %  0 B of 1.00 MB\x1b[K`);
  const bar = "━".repeat(7) + "╌".repeat(23);
  assertEquals(
    texts[1],
    `\r${bar} 25 %  250 kB of 1.00 MB  25.0 kB/s  30 s left\x1b[K`,
  );
  progress.clear();
  progress.clear();
  assertEquals(texts.slice(2), ["\r\x1b[K"]);
});

Deno.test("a bar is not drawn more often than can be seen, nor wider than the terminal", () => {
  const steps = Array.from(
    { length: 1001 },
    (_, i): [number, number] => [i / 1000, i * 1000],
  );
  const { texts } = shown(40, steps);
  assert(texts.length >= 9 && texts.length <= 11, `${texts.length}`);
  for (const text of texts) {
    const line = stripVTControlCharacters(text).trimStart();
    assert(line.length < 40, line);
  }
});

Deno.test("without a terminal, there is a line at each tenth, or each half minute", () => {
  const { texts, progress } = shown(undefined, [
    ...[[0, 0], [1, 50_000], [2, 99_000], [3, 110_000], [4, 150_000]],
    ...[[33.5, 160_000], [64, 170_000], [70, 900_000], [71, 1_000_000]],
  ] as [number, number][]);
  assertEquals(texts.map((text) => text.split("  ")[0]), [
    "11 %",
    "16 %",
    "17 %",
    "90 %",
    "100 %",
  ]);
  assertEquals(
    texts[0],
    "11 %  110 kB of 1.00 MB  36.7 kB/s  24 s left\n",
  );
  progress.clear();
  assertEquals(texts.length, 5);
});

Deno.test("without a terminal, work of a second brings no line", () => {
  const steps = Array.from(
    { length: 100 },
    (_, i): [number, number] => [i / 100, i * 10_000],
  );
  assertEquals(shown(undefined, steps).texts, []);
});

Deno.test("the rate leaves out what was there before, also after a new beginning", () => {
  const resumed = shown(100, [[5, 800_000], [6, 900_000]]);
  assertMatch(resumed.texts[1]!, /100 kB\/s {2}1.0 s left/);
  const again = shown(100, [[0, 500_000], [1, 0], [2, 10_000]]);
  assertMatch(again.texts[2]!, / 1 % {2}10.0 kB of 1.00 MB {2}10.0 kB\/s/);
});
