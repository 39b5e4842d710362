import { linearDwKernel, linearDxKernel, linearKernel } from "../../shaders/linear.ts";
import { ShapeError } from "../gpu/errors.ts";
import type { Param, ParamStore } from "../params.ts";
import type { Tape } from "../tape.ts";
import type { Tensor } from "../tensor.ts";
import { padChannels } from "./channels.ts";

/**
 * Fully connected layer.
 *
 * @param x [n, c], stored padded to a multiple of 4 channels.
 * @param weight [c, m].
 * @param bias [m].
 * @returns [n, m], not padded.
 */
export function linear(
  tape: Tape,
  store: ParamStore,
  x: Tensor,
  weight: Param,
  bias: Param,
): Tensor {
  const [c, m] = weight.shape as [number, number];
  if (
    x.shape.length !== 2 || x.shape[1] !== padChannels(c) ||
    bias.shape.join() !== `${m}`
  ) {
    throw new ShapeError(
      `linear: ${weight.name} [${weight.shape}] needs x [n, ${padChannels(c)}] and a bias ` +
        `[${m}], got [${x.shape}] and [${bias.shape}]`,
    );
  }
  const values = tape.param(store, weight);
  const { y } = tape.run(
    linearKernel,
    { x, weight: values, bias: tape.param(store, bias) },
    { y: [x.shape[0]!, m] },
    undefined,
  );
  tape.onBackward(y, (dy) => {
    const { gradient: dweight, adds: [addWeight] } = tape.gradientSink(
      store,
      weight,
    );
    const { gradient: dbias, adds: [addBias] } = tape.gradientSink(store, bias);
    tape.run(linearDwKernel, { x, dy, dweight, dbias }, {}, {
      addWeight: addWeight!,
      addBias: addBias!,
    });
    if (!x.needsGradient) return;
    const { dx } = tape.run(linearDxKernel, { dy, weight: values }, {
      dx: x.shape,
    }, undefined);
    tape.setGradient(x, tape.sum(tape.gradient(x), dx));
  });
  return y;
}
