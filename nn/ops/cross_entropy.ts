import { crossEntropyKernel } from "../../shaders/cross_entropy.ts";
import { rowTeams } from "../gpu/chooser.ts";
import { ShapeError } from "../gpu/errors.ts";
import type { Tape } from "../tape.ts";
import type { Tensor } from "../tensor.ts";

/** Floats of a counter: sum of losses, rows classified rightly, rows. */
export const COUNTER_LENGTH = 3;

/** Label of a row that counts for nothing: the rest of a batch that is not full. */
export const IGNORE_LABEL = 0xffffffff;

/** Where a loss goes, and what it weighs. */
export interface CrossEntropyOptions {
  /** [3]: sum of losses, rows classified rightly, rows; added to, so that nobody need read every step. */
  counters: Tensor;
  /** Factor of the loss, for its gradient only. Default 1. */
  weight?: number;
  /** {@linkcode LossScale.tensor}: a further factor of the gradient, for activations in 16 bits. */
  scaling?: Tensor;
}

/**
 * Softmax cross-entropy in nats, its mean over the batch the loss to go back from.
 *
 * @param logits [n, m].
 * @param labels [n], u32, each below m, or {@linkcode IGNORE_LABEL}.
 */
export function crossEntropy(
  tape: Tape,
  logits: Tensor,
  labels: Tensor,
  { counters, weight = 1, scaling }: CrossEntropyOptions,
): void {
  check("crossEntropy", logits, labels, [logits.shape[0]!], counters);
  const args = { distill: false, temperature: 1, weight };
  record(tape, logits, { labels, teacher: logits, counters, scaling }, args);
}

/**
 * Cross-entropy against a teacher's softened answer, -sum p log q with p = softmax(teacher / T) and
 * q = softmax(logits / T), its mean over the batch the loss to go back from.
 * Source: Hinton, Vinyals and Dean 2015, without the factor T^2; the DVN paper's eq. (6).
 *
 * @param logits [n, m].
 * @param teacher [n, m], logits.
 */
export function distillation(
  tape: Tape,
  logits: Tensor,
  teacher: Tensor,
  { counters, weight = 1, scaling, temperature }: CrossEntropyOptions & {
    temperature: number;
  },
): void {
  check("distillation", logits, teacher, logits.shape, counters);
  if (!(temperature > 0)) {
    throw new RangeError(
      `distillation: temperature must be above 0, got ${temperature}`,
    );
  }
  // Labels are not read: any tensor may stand in.
  const args = { distill: true, temperature, weight };
  record(tape, logits, { labels: teacher, teacher, counters, scaling }, args);
}

function record(
  tape: Tape,
  logits: Tensor,
  { scaling, ...inputs }: Record<"labels" | "teacher" | "counters", Tensor> & { scaling?: Tensor },
  args: { distill: boolean; temperature: number; weight: number },
): void {
  const prior = tape.gradient(logits);
  const { dlogits } = tape.run(
    crossEntropyKernel,
    { logits, ...inputs, addend: prior ?? logits, scaling: scaling ?? logits },
    { dlogits: logits.shape },
    {
      ...args,
      add: prior !== undefined,
      scaled: scaling !== undefined,
      ...rowTeams(tape.gpu.driver),
    },
  );
  if (logits.needsGradient) tape.setGradient(logits, dlogits);
}

function check(
  op: string,
  logits: Tensor,
  target: Tensor,
  shape: readonly number[],
  counters: Tensor,
): void {
  if (
    logits.shape.length !== 2 || target.shape.join() !== shape.join() ||
    counters.shape.join() !== `${COUNTER_LENGTH}`
  ) {
    throw new ShapeError(
      `${op}: logits must be [n, m], ${target.label} [${shape}] and counters [${COUNTER_LENGTH}], ` +
        `got [${logits.shape}], [${target.shape}] and [${counters.shape}]`,
    );
  }
}
