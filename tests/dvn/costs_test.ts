import { assertAlmostEquals, assertEquals, assertThrows } from "@std/assert";
import { networkCost, trunkCost } from "../../dvn/costs.ts";
import type { BackboneSpec, Scenario, TaskSpec } from "../../dvn/scenario.ts";
import { UnitPartition } from "../../dvn/unit_partition.ts";

/** A scenario of two tasks; only what costs depend on matters here. */
function scenario(
  backbone: BackboneSpec,
  stem: Omit<Scenario["stem"], "sharing">,
  units: number,
): Scenario {
  return {
    name: "costs",
    seed: 0,
    backbone,
    stem: { ...stem, sharing: "task" },
    units,
    unitShares: "even",
    levels: new UnitPartition(units).all.map((unit) => unit + 1),
    orders: "rule",
    tasks: [{ name: "a", dataset: "digits" }, { name: "b", dataset: "digits" }],
    batchNorm: {
      affine: "private",
      statistics: "private",
      momentum: 0.9,
      epsilon: 1e-5,
    },
    training: {
      epochs: 1,
      batchSize: 1,
      learningRate: 0.1,
      momentum: 0.9,
      weightDecay: 0,
      decayAll: true,
      mixing: "sum",
      levelSampling: "all",
      lowerLevels: "labels",
      warmupSteps: 0,
      schedule: { kind: "cosine" },
      activations: "f32",
    },
    augmentation: { pad: 0, flip: false },
    normalization: "unit",
    reportedEpoch: "last",
  };
}

const wrn = (widen: number) =>
  scenario(
    { kind: "wrn", depth: 32, widen },
    { kernel: 7, channels: 16, outputSize: 32 },
    2,
  );
const resnet42 = scenario(
  { kind: "resnet", depth: 42 },
  { kernel: 7, channels: 64, outputSize: 32 },
  4,
);

// The paper prints 1.9M / 7.4M for WRN-32-4 and 1.9M / 7.5M / 16.8M / 29.8M for ResNet-42.
const PUBLISHED = {
  "WRN-32-4": { scenario: wrn(4), weights: [1_838_592, 7_345_152] },
  "WRN-32-8": { scenario: wrn(8), weights: [7_345_152, 29_362_176] },
  "ResNet-42": {
    scenario: resnet42,
    weights: [1_868_544, 7_455_744, 16_761_600, 29_786_112],
  },
};
for (const [name, { scenario, weights }] of Object.entries(PUBLISHED)) {
  Deno.test(`trunkCost() has the paper's convolution weights: ${name}`, () => {
    const { all } = new UnitPartition(scenario.units);
    weights.forEach((want, i) => {
      assertEquals(trunkCost(scenario, all.slice(0, i + 1)).parameters, want);
      // The cut is even, so any other unit costs the same.
      assertEquals(trunkCost(scenario, all.slice(-1 - i)).parameters, want);
    });
  });
}

Deno.test("networkCost(): densities of ResNet-42 are near (u / 4)^2", () => {
  const data = { channels: 3, classes: Array<string>(50).fill("") };
  for (let level = 1; level <= 4; level++) {
    const { density } = networkCost(resnet42, 1, level, data);
    assertAlmostEquals(density, (level / 4) ** 2, 0.001);
  }
  assertEquals(networkCost(resnet42, 1, 4, data).density, 1);
});

const tiny = scenario(
  { kind: "custom", widths: [5, 9], blocks: 1 },
  { kernel: 3, channels: 2, outputSize: 4 },
  2,
);

