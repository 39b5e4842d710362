import { assertAlmostEquals, assertEquals } from "@std/assert";
import type { Scenario } from "../../dvn/scenario.ts";
import { learningRate } from "../../dvn/schedule.ts";
import * as reference from "../reference/learning_rate.ts";

const BASE: Scenario["training"] = {
  epochs: 4,
  batchSize: 64,
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
};
const STEP = {
  kind: "step",
  milestones: [2, 3],
  factor: 0.1,
} as const satisfies Scenario["training"]["schedule"];

const CASES: Record<string, Partial<Scenario["training"]>> = {
  "steps": { schedule: STEP },
  "steps at parts of epochs": {
    schedule: { ...STEP, milestones: [0.25, 2.5, 9] },
  },
  "steps after a warm-up": { schedule: STEP, warmupSteps: 7 },
  "steps inside a warm-up": { schedule: STEP, warmupSteps: 25 },
  "cosine": {},
  "cosine after a warm-up": { warmupSteps: 13 },
  "a warm-up as long as the run": { warmupSteps: 40 },
};
for (const [name, changes] of Object.entries(CASES)) {
  Deno.test(`learningRate() agrees with the reference: ${name}`, () => {
    const training = { ...BASE, ...changes };
    for (let step = 0; step < 40; step++) {
      assertAlmostEquals(
        learningRate(step, 10, training),
        reference.learningRate(step, 10, training),
        1e-15,
        `step ${step}`,
      );
    }
  });
}

Deno.test("learningRate() by hand: warm-up, then tenths at the milestones", () => {
  const training = { ...BASE, schedule: STEP, warmupSteps: 4 };
  const at = (step: number) => +learningRate(step, 10, training).toFixed(12);
  assertEquals([0, 1, 3, 4, 19].map(at), [0.025, 0.05, 0.1, 0.1, 0.1]);
  assertEquals([20, 29, 30, 39].map(at), [0.01, 0.01, 0.001, 0.001]);
});

Deno.test("learningRate() by hand: half a cosine", () => {
  const at = (step: number) => +learningRate(step, 10, BASE).toFixed(12);
  assertEquals([0, 20, 40, 50].map(at), [0.1, 0.05, 0, 0]);
  assertEquals(at(10), +(0.05 + 0.05 * Math.SQRT1_2).toFixed(12));
});
