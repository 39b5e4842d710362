import {
  conv2dDwKernel,
  conv2dDwSharedKernel,
  conv2dExtent,
  type Conv2dGeometry,
  conv2dKernel,
  conv2dSharedKernel,
  packWeightKernel,
  unpackGradientKernel,
} from "../../shaders/conv2d.ts";
import type { Shape } from "../../shaders/kernel.ts";
import { sumSplitsKernel } from "../../shaders/winograd.ts";
import {
  type ConvChoice,
  remainingSplits,
  tapsPerLane,
  type WeightGradientChoice,
} from "../gpu/chooser.ts";
import { ShapeError } from "../gpu/errors.ts";
import { type BlockLayout, blockRange, type Param, type ParamStore } from "../params.ts";
import type { Tape } from "../tape.ts";
import type { Tensor } from "../tensor.ts";
import { checkMap, checkUnits, padChannels } from "./channels.ts";
import { winogradConv2d, winogradWeightGradient } from "./winograd.ts";

/** Geometry and active units of {@linkcode conv2d}. */
export interface Conv2dOptions extends Conv2dGeometry {
  /** Active units of input and output, ascending, from 0. Default: all. */
  inUnits?: readonly number[];
  /** The same of the output. */
  outUnits?: readonly number[];
  /** Added to the result: a residual connection. */
  add?: Tensor;
}

/**
 * Cross-correlation with the active blocks of a block-major weight. Inactive units are never read,
 * computed or stored.
 *
 * @param x [n, h, w, ci]: channels of the active input units side by side, padded to a multiple of 4.
 * @param weight Declared with a block layout of `kernel * kernel` taps.
 * @returns [n, (h + 2 padding - kernel) / stride + 1, the same of w, co]: the active output units'.
 * @throws {ShapeError} If extents, geometry and units do not fit together.
 */
export function conv2d(
  tape: Tape,
  store: ParamStore,
  x: Tensor,
  weight: Param,
  options: Conv2dOptions,
): Tensor {
  const { kernel, stride, padding, add } = options;
  const { layout } = weight;
  if (layout?.taps !== kernel * kernel) {
    throw new ShapeError(
      `conv2d: ${weight.name} must be declared with ${kernel * kernel} taps for a ${kernel}x` +
        `${kernel} kernel, got ${layout?.taps ?? "no block layout"}`,
    );
  }
  const inUnits = options.inUnits ?? layout.inWidths.map((_, unit) => unit);
  const outUnits = options.outUnits ?? layout.outWidths.map((_, unit) => unit);
  checkUnits("conv2d: input units", inUnits, layout.inWidths);
  checkUnits("conv2d: output units", outUnits, layout.outWidths);
  const channels = (widths: readonly number[], units: readonly number[]) =>
    units.reduce((total, unit) => total + widths[unit]!, 0);
  checkMap("conv2d", x, channels(layout.inWidths, inUnits));
  const [n, h, w, ci] = x.shape as [number, number, number, number];
  const co = padChannels(channels(layout.outWidths, outUnits));
  const shape = [n, conv2dExtent(h, options), conv2dExtent(w, options), co];
  if (
    shape[1]! < 1 || shape[2]! < 1 || stride < 1 || padding < 0 ||
    padding >= kernel
  ) {
    throw new ShapeError(
      `conv2d: a ${kernel}x${kernel} kernel with stride ${stride} and padding ${padding} does not ` +
        `fit x [${x.shape}]; the padded picture must hold the kernel, and the padding be below it`,
    );
  }
  if (add && add.shape.join() !== shape.join()) {
    throw new ShapeError(`conv2d: add must be [${shape}], got [${add.shape}]`);
  }

  const { tuning } = tape.gpu;
  const passShape = { n, h, w, ci, co, kernel, stride, padding };
  const blocks = outUnits.flatMap((o) => inUnits.map((i) => o * layout.inWidths.length + i));
  const table = tape.constant("blocks", blockTable(layout, inUnits, outUnits));
  const pack = (transposed: boolean) => {
    const packed = [kernel * kernel, ...(transposed ? [co, ci] : [ci, co])];
    const args = {
      shape: [kernel * kernel, ci, co],
      inUnits: inUnits.length,
      transposed,
    };
    const values = tape.param(store, weight);
    return tape.run(
      packWeightKernel,
      { weight: values, table },
      { packed },
      args,
    ).packed;
  };

  const forward = tuning.conv({ pass: "forward", ...passShape });
  const y = convolve(tape, { x, packed: pack(false), addend: add }, shape, forward, {
    kernel,
    stride,
    padding,
    upsample: 1,
  });
  tape.onBackward(y, (dy) => {
    if (add?.needsGradient) {
      tape.setGradient(add, tape.sum(tape.gradient(add), dy));
    }
    const dw = tuning.weightGradient({ pass: "dw", ...passShape });
    const partial = weightGradient(tape, x, dy, dw, { kernel, stride, padding });
    const { gradient, adds } = tape.gradientSink(store, weight, blocks);
    tape.run(
      unpackGradientKernel,
      {
        partial,
        table,
        adds: tape.constant("adds", Uint32Array.from(adds, Number)),
        gradient,
      },
      {},
      { inUnits: inUnits.length, tapsPerLane: tapsPerLane(tape.gpu.driver, kernel ** 2) },
    );
    if (!x.needsGradient) return;
    // The data gradient is a convolution of dy, spread out by the stride, with the flipped kernel.
    const prior = tape.gradient(x);
    const backward = tuning.conv({ pass: "dx", ...passShape });
    const dx = convolve(tape, { x: dy, packed: pack(true), addend: prior }, x.shape, backward, {
      kernel,
      stride: 1,
      padding: kernel - 1 - padding,
      upsample: stride,
    });
    tape.setGradient(x, dx);
  });
  return y;
}

