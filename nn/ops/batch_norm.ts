import { ceilDiv, size } from "../../shaders/kernel.ts";
import {
  batchNormApplyKernel,
  batchNormDaffineKernel,
  batchNormDxKernel,
  batchNormFinalizeKernel,
  batchNormRunningKernel,
  batchNormStatsKernel,
  batchNormSumsKernel,
} from "../../shaders/batch_norm.ts";
import { channelTeams, elementwiseChunk, reductionChunk } from "../gpu/chooser.ts";
import { ShapeError } from "../gpu/errors.ts";
import {
  type BlockLayout,
  blockRange,
  type Param,
  type ParamStore,
  type State,
} from "../params.ts";
import type { Tape } from "../tape.ts";
import type { Tensor } from "../tensor.ts";
import { checkMap, checkUnits } from "./channels.ts";

/** How {@linkcode batchNorm} normalises. */
export interface BatchNormOptions {
  /** Use and update batch statistics; else use the running ones. */
  training: boolean;
  /**
   * Weight of the old running statistics; or a tensor [1] that holds it. An input that is r / (r + 1) at
   * run r, from 0, leaves the plain averages of the runs' means and unbiased variances, whatever the
   * running statistics were (US-Nets, arXiv 1903.05134, measure them anew so).
   */
  momentum: number | Tensor;
  /** Added to variances. */
  epsilon: number;
  /** Clip the result below zero. */
  relu: boolean;
  /** Active units, ascending, from 0, of arrays that are shared. Default: all. */
  units?: readonly number[];
}

/**
 * Batch normalisation over all pixels of all images, then, if asked, ReLU.
 * Source: Ioffe and Szegedy, ICML 2015. The running variance is the unbiased one.
 *
 * Either array may be one network's own, [2, c], or shared by networks of different units: declared
 * with {@linkcode pairLayout}, of which the active units' channels are used.
 *
 * @param x [n, h, w, c].
 * @param affine Scales, then shifts.
 * @param running Means, then variances; updated at each training run.
 */
export function batchNorm(
  tape: Tape,
  store: ParamStore,
  x: Tensor,
  affine: Param,
  running: State,
  { training, momentum, epsilon, relu, units }: BatchNormOptions,
): Tensor {
  const affineAt = positions(affine, units);
  const runningAt = positions(running, units);
  checkMap("batchNorm", x, affineAt.length);
  if (runningAt.length !== affineAt.length) {
    throw new ShapeError(
      `batchNorm: ${affine.name} has ${affineAt.length} active channels, ${running.name} has ` +
        `${runningAt.length}; declare both for the same units`,
    );
  }
  if (typeof momentum !== "number" && momentum.shape.join() !== "1") {
    throw new ShapeError(
      `batchNorm: momentum must be a number or a tensor [1], got ${momentum.label} ` +
        `[${momentum.shape}]`,
    );
  }
  const { driver } = tape.gpu;
  const c = x.shape[3]!;
  const pixels = size(x.shape) / c;
  const reduce = { chunk: reductionChunk(driver, pixels, c), relu };
  const teams = channelTeams(driver);
  const walk = { chunk: elementwiseChunk(driver), relu };
  const chunks = { partial: [ceilDiv(pixels, reduce.chunk), 2, c] };
  const values = tape.param(store, affine);
  const state = tape.state(store, running);
  const table = (rows: readonly (readonly number[])[]) => {
    const padding = rows[0]!.map(() => NONE);
    const padded = Array.from({ length: c }, (_, i) => rows[i] ?? padding);
    return tape.constant("channels", Uint32Array.from(padded.flat()));
  };
  const tables = { affineAt: table(affineAt), runningAt: table(runningAt) };

  let norm: Tensor;
  if (training) {
    const { partial } = tape.run(batchNormStatsKernel, { x }, chunks, reduce);
    ({ norm } = tape.run(
      batchNormFinalizeKernel,
      {
        partial,
        affine: values,
        running: state,
        ...tables,
        momentum: typeof momentum === "number"
          ? tape.constant("momentum", Float32Array.of(momentum))
          : momentum,
      },
      { norm: [4, c] },
      { pixels, chunk: reduce.chunk, epsilon, ...teams },
    ));
  } else {
    ({ norm } = tape.run(
      batchNormRunningKernel,
      { affine: values, running: state, ...tables },
      { norm: [4, c] },
      { epsilon },
    ));
  }
  const { y } = tape.run(
    batchNormApplyKernel,
    { x, norm },
    { y: x.shape },
    walk,
  );
  if (!training) return y;

  tape.onBackward(y, (dy) => {
    const { partial } = tape.run(batchNormSumsKernel, { x, dy, norm }, chunks, reduce);
    const blocks = affine.layout ? activeUnits(affine.layout, units) : [0];
    const { gradient: daffine, adds } = tape.gradientSink(
      store,
      affine,
      blocks,
    );
    const channelAdds = affine.layout
      ? blocks.flatMap((unit, i) =>
        new Array<boolean>(affine.layout!.outWidths[unit]!).fill(adds[i]!)
      )
      : affineAt.map(() => adds[0]!);
    const daffineAt = affineAt.map((at, i) => [...at, channelAdds[i] ? 1 : 0]);
    const { sums } = tape.run(
      batchNormDaffineKernel,
      { partial, affineAt: table(daffineAt), daffine },
      { sums: [2, c] },
      teams,
    );
    if (!x.needsGradient) return;
    const prior = tape.gradient(x);
    const { dx } = tape.run(
      batchNormDxKernel,
      { x, dy, addend: prior ?? dy, norm, sums },
      { dx: x.shape },
      { ...walk, add: prior !== undefined },
    );
    tape.setGradient(x, dx);
  });
  return y;
}

/** Marks a padding channel; the WGSL files' own constant. */
const NONE = 0xffffffff;

/**
 * Layout of scales and shifts, or of means and variances, that networks of different units share: a
 * block for each unit, in it the unit's first numbers, then its second ones.
 */
export function pairLayout(widths: readonly number[]): BlockLayout {
  return { taps: 2, inWidths: [1], outWidths: widths };
}

function activeUnits(
  layout: BlockLayout,
  units?: readonly number[],
): readonly number[] {
  return units ?? layout.outWidths.map((_, unit) => unit);
}

/** Where the two numbers of each active channel stand. */
function positions(
  { name, layout, length }: Param | State,
  units?: readonly number[],
): [number, number][] {
  if (!layout) {
    return Array.from({ length: length / 2 }, (_, c) => [c, length / 2 + c]);
  }
  const active = activeUnits(layout, units);
  checkUnits(`batchNorm: units of ${name}`, active, layout.outWidths);
  return active.flatMap((unit) => {
    const { start } = blockRange(layout, unit, 0);
    const width = layout.outWidths[unit]!;
    return Array.from({ length: width }, (_, c): [number, number] => [
      start + c,
      start + width + c,
    ]);
  });
}
