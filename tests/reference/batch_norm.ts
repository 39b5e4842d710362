import { relu, reluGrad } from "./relu.ts";
import { checkLength, type Shape } from "./shape.ts";

/** What every form of batch normalisation takes. */
export interface BatchNorm {
  /** Added to the variance. */
  epsilon: number;
  /** Apply ReLU to the result. */
  relu?: boolean;
}

/** Mean and biased variance of each channel: the last axis. */
function moments(x: Float64Array, channels: number) {
  const count = x.length / channels;
  const mean = new Float64Array(channels);
  const variance = new Float64Array(channels);
  x.forEach((value, i) => mean[i % channels]! += value / count);
  x.forEach((value, i) => {
    variance[i % channels]! += (value - mean[i % channels]!) ** 2 / count;
  });
  return { mean, variance, count };
}

function normalise(
  x: Float64Array,
  mean: Float64Array,
  variance: Float64Array,
  epsilon: number,
): Float64Array {
  const c = mean.length;
  return x.map((value, i) => (value - mean[i % c]!) / Math.sqrt(variance[i % c]! + epsilon));
}

/** `normalised * scale + shift`, then perhaps ReLU. */
function applyAffine(
  normalised: Float64Array,
  affine: Float64Array,
  options: BatchNorm,
): Float64Array {
  const c = affine.length / 2;
  const y = normalised.map((value, i) => value * affine[i % c]! + affine[c + i % c]!);
  return options.relu ? relu(y) : y;
}

/**
 * Batch normalisation with the statistics of the batch.
 *
 * The batch is normalised by its biased variance; the running variance takes the unbiased one
 * (PyTorch's rule), or the biased one if a channel has a single value.
 *
 * @param x Channels last.
 * @param affine `[2][c]`: scales, then shifts.
 * @param running `[2][c]`: means, then variances. Not modified.
 * @param options.momentum Weight of the old running statistics.
 * @returns `y` like x, and the new running statistics.
 */
export function batchNormTraining(
  x: Float64Array,
  shape: Shape,
  affine: Float64Array,
  running: Float64Array,
  options: BatchNorm & { momentum: number },
): { y: Float64Array; running: Float64Array } {
  const c = shape.at(-1)!, { momentum } = options;
  checkLength("batchNormTraining: x", x, shape);
  checkLength("batchNormTraining: affine", affine, [2, c]);
  checkLength("batchNormTraining: running", running, [2, c]);
  const { mean, variance, count } = moments(x, c);
  const unbias = count > 1 ? count / (count - 1) : 1;
  const batch = [...mean, ...variance.map((value) => value * unbias)];
  return {
    y: applyAffine(
      normalise(x, mean, variance, options.epsilon),
      affine,
      options,
    ),
    running: running.map((old, i) => momentum * old + (1 - momentum) * batch[i]!),
  };
}

/**
 * Gradients of `batchNormTraining`'s y; the running statistics have none.
 *
 * Source: Ioffe and Szegedy, ICML 2015, Sec. 3.
 *
 * @returns `dx` like x, and `daffine` `[2][c]`.
 */
export function batchNormGrad(
  dy: Float64Array,
  x: Float64Array,
  shape: Shape,
  affine: Float64Array,
  options: BatchNorm,
): { dx: Float64Array; daffine: Float64Array } {
  const c = shape.at(-1)!;
  checkLength("batchNormGrad: dy", dy, shape);
  checkLength("batchNormGrad: x", x, shape);
  checkLength("batchNormGrad: affine", affine, [2, c]);
  const { mean, variance, count } = moments(x, c);
  const normalised = normalise(x, mean, variance, options.epsilon);
  const d = options.relu ? reluGrad(dy, applyAffine(normalised, affine, options)) : dy;
  const daffine = new Float64Array(2 * c);
  d.forEach((value, i) => {
    daffine[i % c]! += value * normalised[i]!;
    daffine[c + i % c]! += value;
  });
  const dx = d.map((value, i) => {
    const channel = i % c;
    const scale = affine[channel]! /
      Math.sqrt(variance[channel]! + options.epsilon);
    const throughMean = daffine[c + channel]! / count;
    const throughVariance = normalised[i]! * daffine[channel]! / count;
    return scale * (value - throughMean - throughVariance);
  });
  return { dx, daffine };
}

/** Batch normalisation with running statistics, `[2][c]`: means, then variances. */
export function batchNormInference(
  x: Float64Array,
  shape: Shape,
  affine: Float64Array,
  running: Float64Array,
  options: BatchNorm,
): Float64Array {
  const c = shape.at(-1)!;
  checkLength("batchNormInference: x", x, shape);
  checkLength("batchNormInference: affine", affine, [2, c]);
  checkLength("batchNormInference: running", running, [2, c]);
  const mean = running.subarray(0, c), variance = running.subarray(c);
  return applyAffine(
    normalise(x, mean, variance, options.epsilon),
    affine,
    options,
  );
}
