import {
  l2NormalizeDscaleKernel,
  l2NormalizeDxKernel,
  l2NormalizeKernel,
} from "../../shaders/l2_normalize.ts";
import { ShapeError } from "../gpu/errors.ts";
import type { Param, ParamStore } from "../params.ts";
import type { Tape } from "../tape.ts";
import type { Tensor } from "../tensor.ts";
import { padChannels } from "./channels.ts";

/** How {@linkcode l2Normalize} scales and clips. */
export interface L2NormalizeOptions {
  /** Clip the result below zero. */
  relu: boolean;
  /** The least norm that a row is divided by. Default: 1e-12. */
  epsilon?: number;
}

/**
 * Divides each row by its L2 norm and scales each channel by a factor that is learned; then, if asked,
 * ReLU: `y = relu(scale * x / max(||x||, epsilon))`.
 * Source: Wang, Ramanan and Hebert, "Growing a Brain", CVPR 2017, who give new units such outputs.
 *
 * The gradient is that of the formula: a row whose norm is at most epsilon, a row of zeros too, is
 * divided by a constant, so its gradient is `scale * dy / epsilon`. With ReLU the gradient at y = 0 is
 * 0, and a row of zeros has none.
 *
 * @param x [n, c], as `linear` leaves it, or stored padded to a multiple of 4 channels.
 * @param scale [c].
 * @returns [n, c], stored padded to a multiple of 4 channels, as `linear` reads it.
 */
export function l2Normalize(
  tape: Tape,
  store: ParamStore,
  x: Tensor,
  scale: Param,
  { relu, epsilon = 1e-12 }: L2NormalizeOptions,
): Tensor {
  const [n, stride] = x.shape as [number, number];
  const [c] = scale.shape as [number];
  if (
    x.shape.length !== 2 || scale.shape.length !== 1 ||
    (stride !== c && stride !== padChannels(c))
  ) {
    throw new ShapeError(
      `l2Normalize: x must be [n, c], perhaps padded to a multiple of 4 channels, and the scale [c], ` +
        `got ${x.label} [${x.shape}] and ${scale.name} [${scale.shape}]`,
    );
  }
  if (!(epsilon > 0)) {
    throw new RangeError(`l2Normalize: epsilon must be above 0, got ${epsilon}`);
  }
  const values = tape.param(store, scale);
  const { y, norms } = tape.run(
    l2NormalizeKernel,
    { x, scale: values },
    { y: [n, padChannels(c)], norms: [n] },
    { relu, epsilon },
  );
  tape.onBackward(y, (dy) => {
    const { gradient: dscale, adds: [add] } = tape.gradientSink(store, scale);
    const inputs = { x, scale: values, norms, dy };
    tape.run(l2NormalizeDscaleKernel, { ...inputs, dscale }, {}, { relu, add: add! });
    if (!x.needsGradient) return;
    const prior = tape.gradient(x);
    const { dx } = tape.run(
      l2NormalizeDxKernel,
      { ...inputs, addend: prior ?? dy },
      { dx: x.shape },
      { relu, epsilon, add: prior !== undefined },
    );
    tape.setGradient(x, dx);
  });
  return y;
}
