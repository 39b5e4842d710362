import { assert, assertAlmostEquals, assertEquals, assertNotEquals } from "@std/assert";
import {
  augmentOnCpu,
  crops,
  hash,
  IMAGE,
  images,
  initialValues,
  macs,
  PAD,
  parametersOf,
  trainingFlops,
  uniform,
  WHOLE,
  wrn16,
  WRN_32_4,
} from "../../bench/wrn.ts";
import { networkCost } from "../../dvn/costs.ts";
import { j1 } from "../../dvn/scenarios/j1.ts";

Deno.test("the benchmark's WRN-32-4 has the cost of J1's full network", () => {
  const { macs: want, parameters } = networkCost(j1, 0, 2, {
    channels: 3,
    classes: Array.from({ length: 10 }, String),
  });
  assertEquals(macs(WRN_32_4), want);
  assertEquals(trainingFlops(WRN_32_4, 32), 6 * 32 * want);
  const weights = parametersOf(WRN_32_4).filter(({ kind, name }) => {
    return kind === "conv" && name !== "stem.conv";
  });
  const count = weights.reduce((total, { shape }) => total + shape.reduce((a, b) => a * b), 0);
  assertEquals(count, parameters.trunk);
});

Deno.test("parametersOf() has no first batch norm in the block that reads the stem", () => {
  const names = parametersOf(wrn16(1)).map(({ name }) => name);
  assertEquals(names.slice(0, 5), [
    "stem.conv",
    "stem.bn",
    "stage1.block1.conv1",
    "stage1.block1.bn2",
    "stage1.block1.conv2",
  ]);
  assert(names.includes("stage2.block1.bn1"));
  assertEquals(names.slice(-3), ["final.bn", "head.weight", "head.bias"]);
  assertEquals(names.length, 13 + 13 + 2);
});

Deno.test("hash() gives the numbers that pytorch.py gives", () => {
  // Printed by its hashes(seed, count).
  assertEquals([0, 1, 2].map((i) => hash(7, i)), [3699062615, 3828527800, 334688419]);
});

Deno.test("uniform() fills [-1, 1) evenly", () => {
  const values = uniform(3, 10_000);
  assertAlmostEquals(values.reduce((a, b) => a + b) / values.length, 0, 0.03);
  assertAlmostEquals(values.reduce((a, b) => a + b * b) / values.length, 1 / 3, 0.02);
  assert(values.every((value) => value >= -1 && value < 1));
  assertNotEquals(uniform(4, 3), uniform(3, 3));
});

Deno.test("initialValues() keeps Xavier's limits", () => {
  const conv = { name: "c", kind: "conv", shape: [3, 3, 16, 32] } as const;
  const limit = Math.sqrt(6 / (9 * 16 + 9 * 32));
  const most = Math.max(...initialValues(conv, 0).map(Math.abs));
  assert(most <= limit && most > 0.99 * limit);
  const norm = { name: "n", kind: "batchNorm", shape: [2, 2] } as const;
  assertEquals(initialValues(norm, 1), new Float32Array([1, 1, 0, 0]));
});

Deno.test("augmentOnCpu() crops, mirrors and leaves zeros outside", () => {
  const { size, channels } = IMAGE;
  const bytes = new Uint8Array(size * size * channels);
  const at = (x: number, y: number) => (y * size + x) * channels;
  bytes[at(5, 7)] = 255;
  const lit = (dx: number, dy: number, mirror: boolean) => {
    const result = augmentOnCpu(bytes, [{ dx, dy, mirror }]);
    return [...result].flatMap((value, i) => value ? [[i, value]] : []);
  };
  assertEquals(lit(0, 0, false), [[at(5, 7), 1]]);
  assertEquals(lit(2, -3, false), [[at(3, 10), 1]]);
  assertEquals(lit(-4, 4, false), [[at(9, 3), 1]]);
  assertEquals(lit(2, 0, true), [[at(size - 1 - 3, 7), 1]]);
  const bright = new Uint8Array(bytes.length).fill(255);
  const shifted = augmentOnCpu(bright, [{ dx: 3, dy: -2, mirror: false }]);
  assertEquals(shifted.filter((value) => value === 0).length, bytes.length - 29 * 30 * 3);
  assertEquals(augmentOnCpu(bright, [WHOLE]), new Float32Array(bytes.length).fill(1));
});

Deno.test("crops() stay within the padding and differ from step to step", () => {
  const moves = [0, 1, 2, 3].flatMap((step) => crops(step, 64));
  for (const axis of ["dx", "dy"] as const) {
    const offsets = moves.map((move) => move[axis]);
    assertEquals([Math.min(...offsets), Math.max(...offsets)], [-PAD, PAD]);
  }
  const mirrored = moves.filter(({ mirror }) => mirror).length;
  assert(mirrored > 96 && mirrored < 160);
  assertNotEquals(crops(0, 8), crops(1, 8));
});

Deno.test("images() of a class are alike", () => {
  const { bytes, labels } = images(6, 3);
  assertEquals([...labels], [0, 1, 2, 0, 1, 2]);
  const length = bytes.length / 6;
  const distance = (a: number, b: number) => {
    let sum = 0;
    for (let i = 0; i < length; i++) {
      sum += Math.abs(bytes[a * length + i]! - bytes[b * length + i]!);
    }
    return sum / length;
  };
  assert(distance(0, 3) < 0.8 * distance(0, 1));
});
