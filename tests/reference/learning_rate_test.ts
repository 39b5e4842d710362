import { assertEquals } from "@std/assert";
import { assertClose } from "./assert_close.ts";
import { learningRate } from "./learning_rate.ts";

const TRAINING = {
  epochs: 4,
  batchSize: 1,
  learningRate: 0.5,
  momentum: 0.9,
  weightDecay: 0,
  decayAll: false,
  mixing: "sum" as const,
  levelSampling: "all" as const,
  lowerLevels: "labels" as const,
  warmupSteps: 0,
  schedule: { kind: "step" as const, milestones: [1, 3], factor: 0.5 },
  activations: "f32" as const,
};

/** The rate of every step of 4 epochs of 3 steps. */
const rates = (training: Parameters<typeof learningRate>[2]) =>
  Array.from({ length: 12 }, (_, step) => learningRate(step, 3, training));

Deno.test("learningRate() drops at the first step after each milestone's epoch", () => {
  const high = 0.5, middle = 0.25, low = 0.125;
  assertEquals(rates(TRAINING), [
    ...[high, high, high],
    ...[middle, middle, middle, middle, middle, middle],
    ...[low, low, low],
  ]);
});

Deno.test("learningRate() warms up from 0 to the whole rate in warmupSteps", () => {
  const warm = rates({ ...TRAINING, warmupSteps: 2 });
  assertEquals(warm.slice(0, 4), [0.25, 0.5, 0.5, 0.25]);
  const long = rates({ ...TRAINING, warmupSteps: 5 }); // over the first milestone
  assertClose(long.slice(0, 6), [0.1, 0.2, 0.3, 0.2, 0.25, 0.25], {
    rtol: 1e-12,
    atol: 0,
  });
});

Deno.test("learningRate() takes half a cosine after the warm-up", () => {
  const cosine = { ...TRAINING, schedule: { kind: "cosine" as const } };
  const want = Array.from(
    { length: 12 },
    (_, i) => 0.25 * (1 + Math.cos(Math.PI * i / 12)),
  );
  assertClose(rates(cosine), want, { rtol: 1e-12, atol: 1e-12 });
  const warm = rates({ ...cosine, warmupSteps: 4 }); // 8 steps are left
  assertClose(warm.slice(0, 5), [0.125, 0.25, 0.375, 0.5, 0.5], {
    rtol: 1e-12,
    atol: 0,
  });
  assertClose([warm[8]!], [0.25], { rtol: 1e-12, atol: 0 }); // half way
});
