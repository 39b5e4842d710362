import { distillation, distillationGrad } from "./distillation.ts";
import { random } from "./random.ts";
import {
  type ResidualNetwork,
  residualNetwork,
  type ResidualParameters,
} from "./residual_network.ts";
import type { Shape4 } from "./shape.ts";
import { paddedUnits } from "./shortcut.ts";
import { softmaxCrossEntropy, softmaxCrossEntropyGrad } from "./softmax_cross_entropy.ts";
import { activeChannels, type BlockLayout, gatherBlocks, scatterBlocks } from "./unit_blocks.ts";

/** Tasks that share the units of one backbone. Units, tasks and networks count from 0. */
export interface DeepVirtualNetwork {
  tasks: {
    /** Of a batch of images. */
    shape: Shape4;
    stemStride: number;
    classes: number;
  }[];
  stem: { channels: number; kernel: number; padding: number };
  /** Channels of each unit, `[stage][unit]`. Stages after the first halve the sides. */
  widths: number[][];
  /** Blocks in each stage. */
  blocks: number;
  /** Stem channel of each stage-1 channel of the first shortcut, all units; -1 is zero. */
  stemMap: Int32Array;
  /** One for each (task, level): its active units, ascending. */
  networks: { task: number; units: number[] }[];
  batchNorm: { epsilon: number; momentum: number };
}

/** Learned arrays of all networks, or their gradients. */
export interface DvnParameters {
  /** One for each task, `[tap][c of the images][stem channels]`. */
  stems: Float64Array[];
  /** Block-major, shared by all networks: two for each block, see `gatherBlocks`. */
  convs: Float64Array[];
  /** One for each (task, level); affines as in `ResidualParameters`, of active channels only. */
  networks: Pick<ResidualParameters, "affines" | "headWeight" | "headBias">[];
}

/** What one task brings to a step. */
export interface Batch {
  /** Shaped as its task says, already normalised. */
  images: Float64Array;
  labels: ArrayLike<number>;
}

/** What a network learns from in place of its task's labels, and how much that counts. */
export interface Target {
  /** Factor of the loss. Default 1. */
  weight?: number;
  /** Logits that it learns the softened answer of; they have no gradient. Default: the labels. */
  teacher?: { logits: Float64Array; temperature: number };
}

const sum = (values: ArrayLike<number>) => Array.from(values).reduce((a, b) => a + b, 0);

/** How each shared convolution is cut into blocks. The stem's channels are one unit. */
export function blockLayouts(dvn: DeepVirtualNetwork): BlockLayout[] {
  let inWidths = [dvn.stem.channels];
  return dvn.widths.flatMap((outWidths) =>
    Array.from({ length: 2 * dvn.blocks }, () => {
      const layout = { taps: 9, inWidths, outWidths };
      inWidths = outWidths;
      return layout;
    })
  );
}

/** Active input units of a convolution: all there is if it reads the stem. */
function inputUnits(conv: number, units: number[]): number[] {
  return conv === 0 ? [0] : units;
}

/** One network by itself: widths of the active units, shortcuts between their channels. */
export function cutNetwork(
  dvn: DeepVirtualNetwork,
  index: number,
): ResidualNetwork {
  const { task, units } = dvn.networks[index]!;
  const { shape, stemStride, classes } = dvn.tasks[task]!;
  const { channels, kernel, padding } = dvn.stem;
  const widths = dvn.widths.map((stage) => units.map((unit) => stage[unit]!));
  const stemMap = activeChannels(dvn.widths[0]!, units).map((c) => dvn.stemMap[c]!);
  return {
    shape,
    stem: { co: channels, kernel, padding, stride: stemStride },
    blocks: widths.flatMap((stage, s) =>
      Array.from({ length: dvn.blocks }, (_, b) => ({
        co: sum(stage),
        stride: s > 0 && b === 0 ? 2 as const : 1 as const,
        map: s === 0 && b === 0
          ? Int32Array.from(stemMap)
          : paddedUnits(b === 0 ? widths[s - 1]! : stage, stage),
      }))
    ),
    classes,
    batchNorm: dvn.batchNorm,
  };
}

/** The parameters of one network by itself, its convolutions dense. */
export function cutParameters(
  dvn: DeepVirtualNetwork,
  parameters: DvnParameters,
  index: number,
): ResidualParameters {
  const { task, units } = dvn.networks[index]!;
  const layouts = blockLayouts(dvn);
  return {
    ...parameters.networks[index]!,
    stem: parameters.stems[task]!,
    convs: parameters.convs.map((flat, i) =>
      gatherBlocks(flat, layouts[i]!, units, inputUnits(i, units))
    ),
  };
}

