import { assertEquals } from "@std/assert";
import {
  formatBytes,
  formatCount,
  formatLarge,
  formatMilliseconds,
  formatPercent,
  formatRatio,
  formatSeconds,
  plural,
} from "../../cli/format.ts";

Deno.test("formatBytes() keeps three digits, of 1000 bytes", () => {
  assertEquals(
    [0, 999, 1000, 9994, 9995, 49_380, 99_950, 999_499, 999_500, 119e6]
      .map(formatBytes),
    [
      "0 B",
      "999 B",
      "1.00 kB",
      "9.99 kB",
      "10.0 kB",
      "49.4 kB",
      "100 kB",
      "999 kB",
      "1.00 MB",
      "119 MB",
    ],
  );
});

Deno.test("formatLarge() and formatCount() differ in brevity", () => {
  assertEquals([12, 1_234_567].map(formatLarge), ["12", "1.23 M"]);
  assertEquals([12, 1_234_567].map(formatCount), ["12", "1,234,567"]);
});

Deno.test("formatMilliseconds() goes over to microseconds below 1 ms", () => {
  assertEquals(
    [0.00123, 0.0423, 0.9994, 0.9995, 12.34].map(formatMilliseconds),
    ["1.23 µs", "42.3 µs", "999 µs", "1.00 ms", "12.3 ms"],
  );
});

Deno.test("formatSeconds() never prints 60 of anything", () => {
  assertEquals(
    [0, 4.2, 9.96, 59.4, 59.6, 75, 3599, 3600, 5400].map(formatSeconds),
    [
      "0.0 s",
      "4.2 s",
      "10 s",
      "59 s",
      "1:00 min",
      "1:15 min",
      "1:00 h",
      "1:00 h",
      "1:30 h",
    ],
  );
});

Deno.test("formatPercent(), formatRatio() and plural()", () => {
  assertEquals([0, 0.93116, 1].map(formatPercent), [
    "0.0 %",
    "93.1 %",
    "100.0 %",
  ]);
  assertEquals([1, 2.34, 16.2].map(formatRatio), ["1.0x", "2.3x", "16x"]);
  assertEquals(plural(1, "class", "classes"), "1 class");
  assertEquals(plural(2000, "image"), "2,000 images");
});