Deno.test("networkCost() by hand", () => {
  // Task b owns unit 2 of [2, 3] channels in stage 1 and [4, 5] in stage 2.
  const data = { channels: 3, classes: ["x", "y", "z"] };
  const stage1 = 9 * (2 * 3 + 3 * 3), stage2 = 9 * (3 * 5 + 5 * 5);
  const stem = 3 * 3 * 3 * 2, head = 5 * 3 + 3;
  // Stem; stage 1: bn2; stage 2: bn1, bn2; final.
  const batchNorm = 4 * (2 + 3 + 3 + 5 + 5);
  const total = stage1 + stage2 + stem + head + batchNorm;
  const full = 9 * (2 * 5 + 5 * 5 + 5 * 9 + 9 * 9);
  assertEquals(networkCost(tiny, 1, 1, data), {
    task: "b",
    level: 1,
    units: [2],
    parameters: { trunk: stage1 + stage2, stem, head, batchNorm, total },
    bytes: 4 * total,
    macs: stem * 4 * 4 + stage1 * 4 * 4 + stage2 * 2 * 2 + 5 * 3,
    density: (stage1 + stage2) / full,
  });
  const top = networkCost(tiny, 1, 2, data);
  assertEquals(top.units, [2, 1]);
  assertEquals(top.parameters.trunk, full);
  assertEquals(top.parameters.stem, stem);
});

Deno.test("networkCost() counts a task's hidden layers in its head", () => {
  const data = { channels: 3, classes: ["x", "y", "z"] };
  const [a, b] = tiny.tasks as [TaskSpec, TaskSpec];
  const deeper = { ...tiny, tasks: [a, { ...b, hidden: [7, 6] }] };
  const before = networkCost(tiny, 1, 1, data), cost = networkCost(deeper, 1, 1, data);
  const weights = 5 * 7 + 7 * 6 + 6 * 3; // 5 features
  const head = weights + (7 + 6 + 3) + (7 + 6); // biases, and scales of the hidden layers
  assertEquals(cost.parameters.head, head);
  const more = head - before.parameters.head;
  assertEquals(cost.parameters, {
    ...before.parameters,
    head,
    total: before.parameters.total + more,
  });
  assertEquals(cost.bytes, before.bytes + 4 * more);
  assertEquals(cost.macs, before.macs - 5 * 3 + weights);
  assertEquals(networkCost(deeper, 0, 1, data), networkCost(tiny, 0, 1, data));
});

Deno.test("networkCost() cuts by the units' shares, whoever shares the stem", () => {
  const data = { channels: 3, classes: ["x", "y", "z"] };
  // Task b's unit has 2 of 5 channels in stage 1 and 4 of 9 in stage 2.
  const scenario: Scenario = {
    ...tiny,
    unitShares: [0.6, 0.4],
    stem: { ...tiny.stem, sharing: "size" },
  };
  const trunk = 9 * (2 * 2 + 2 * 2) + 9 * (2 * 4 + 4 * 4);
  const { parameters, density } = networkCost(scenario, 1, 1, data);
  assertEquals(parameters.trunk, trunk);
  assertEquals(parameters.head, 4 * 3 + 3);
  assertEquals(parameters.batchNorm, 4 * (2 + 2 + 2 + 4 + 4));
  assertEquals(density, trunk / (9 * (2 * 5 + 5 * 5 + 5 * 9 + 9 * 9)));
  assertEquals(networkCost(scenario, 1, 2, data), networkCost(tiny, 1, 2, data));
});

Deno.test("networkCost() refuses a task or level that is not there", () => {
  const data = { channels: 3, classes: ["x", "y"] };
  assertThrows(
    () => networkCost(wrn(4), 2, 1, data),
    RangeError,
    "task must be in [0, 2), got 2",
  );
  assertThrows(
    () => networkCost(wrn(4), 0, 3, data),
    RangeError,
    "level must be one of task a's, 1, 2; got 3",
  );
  const [a, b] = tiny.tasks as [TaskSpec, TaskSpec];
  assertThrows(
    () => networkCost({ ...tiny, tasks: [a, { ...b, levels: [2] }] }, 1, 1, data),
    RangeError,
    "level must be one of task b's, 2; got 1",
  );
});
