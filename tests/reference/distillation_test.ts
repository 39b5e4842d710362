import { assert } from "@std/assert";
import { assertClose } from "./assert_close.ts";
import { distillation, distillationGrad } from "./distillation.ts";
import { assertGradient } from "./numerical_grad.ts";
import { random } from "./random.ts";
import { softmaxCrossEntropy } from "./softmax_cross_entropy.ts";

const ROUNDING = { rtol: 1e-12, atol: 1e-12 };

const CASES = [
  { shape: [1, 1], temperature: 2, weight: 1 },
  { shape: [3, 5], temperature: 1, weight: 1 },
  { shape: [4, 3], temperature: 2, weight: 0.5 },
  { shape: [2, 10], temperature: 0.5, weight: 3 },
] as const;
for (const { shape, temperature, weight } of CASES) {
  Deno.test(`distillationGrad() agrees with differences for [${shape}], T = ${temperature}`, () => {
    const logits = random(shape, 1).map((value) => 4 * value);
    const teacher = random(shape, 2).map((value) => 4 * value);
    const mean = (logits: Float64Array) =>
      distillation(logits, teacher, shape, temperature).reduce((a, b) => a + b) / shape[0];
    assertGradient(
      distillationGrad(logits, teacher, shape, temperature, weight),
      (logits) => weight * mean(logits),
      logits,
    );
  });
}

Deno.test("distillation() from a certain teacher is the cross-entropy at T = 1", () => {
  const logits = random([3, 4], 1), labels = [2, 0, 3];
  const teacher = new Float64Array(12).map((_, i) => i % 4 === labels[Math.floor(i / 4)] ? 1e3 : 0);
  assertClose(
    distillation(logits, teacher, [3, 4], 1),
    softmaxCrossEntropy(logits, [3, 4], labels).loss,
    ROUNDING,
  );
});

Deno.test("distillation() agrees with a row worked by hand, without a factor of T^2", () => {
  // At T = 2: p = softmax(0, log 3) = 1/4, 3/4 and q = softmax(0, 0) = 1/2, 1/2.
  const teacher = Float64Array.of(0, 2 * Math.log(3)),
    logits = Float64Array.of(1, 1);
  assertClose(
    distillation(logits, teacher, [1, 2], 2),
    [Math.log(2)],
    ROUNDING,
  );
  assertClose(
    distillationGrad(logits, teacher, [1, 2], 2),
    [1 / 8, -1 / 8],
    ROUNDING,
  );
});

Deno.test("distillation() is least where the networks agree", () => {
  const teacher = random([2, 5], 1);
  assertClose(
    distillationGrad(teacher, teacher, [2, 5], 2),
    new Float64Array(10),
    ROUNDING,
  );
  const own = distillation(teacher, teacher, [2, 5], 2);
  const other = distillation(random([2, 5], 2), teacher, [2, 5], 2);
  assert(other.every((loss, row) => loss > own[row]!));
});