/**
 * Joint training, eq. (4): the plain sum over all (task, level) of the mean cross-entropy over the
 * task's batch. With teachers of the earlier tasks, whose batches are then the new task's images, it
 * is eq. (6).
 *
 * @param running Running statistics, `[network][normalisation]` of `[2][c]`. Not modified.
 * @param batches One for each task.
 * @param targets One for each network. Default: the labels.
 * @returns Mean loss and logits of each network, the new running statistics, and the gradients of
 *   the weighted sum of the losses when called for.
 */
export function deepVirtualNetwork(
  dvn: DeepVirtualNetwork,
  parameters: DvnParameters,
  running: Float64Array[][],
  batches: Batch[],
  targets: Target[] = [],
): {
  losses: number[];
  logits: Float64Array[];
  running: Float64Array[][];
  backward: () => DvnParameters;
} {
  const results = dvn.networks.map(({ task }, index) => {
    const { images, labels } = batches[task]!;
    const { shape: [n], classes } = dvn.tasks[task]!;
    const network = residualNetwork(
      cutNetwork(dvn, index),
      cutParameters(dvn, parameters, index),
      running[index]!,
      images,
    );
    const { logits } = network;
    const { weight = 1, teacher } = targets[index] ?? {};
    const shape = [n, classes] as const;
    if (teacher) {
      const { logits: answer, temperature } = teacher;
      const loss = distillation(logits, answer, shape, temperature);
      const dlogits = () => distillationGrad(logits, answer, shape, temperature, weight);
      return { ...network, loss: sum(loss) / n, dlogits };
    }
    const { loss } = softmaxCrossEntropy(logits, shape, labels);
    const dlogits = () => softmaxCrossEntropyGrad(logits, shape, labels, weight);
    return { ...network, loss: sum(loss) / n, dlogits };
  });
  const backward = () => {
    const layouts = blockLayouts(dvn);
    const gradients: DvnParameters = {
      stems: parameters.stems.map((stem) => new Float64Array(stem.length)),
      convs: parameters.convs.map((flat) => new Float64Array(flat.length)),
      networks: [],
    };
    results.forEach(({ dlogits, backward }, index) => {
      const { task, units } = dvn.networks[index]!;
      const { stem, convs, ...own } = backward(dlogits());
      stem.forEach((value, i) => gradients.stems[task]![i]! += value);
      convs.forEach((dense, i) => {
        scatterBlocks(
          dense,
          layouts[i]!,
          units,
          inputUnits(i, units),
          gradients.convs[i]!,
        );
      });
      gradients.networks.push(own);
    });
    return gradients;
  };
  return {
    losses: results.map(({ loss }) => loss),
    logits: results.map(({ logits }) => logits),
    running: results.map(({ running }) => running),
    backward,
  };
}

/** Channels of each normalisation of a network: stem, between the convolutions, last. */
function normalisedChannels(dvn: DeepVirtualNetwork, index: number): number[] {
  const { stem, blocks } = cutNetwork(dvn, index);
  return [stem.co, ...blocks.flatMap(({ co }) => [co, co])];
}

/** Parameters of the right sizes: weights in [-1, 1], scales in [0.5, 1.5], from a seed. */
export function randomParameters(
  dvn: DeepVirtualNetwork,
  seed: number,
): DvnParameters {
  const draw = (...shape: number[]) => random(shape, seed++);
  const taps = dvn.stem.kernel ** 2;
  return {
    stems: dvn.tasks.map(({ shape }) => draw(taps, shape[3], dvn.stem.channels)),
    convs: blockLayouts(dvn).map(({ taps, inWidths, outWidths }) => {
      return draw(taps, sum(inWidths), sum(outWidths));
    }),
    networks: dvn.networks.map(({ task }, index) => {
      const channels = normalisedChannels(dvn, index);
      const { classes } = dvn.tasks[task]!;
      return {
        affines: channels.map((c) =>
          draw(2, c).map((value, i) => i < c ? 1 + value / 2 : value / 2)
        ),
        headWeight: draw(channels.at(-1)!, classes),
        headBias: draw(classes),
      };
    }),
  };
}

/** Running statistics before the first step: means 0, variances 1. */
export function initialStatistics(dvn: DeepVirtualNetwork): Float64Array[][] {
  return dvn.networks.map((_, index) =>
    normalisedChannels(dvn, index).map((c) => new Float64Array(2 * c).fill(1, c))
  );
}
