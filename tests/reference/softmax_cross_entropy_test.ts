import { assertEquals, assertThrows } from "@std/assert";
import { assertClose } from "./assert_close.ts";
import { assertGradient } from "./numerical_grad.ts";
import { random } from "./random.ts";
import { softmax, softmaxCrossEntropy, softmaxCrossEntropyGrad } from "./softmax_cross_entropy.ts";

const ROUNDING = { rtol: 1e-12, atol: 1e-12 };

const CASES = [[1, 1], [1, 2], [3, 5], [7, 10]] as const;
for (const shape of CASES) {
  for (const weight of [1, 0.25]) {
    Deno.test(`softmaxCrossEntropyGrad() agrees with differences for [${shape}], weight ${weight}`, () => {
      const [n, m] = shape;
      const logits = random(shape, 1).map((value) => 4 * value);
      const labels = Array.from({ length: n }, (_, row) => (row * 3 + 1) % m);
      const mean = (logits: Float64Array) =>
        softmaxCrossEntropy(logits, shape, labels).loss.reduce((a, b) => a + b) / n;
      assertGradient(
        softmaxCrossEntropyGrad(logits, shape, labels, weight),
        (logits) => weight * mean(logits),
        logits,
      );
    });
  }
}

Deno.test("softmaxCrossEntropy() agrees with logarithms worked by hand", () => {
  const logits = Float64Array.of(0, 0, 0, 0, Math.log(3), Math.log(4));
  const { loss, correct } = softmaxCrossEntropy(logits, [2, 3], [1, 2]);
  assertClose(loss, [Math.log(3), Math.log(2)], ROUNDING);
  assertEquals(correct, Float64Array.of(0, 1));
});

Deno.test("softmaxCrossEntropy() takes the lowest of equal classes for its answer", () => {
  const logits = Float64Array.of(1, 2, 2);
  const correct = (label: number) => softmaxCrossEntropy(logits, [1, 3], [label]).correct[0];
  assertEquals([0, 1, 2].map(correct), [0, 1, 0]);
});

Deno.test("softmaxCrossEntropy() is finite for large logits and exact for shifted ones", () => {
  const logits = Float64Array.of(1000, 0, -1000, 0);
  const { loss } = softmaxCrossEntropy(logits, [2, 2], [1, 1]);
  assertClose(loss, [1000, 0], ROUNDING);
  assertClose(softmax(logits, [2, 2]), [1, 0, 0, 1], ROUNDING);
  assertClose(softmaxCrossEntropyGrad(logits, [2, 2], [1, 1]), [
    0.5,
    -0.5,
    0,
    0,
  ], ROUNDING);
});

Deno.test("softmaxCrossEntropy() names a label that is no class", () => {
  const logits = new Float64Array(6);
  for (const bad of [3, -1, 0.5]) {
    const labels = [0, bad];
    const message = `label ${bad} of row 1 is not a class in 0..2`;
    assertThrows(
      () => softmaxCrossEntropy(logits, [2, 3], labels),
      RangeError,
      message,
    );
    assertThrows(
      () => softmaxCrossEntropyGrad(logits, [2, 3], labels),
      RangeError,
      message,
    );
  }
  assertThrows(
    () => softmaxCrossEntropy(logits, [2, 3], [0]),
    RangeError,
    "labels must hold the 2",
  );
});
