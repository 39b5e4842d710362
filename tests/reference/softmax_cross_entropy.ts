import { checkLength } from "./shape.ts";

/** Probabilities of each row, of `logits / temperature`. Safe for large logits. */
export function softmax(
  logits: Float64Array,
  [n, m]: readonly [number, number],
  temperature = 1,
): Float64Array {
  return logSoftmax(logits, [n, m], temperature).map(Math.exp);
}

/** Logarithms of `softmax`, finite where the probability underflows. */
export function logSoftmax(
  logits: Float64Array,
  [n, m]: readonly [number, number],
  temperature = 1,
): Float64Array {
  checkLength("softmax: logits", logits, [n, m]);
  const result = new Float64Array(n * m);
  for (let row = 0; row < n; row++) {
    const z = logits.subarray(row * m, (row + 1) * m).map((value) => value / temperature);
    const highest = z.reduce((a, b) => Math.max(a, b), -Infinity);
    const sum = z.reduce(
      (total, value) => total + Math.exp(value - highest),
      0,
    );
    result.set(
      z.map((value) => value - highest - Math.log(sum)),
      row * m,
    );
  }
  return result;
}

function checkLabels(labels: ArrayLike<number>, n: number, m: number): void {
  checkLength("softmaxCrossEntropy: labels", labels, [n]);
  for (let row = 0; row < n; row++) {
    if (
      !Number.isInteger(labels[row]) || labels[row]! < 0 || labels[row]! >= m
    ) {
      throw new RangeError(
        `softmaxCrossEntropy: label ${labels[row]} of row ${row} is not a class in 0..${m - 1}`,
      );
    }
  }
}

/**
 * Cross-entropy of each row with its label, and whether the highest logit is the label's; of equal
 * logits the lowest class counts as highest.
 *
 * @param logits `[n, m]`.
 * @returns `loss` `[n]` in nats, `correct` `[n]` of 0 and 1.
 */
export function softmaxCrossEntropy(
  logits: Float64Array,
  [n, m]: readonly [number, number],
  labels: ArrayLike<number>,
): { loss: Float64Array; correct: Float64Array } {
  checkLabels(labels, n, m);
  const logarithms = logSoftmax(logits, [n, m]);
  const loss = new Float64Array(n), correct = new Float64Array(n);
  for (let row = 0; row < n; row++) {
    loss[row] = -logarithms[row * m + labels[row]!]!;
    const z = logits.subarray(row * m, (row + 1) * m);
    const highest = z.reduce(
      (best, value, i) => value > z[best]! ? i : best,
      0,
    );
    correct[row] = highest === labels[row] ? 1 : 0;
  }
  return { loss, correct };
}

/** Gradient of the logits of `weight` times the mean loss of the rows. */
export function softmaxCrossEntropyGrad(
  logits: Float64Array,
  [n, m]: readonly [number, number],
  labels: ArrayLike<number>,
  weight = 1,
): Float64Array {
  checkLabels(labels, n, m);
  return softmax(logits, [n, m]).map((probability, i) => {
    const target = i % m === labels[Math.floor(i / m)] ? 1 : 0;
    return (probability - target) / n * weight;
  });
}
