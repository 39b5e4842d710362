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
import { elementwiseChunk, reductionChunk } from "../gpu/chooser.ts";
import { ShapeError } from "../gpu/errors.ts";
import type { Param, ParamStore, State } from "../params.ts";
import type { Tape } from "../tape.ts";
import type { Tensor } from "../tensor.ts";
import { checkMap } from "./channels.ts";

export interface BatchNormOptions {
  /** Use and update batch statistics; else use the running ones. */
  training: boolean;
  /** Weight of the old running statistics. */
  momentum: number;
  epsilon: number;
  /** Clip the result below zero. */
  relu: boolean;
}

/**
 * Batch normalisation over all pixels of all images, then, if asked, ReLU.
 * Source: Ioffe and Szegedy, ICML 2015. The running variance is the unbiased one.
 *
 * @param x [n, h, w, c].
 * @param affine [2, c]: scale, shift.
 * @param running [2, c]: mean, variance; updated at each training run.
 */
export function batchNorm(
  tape: Tape,
  store: ParamStore,
  x: Tensor,
  affine: Param,
  running: State,
  { training, momentum, epsilon, relu }: BatchNormOptions,
): Tensor {
  const channels = affine.shape[1]!;
  checkMap("batchNorm", x, channels);
  if (
    affine.shape.join() !== `2,${channels}` ||
    running.shape.join() !== `2,${channels}`
  ) {
    throw new ShapeError(
      `batchNorm: ${affine.name} and ${running.name} must both be [2, channels], got ` +
        `[${affine.shape}] and [${running.shape}]`,
    );
  }
  const adapter = tape.gpu.adapterClass;
  const c = x.shape[3]!;
  const pixels = size(x.shape) / c;
  const reduce = { chunk: reductionChunk(adapter, pixels, c), relu };
  const walk = { chunk: elementwiseChunk(adapter), relu };
  const partialShape = [ceilDiv(pixels, reduce.chunk), 2, c];
  const values = tape.param(store, affine);
  const state = tape.state(store, running);

  let norm: Tensor;
  if (training) {
    const { partial } = tape.run(batchNormStatsKernel, { x }, {
      partial: partialShape,
    }, reduce);
    ({ norm } = tape.run(
      batchNormFinalizeKernel,
      { partial, affine: values, running: state },
      { norm: [4, c] },
      { pixels, chunk: reduce.chunk, momentum, epsilon },
    ));
  } else {
    ({ norm } = tape.run(
      batchNormRunningKernel,
      { affine: values, running: state },
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
    const { partial } = tape.run(
      batchNormSumsKernel,
      { x, dy, norm },
      { partial: partialShape },
      reduce,
    );
    const { gradient: daffine, adds: [add] } = tape.gradientSink(store, affine);
    const { sums } = tape.run(
      batchNormDaffineKernel,
      { partial, daffine },
      { sums: [2, c] },
      { add: add! },
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