/** A convolution, or a data gradient as one, by the kernel chosen. */
function convolve(
  tape: Tape,
  { x, packed, addend }: { x: Tensor; packed: Tensor; addend?: Tensor },
  shape: Shape,
  choice: ConvChoice,
  geometry: Conv2dGeometry & { upsample: number },
): Tensor {
  if (choice.algorithm === "winograd") return winogradConv2d(tape, { x, packed, addend }, choice);
  const inputs = { x, weight: packed, addend: addend ?? x };
  const args = { ...geometry, add: addend !== undefined };
  return choice.algorithm === "shared"
    ? tape.run(conv2dSharedKernel, inputs, { y: shape }, { ...args, ...choice }).y
    : tape.run(conv2dKernel, inputs, { y: shape }, { ...args, ...choice }).y;
}

/** A weight gradient, [taps, ci, co], or its parts, [splits, taps, ci, co], by the kernel chosen. */
function weightGradient(
  tape: Tape,
  x: Tensor,
  dy: Tensor,
  choice: WeightGradientChoice,
  geometry: Conv2dGeometry,
): Tensor {
  if (choice.algorithm === "winograd") return winogradWeightGradient(tape, x, dy, choice);
  const shape = [geometry.kernel ** 2, x.shape[3]!, dy.shape[3]!];
  const outputs = { partial: [choice.splits, ...shape] };
  const { partial } = choice.algorithm === "shared"
    ? tape.run(conv2dDwSharedKernel, { x, dy }, outputs, { ...geometry, ...choice })
    : tape.run(conv2dDwKernel, { x, dy }, outputs, { ...geometry, ...choice });
  const left = remainingSplits(tape.gpu.driver, choice.splits);
  return left < choice.splits
    ? tape.run(sumSplitsKernel, { partial }, { sum: [left, ...shape] }, undefined).sum
    : partial;
}

/** Marks a padding channel; the WGSL files' own constant. */
const NONE = 0xffffffff;

/** The table that shaders/pack_weight.wgsl describes. */
function blockTable(
  layout: BlockLayout,
  inUnits: readonly number[],
  outUnits: readonly number[],
): Uint32Array {
  const rows = (widths: readonly number[], units: readonly number[]) => {
    const channels = units.flatMap((unit, index) =>
      Array.from(
        { length: widths[unit]! },
        (_, channel) => [index, channel, widths[unit]!],
      )
    );
    while (channels.length % 4) channels.push([NONE, 0, 0]);
    return channels.flat();
  };
  const starts = outUnits.flatMap((o) => inUnits.map((i) => blockRange(layout, o, i).start));
  return Uint32Array.from([
    ...rows(layout.inWidths, inUnits),
    ...rows(layout.outWidths, outUnits),
    ...starts,
  ]);
}
