import { assertEquals } from "@std/assert";
import { formatBytes, formatDuration, formatLarge, formatPercent } from "../../web/page/format.ts";
import { niceRange, niceStep } from "../../web/page/line_chart.ts";
import { readScores } from "../../web/page/run_results.ts";
import { predictOnServer } from "../../web/page/server.ts";

Deno.test("the page's figures keep three digits, at each unit's edge too", () => {
  assertEquals([0, 999, 999.4, 1000, 21_784, 999_499, 999_500, 4.25e6].map(formatBytes), [
    ...["0 B", "999 B", "999 B", "1.00 kB", "21.8 kB", "999 kB", "1.00 MB", "4.25 MB"],
  ]);
  assertEquals([71_600, 422_000, 1.27e6, 512].map(formatLarge), [
    ...["71.6 k", "422 k", "1.27 M", "512"],
  ]);
  assertEquals([0.095, 1.2, 250, 4000, 200_000, 7.3e6, Infinity].map(formatDuration), [
    ...["95.0 µs", "1.20 ms", "250 ms", "4.0 s", "3 min 20 s", "2 h 1 min", "–"],
  ]);
  assertEquals([formatPercent(0.9876), formatPercent(1, 0)], ["98.8 %", "100 %"]);
});

Deno.test("axes end at ticks of 1, 2 or 5 and cover all values", () => {
  assertEquals([0.7, 1, 3, 23, 51].map(niceStep), [1, 1, 5, 50, 100]);
  assertEquals(niceRange([0, 2.4]), { low: 0, high: 3, ticks: [0, 1, 2, 3] });
  const { low, high, ticks } = niceRange([0.961, 1]);
  assertEquals([low, high, ticks.length], [0.96, 1, 5]);
  assertEquals(niceRange([]).ticks.length > 1, true);
  assertEquals(niceRange([3, NaN]).low, 2.5);
});

Deno.test("readScores() takes the last test of each network and skips what is cut short", () => {
  const line = (images: string, level: number, accuracy: number) =>
    JSON.stringify({
      type: "evaluation",
      images,
      networks: [{ task: "a", level, loss: 1, accuracy, count: 10 }],
    });
  const text = [
    '{"type":"start"}',
    line("test", 1, 0.5),
    line("test", 2, 0.6),
    line("validation", 1, 0.9),
    line("test", 1, 0.7),
    line("test", 2, 0.8).slice(0, -20),
  ].join("\n");
  assertEquals(readScores(text).map(({ level, accuracy }) => [level, accuracy]), [
    [1, 0.7],
    [2, 0.6],
  ]);
});

Deno.test("a large picture goes to the server whole", async () => {
  const fetched = globalThis.fetch;
  let sent = "";
  globalThis.fetch = (_, options) => {
    sent = JSON.parse(options!.body as string).image.data;
    return Promise.resolve(Response.json({ level: 1, classes: [], milliseconds: 1 }));
  };
  try {
    const bytes = Uint8Array.from({ length: 3 * 300 * 300 }, (_, i) => i);
    const format = { width: 300, height: 300, channels: 3, maximum: 255 };
    await predictOnServer("run", "task", 1, { ...format, bytes });
    assertEquals(Uint8Array.fromBase64(sent), bytes);
  } finally {
    globalThis.fetch = fetched;
  }
});
