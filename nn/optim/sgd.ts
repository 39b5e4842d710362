import { gradientCheckKernel, lossScaleKernel } from "../../shaders/loss_scale.ts";
import { sgdKernel } from "../../shaders/sgd.ts";
import type { Param, ParamStore } from "../params.ts";
import type { Tape, TouchedRange } from "../tape.ts";
import type { Tensor } from "../tensor.ts";

/** The most vec4s that one workgroup updates. */
const CHUNK = 256;

/** All four floats of a vec4. */
const WHOLE = 0b1111;

/** What {@linkcode sgd} leaves alone, and what its gradients are. */
export interface SgdOptions {
  /** Whether to leave this block alone; `block` is `outUnit * inUnits + inUnit`. Default: none. */
  frozen?: (param: Param, block: number) => boolean;
  /**
   * {@linkcode LossScale.tensor}, by which the losses were scaled: gradients are divided by it, and where
   * one is not finite nothing is updated but the scale.
   */
  scaling?: Tensor;
}

/**
 * Stochastic gradient descent with Nesterov momentum and L2 weight decay, over every block of
 * parameters whose gradient this tape has written. Blocks that are frozen, or that no loss touched,
 * keep value and momentum to the bit.
 *
 * @param hyper [3]: learning rate, momentum, weight decay.
 */
export function sgd(
  tape: Tape,
  store: ParamStore,
  hyper: Tensor,
  { frozen = () => false, scaling }: SgdOptions = {},
): void {
  const ranges = tape.touchedRanges(frozen);
  const pages = store.pages.flatMap(({ values, gradients, momentum }, page) => {
    const table = chunkTable(ranges.filter((range) => range.page === page));
    if (table.length === 0) return [];
    const bound = (buffer: GPUBuffer) => tape.bound(buffer.label, [buffer.size / 4], buffer);
    const chunks = tape.constant("chunks", table);
    return {
      values: bound(values),
      momentum: bound(momentum),
      gradients: bound(gradients),
      chunks,
    };
  });
  if (scaling) {
    for (const { gradients, chunks } of pages) {
      tape.run(gradientCheckKernel, { gradients, chunks, scaling }, {}, undefined);
    }
  }
  for (const page of pages) {
    const inputs = { ...page, hyper, scaling: scaling ?? hyper };
    tape.run(sgdKernel, inputs, {}, { scaled: scaling !== undefined });
  }
  if (scaling) tape.run(lossScaleKernel, { scaling }, {}, undefined);
}

/**
 * The table that shaders/sgd.wgsl describes. Where ranges begin and end within a vec4, all that is to
 * be updated of it is one chunk, since two workgroups that wrote one vec4 would race.
 *
 * @param ranges Of one page, ascending.
 */
export function chunkTable(
  ranges: readonly Pick<TouchedRange, "start" | "end" | "decay">[],
): Uint32Array {
  const chunks: [first: number, end: number, mask: number, decay: number][] = [];
  for (const { start, end, decay } of ranges) {
    for (let at = start; at < end;) {
      const first = Math.floor(at / 4);
      if (at % 4 === 0 && at + 4 <= end) {
        const next = Math.min(Math.floor(end / 4), first + CHUNK);
        chunks.push([first, next, WHOLE, Number(decay)]);
        at = 4 * next;
      } else {
        const next = Math.min(4 * first + 4, end);
        const mask = (WHOLE >> (4 - next + at)) << at % 4;
        const last = chunks.at(-1);
        if (last?.[0] === first) last[2] |= mask;
        else chunks.push([first, first + 1, mask, Number(decay)]);
        at = next;
      }
    }
  }
  return Uint32Array.from(chunks.flat());
}
