import { assertEquals, assertThrows } from "@std/assert";
import {
  byteSize,
  COMMON_FLAGS,
  describeFlags,
  type Flag,
  parseCommandLine,
  UsageError,
  wholeNumber,
} from "../../cli/args.ts";

const FLAGS = {
  seed: { value: "N", help: "a seed" },
  epochs: { value: "N", help: "passes" },
  json: { help: "print JSON" },
  ...COMMON_FLAGS,
} as const satisfies Record<string, Flag>;

function complaint(run: () => unknown): string {
  return (assertThrows(run, UsageError) as UsageError).message;
}

Deno.test("parseCommandLine() splits flags from operands, in any order", () => {
  const { flags, operands } = parseCommandLine(
    ["a.json", "--seed", "3", "--json", "12", "--epochs=4"],
    FLAGS,
  );
  assertEquals([flags.seed, flags.epochs, flags.json], ["3", "4", true]);
  assertEquals([flags.help, flags.debug], [false, false]);
  assertEquals(operands, ["a.json", "12"]);
});

Deno.test("parseCommandLine() leaves flags that are not given undefined", () => {
  assertEquals(parseCommandLine([], FLAGS).flags.seed, undefined);
});

Deno.test("parseCommandLine() takes -h for --help and skips npm's first --", () => {
  assertEquals(parseCommandLine(["-h"], FLAGS).flags.help, true);
  const { flags } = parseCommandLine(["--", "--seed", "3"], FLAGS);
  assertEquals(flags.seed, "3");
});

Deno.test("parseCommandLine() keeps the digits of an operand", () => {
  assertEquals(parseCommandLine(["007"], FLAGS).operands, ["007"]);
});

const BAD_LINES: [string[], string][] = [
  [["--sed", "3"], "--sed is not a flag of this command; did you mean --seed?"],
  [
    ["--epoch=3"],
    "--epoch is not a flag of this command; did you mean --epochs?",
  ],
  [["--quux"], "--quux is not a flag of this command; --help lists them"],
  [["-x"], "-x is not a flag of this command; --help lists them"],
  [
    ["--no-seed"],
    "--no-seed is not a flag of this command; did you mean --seed?",
  ],
  [["--seed"], "--seed needs a value: --seed N"],
  [["--seed", "--json"], "--seed needs a value: --seed N"],
  [["--seed="], "--seed needs a value: --seed N"],
];
for (const [line, message] of BAD_LINES) {
  Deno.test(`parseCommandLine() refuses ${line.join(" ")}`, () => {
    assertEquals(complaint(() => parseCommandLine(line, FLAGS)), message);
  });
}

Deno.test("a negative number is a value, so that the message is about it", () => {
  const { flags } = parseCommandLine(["--seed", "-1"], FLAGS);
  assertEquals(flags.seed, "-1");
});

Deno.test("wholeNumber() reads whole numbers from the least on", () => {
  assertEquals(wholeNumber("seed", "0", 0), 0);
  assertEquals(wholeNumber("epochs", "40", 1), 40);
  for (
    const text of ["-1", "1.5", "1e3", "abc", "", " 1", "99999999999999999"]
  ) {
    assertEquals(
      complaint(() => wholeNumber("seed", text, 0)),
      `--seed must be a whole number, 0 or more; got "${text}"`,
    );
  }
  assertThrows(() => wholeNumber("epochs", "0", 1), UsageError, "1 or more");
});

Deno.test("byteSize() reads sizes in units of 1000 and of 1024", () => {
  const sizes: [string, number][] = [
    ["40960", 40960],
    ["40KB", 40_000],
    ["40 kB", 40_000],
    ["40kb", 40_000],
    ["64KiB", 65_536],
    ["1.5MB", 1_500_000],
    [".5 MiB", 524_288],
    ["2GB", 2e9],
    ["10B", 10],
    ["1.0005kB", 1000],
  ];
  for (const [text, bytes] of sizes) {
    assertEquals(byteSize("budget", text), bytes, text);
  }
  for (const text of ["", "KB", "40K", "40 XB", "-40KB", "0", "0.1B", "1e3"]) {
    const message = complaint(() => byteSize("budget", text));
    assertEquals(message.startsWith("--budget must be a size such as"), true);
    assertEquals(message.endsWith(`got "${text}"`), true);
  }
});

Deno.test("describeFlags() aligns the help, also over several lines", () => {
  assertEquals(
    describeFlags({ a: { value: "N", help: "one\ntwo" }, long: { help: "x" } }),
    "  --a N   one\n          two\n  --long  x",
  );
});
