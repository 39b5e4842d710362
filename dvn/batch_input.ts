import { augment, MATRIX_LENGTH, packedLength } from "../nn/ops/augment.ts";
import type { Tape } from "../nn/tape.ts";
import type { Tensor } from "../nn/tensor.ts";
import type { TaskInfo } from "./task_info.ts";

/** A batch of one task's pictures on its way into a network; filled before each run. */
export interface BatchInput {
  /** [packedLength(n, task)], u32: the pictures' bytes. */
  bytes: Tensor;
  /** [n, 12]: of each picture, from output to source position. */
  matrices: Tensor;
}

/** Declares a batch of `count` pictures of a task. */
export function recordInput(tape: Tape, task: TaskInfo, count: number): BatchInput {
  return {
    bytes: tape.input(`${task.name} images`, [packedLength(count, task)]),
    matrices: tape.input(`${task.name} matrices`, [count, MATRIX_LENGTH]),
  };
}

/**
 * Records what turns a batch into the input of a task's networks.
 *
 * @param task Whose normalisation is used: the pictures' own task, or another with pictures of that shape.
 * @returns [n, height, width, 4].
 */
export function recordImages(
  tape: Tape,
  { bytes, matrices }: BatchInput,
  task: TaskInfo,
): Tensor {
  const { name, scale, shift } = task;
  const padded = (values: number[]) => Array.from({ length: 4 }, (_, c) => values[c] ?? 0);
  const normalization = tape.constant(
    `${name} normalization`,
    Float32Array.from([...padded(scale), ...padded(shift)]),
  );
  return tape.scope(name, () => augment(tape, bytes, matrices, normalization, task));
}
