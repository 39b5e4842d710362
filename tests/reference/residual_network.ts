import { add } from "./add.ts";
import { batchNormGrad, batchNormInference, batchNormTraining } from "./batch_norm.ts";
import { type Conv2d, conv2d, conv2dDw, conv2dDx, conv2dShape } from "./conv2d.ts";
import { globalAveragePool, globalAveragePoolGrad } from "./global_average_pool.ts";
import { linear, linearGrad } from "./linear.ts";
import type { Shape4 } from "./shape.ts";
import { shortcut, shortcutGrad } from "./shortcut.ts";

/** A pre-activation residual network of any widths: one (task, level), its inactive units cut out. */
export interface ResidualNetwork {
  /** Of the images. */
  shape: Shape4;
  stem: Conv2d;
  /** Two 3x3 convolutions each, the first with the stride. */
  blocks: {
    co: number;
    stride: 1 | 2;
    /** Source channel of each channel of the shortcut, see `shortcut`. */
    map: Int32Array;
  }[];
  classes: number;
  batchNorm: { epsilon: number; momentum: number };
}

/** Learned arrays of a residual network, or their gradients. */
export interface ResidualParameters {
  stem: Float64Array;
  /** Dense, `[tap][ci][co]`: block b has 2b and 2b + 1. */
  convs: Float64Array[];
  /** `affines[i]` comes right before `convs[i]`, the last one before the pool. */
  affines: Float64Array[];
  /** `[c][classes]`. */
  headWeight: Float64Array;
  headBias: Float64Array;
}

const conv3x3 = (co: number, stride: 1 | 2): Conv2d => ({
  co,
  kernel: 3,
  stride,
  padding: 1,
});

/**
 * Runs the network with batch statistics.
 *
 * Stem, BN-ReLU, then blocks: `conv2(relu(bn2(conv1(relu(bn1 x))))) + shortcut(x)`, without bn1 in
 * the first block, whose input is normalised already; BN-ReLU, global average pool, linear.
 *
 * @param running Running statistics, one `[2][c]` for each of `affines`. Not modified.
 * @returns Logits `[n, classes]`, the new running statistics, and the gradient of every parameter
 *   as a function of the logits' gradient.
 */
export function residualNetwork(
  network: ResidualNetwork,
  parameters: ResidualParameters,
  running: Float64Array[],
  images: Float64Array,
): {
  logits: Float64Array;
  running: Float64Array[];
  backward: (dlogits: Float64Array) => ResidualParameters;
} {
  const { convs, affines, headWeight, headBias } = parameters;
  const newRunning: Float64Array[] = [];
  const dconvs: Float64Array[] = [], daffines: Float64Array[] = [];

  const batchNormRelu = (i: number, x: Float64Array, shape: Shape4) => {
    const options = { ...network.batchNorm, relu: true };
    const forward = batchNormTraining(
      x,
      shape,
      affines[i]!,
      running[i]!,
      options,
    );
    newRunning[i] = forward.running;
    const backward = (dy: Float64Array) => {
      const { dx, daffine } = batchNormGrad(dy, x, shape, affines[i]!, options);
      daffines[i] = daffine;
      return dx;
    };
    return { y: forward.y, backward };
  };
  const conv = (i: number, x: Float64Array, shape: Shape4, options: Conv2d) => {
    const backward = (dy: Float64Array) => {
      dconvs[i] = conv2dDw(dy, shape, x, options);
      return conv2dDx(dy, shape, convs[i]!, options);
    };
    const y = conv2d(x, shape, convs[i]!, options);
    return { y, shape: conv2dShape(shape, options), backward };
  };

  let shape = conv2dShape(network.shape, network.stem);
  const stem = conv2d(images, network.shape, parameters.stem, network.stem);
  const first = batchNormRelu(0, stem, shape);
  let x = first.y;

  const undoBlocks: ((dy: Float64Array) => Float64Array)[] = [];
  network.blocks.forEach(({ co, stride, map }, b) => {
    const xShape = shape;
    const norm1 = b > 0 ? batchNormRelu(2 * b, x, xShape) : undefined;
    const conv1 = conv(2 * b, norm1?.y ?? x, xShape, conv3x3(co, stride));
    const norm2 = batchNormRelu(2 * b + 1, conv1.y, conv1.shape);
    const conv2 = conv(2 * b + 1, norm2.y, conv1.shape, conv3x3(co, 1));
    x = add(conv2.y, shortcut(x, xShape, map, stride));
    shape = conv2.shape;
    undoBlocks.unshift((dy) => {
      const dbranch = conv1.backward(norm2.backward(conv2.backward(dy)));
      const dx = norm1 ? norm1.backward(dbranch) : dbranch;
      return add(dx, shortcutGrad(dy, xShape, map, stride));
    });
  });

  const last = batchNormRelu(2 * network.blocks.length, x, shape);
  const pooled = globalAveragePool(last.y, shape);
  const head = { n: shape[0], c: shape[3], m: network.classes };
  return {
    logits: linear(pooled, headWeight, headBias, head),
    running: newRunning,
    backward: (dlogits) => {
      const { dx, dw, db } = linearGrad(dlogits, pooled, headWeight, head);
      let d = last.backward(globalAveragePoolGrad(dx, shape));
      for (const undo of undoBlocks) d = undo(d);
      const dstem = conv2dDw(
        first.backward(d),
        network.shape,
        images,
        network.stem,
      );
      return {
        stem: dstem,
        convs: dconvs,
        affines: daffines,
        headWeight: dw,
        headBias: db,
      };
    },
  };
}

/** The same network with running statistics. @returns Logits `[n, classes]`. */
export function residualNetworkInference(
  network: ResidualNetwork,
  parameters: ResidualParameters,
  running: Float64Array[],
  images: Float64Array,
): Float64Array {
  const { convs, affines, headWeight, headBias } = parameters;
  const batchNormRelu = (i: number, x: Float64Array, shape: Shape4) =>
    batchNormInference(x, shape, affines[i]!, running[i]!, {
      ...network.batchNorm,
      relu: true,
    });

  let shape = conv2dShape(network.shape, network.stem);
  const stem = conv2d(images, network.shape, parameters.stem, network.stem);
  let x = batchNormRelu(0, stem, shape);
  network.blocks.forEach(({ co, stride, map }, b) => {
    const input = b > 0 ? batchNormRelu(2 * b, x, shape) : x;
    const conv1 = conv2d(input, shape, convs[2 * b]!, conv3x3(co, stride));
    const middle = conv2dShape(shape, conv3x3(co, stride));
    const norm2 = batchNormRelu(2 * b + 1, conv1, middle);
    const conv2 = conv2d(norm2, middle, convs[2 * b + 1]!, conv3x3(co, 1));
    x = add(conv2, shortcut(x, shape, map, stride));
    shape = middle;
  });
  const pooled = globalAveragePool(
    batchNormRelu(2 * network.blocks.length, x, shape),
    shape,
  );
  const head = { n: shape[0], c: shape[3], m: network.classes };
  return linear(pooled, headWeight, headBias, head);
}
