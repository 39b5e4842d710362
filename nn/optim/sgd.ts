import { sgdKernel } from "../../shaders/sgd.ts";
import type { Param, ParamStore } from "../params.ts";
import type { Tape } from "../tape.ts";
import type { Tensor } from "../tensor.ts";

/** Floats that one workgroup updates. */
const CHUNK = 1024;

/**
 * Stochastic gradient descent with Nesterov momentum and L2 weight decay, over every block of
 * parameters whose gradient this tape has written. Blocks that are frozen, or that no loss touched,
 * keep value and momentum to the bit.
 *
 * @param hyper [3]: learning rate, momentum, weight decay.
 * @param frozen Whether to leave this block alone; `block` is `outUnit * inUnits + inUnit`.
 */
export function sgd(
  tape: Tape,
  store: ParamStore,
  hyper: Tensor,
  frozen: (param: Param, block: number) => boolean = () => false,
): void {
  const ranges = tape.touchedRanges(frozen);
  store.pages.forEach(({ values, gradients, momentum }, page) => {
    const chunks = ranges.filter((range) => range.page === page).flatMap(
      ({ start, end, decay }) => {
        const rows: number[] = [];
        // Cuts stand at multiples of 4 floats, so that no two workgroups share a vec4.
        for (let begin = start; begin < end;) {
          const next = Math.min(end, Math.floor(begin / 4) * 4 + CHUNK);
          rows.push(begin, next, decay ? 1 : 0);
          begin = next;
        }
        return rows;
      },
    );
    if (chunks.length === 0) return;
    const bound = (buffer: GPUBuffer) =>
      tape.bound(buffer.label, [buffer.size / 4], buffer);
    tape.run(
      sgdKernel,
      {
        values: bound(values),
        momentum: bound(momentum),
        gradients: bound(gradients),
        chunks: tape.constant("chunks", Uint32Array.from(chunks)),
        hyper,
      },
      {},
      undefined,
    );
  });
}
