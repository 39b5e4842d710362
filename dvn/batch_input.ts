import { augment, MATRIX_LENGTH, packedLength } from "../nn/ops/augment.ts";
import type { Tape } from "../nn/tape.ts";
import type { Tensor } from "../nn/tensor.ts";
import type { TaskInfo } from "./task_info.ts";

/** A batch of one task on its way into the network. */
export interface BatchInput {
  /** [packedLength(n, task)], u32: the pictures' bytes. */
  bytes: Tensor;
  /** [n, 12]: of each picture, from output to source position. */
  matrices: Tensor;
  /** [n, height, width, 4]. */
  images: Tensor;
}

/** Records what turns `count` pictures' bytes into a task's network input. */
export function recordInput(
  tape: Tape,
  task: TaskInfo,
  count: number,
): BatchInput {
  const { name, scale, shift } = task;
  const bytes = tape.input(`${name} images`, [packedLength(count, task)]);
  const matrices = tape.input(`${name} matrices`, [count, MATRIX_LENGTH]);
  const padded = (values: number[]) => Array.from({ length: 4 }, (_, c) => values[c] ?? 0);
  const normalization = tape.constant(
    `${name} normalization`,
    Float32Array.from([...padded(scale), ...padded(shift)]),
  );
  const images = tape.scope(
    name,
    () => augment(tape, bytes, matrices, normalization, task),
  );
  return { bytes, matrices, images };
}
