import { logSoftmax, softmax } from "./softmax_cross_entropy.ts";

/**
 * Hinton's modified cross-entropy, as in Learning without Forgetting: of each row,
 * `-sum_c p_c log q_c` with `p = softmax(teacher / T)` and `q = softmax(logits / T)`. There is no
 * factor of T^2.
 *
 * @param logits `[n, m]`, as is `teacher`.
 * @returns `[n]`, in nats.
 */
export function distillation(
  logits: Float64Array,
  teacher: Float64Array,
  [n, m]: readonly [number, number],
  temperature: number,
): Float64Array {
  const p = softmax(teacher, [n, m], temperature);
  const logarithms = logSoftmax(logits, [n, m], temperature);
  const loss = new Float64Array(n);
  p.forEach((value, i) => loss[Math.floor(i / m)]! -= value * logarithms[i]!);
  return loss;
}

/** Gradient of the logits of `weight` times the mean loss of the rows; the teacher has none. */
export function distillationGrad(
  logits: Float64Array,
  teacher: Float64Array,
  [n, m]: readonly [number, number],
  temperature: number,
  weight = 1,
): Float64Array {
  const p = softmax(teacher, [n, m], temperature);
  const q = softmax(logits, [n, m], temperature);
  return q.map((value, i) => (value - p[i]!) / temperature / n * weight);
}
