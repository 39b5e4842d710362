import { matmulDwKernel, padRowsKernel } from "../../shaders/matmul.ts";
import { matmulDwTile } from "../gpu/chooser.ts";
import { ShapeError } from "../gpu/errors.ts";
import type { Param, ParamStore } from "../params.ts";
import type { Tape } from "../tape.ts";
import type { Tensor } from "../tensor.ts";
import { padChannels } from "./channels.ts";
import { product } from "./matmul.ts";

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
  const { driver } = tape.gpu;
  const [n, c4] = x.shape as [number, number];
  // The kernels read whole vec4s; in the arena the last one is whole.
  const { values: page } = store.pages[weight.page]!;
  const values = tape.bound(weight.name, [padChannels(c * m)], page, weight.offset * 4);
  const operands = { a: x, b: values, bias: tape.param(store, bias) };
  const y = product(tape, operands, { shape: [c, m], transposed: false });
  tape.onBackward(y, (gradient) => {
    let dy = gradient;
    if (n * m % 4) { // its last vec4 is not whole
      dy = tape.run(padRowsKernel, { x: dy }, { y: [n, padChannels(m)] }, undefined).y;
    }
    const { gradient: dw, adds: [addWeight] } = tape.gradientSink(store, weight);
    const { gradient: dbias, adds: [addBias] } = tape.gradientSink(store, bias);
    tape.run(matmulDwKernel, { x, dy, dw, dbias }, {}, {
      addWeight: addWeight!,
      addBias: addBias!,
      tile: matmulDwTile(driver, c, m),
    });
    if (!x.needsGradient) return;
    const options = { shape: [c, m], transposed: true, columns: c4 };
    const dx = product(tape, { a: dy, b: values }, options);
    tape.setGradient(x, tape.sum(tape.gradient(x), dx));
  });
  return y;
}
