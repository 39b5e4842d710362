/**
 * The network, the images and the random numbers that all contenders share. `contenders/pytorch.py` has
 * the same in Python.
 *
 * @module
 */
import { type ResidualBlock, residualBlocks, TAPS } from "../dvn/backbone.ts";

/** Side and channels of the images. */
export const IMAGE = { size: 32, channels: 3 } as const;

/** Zeros around an image before it is cropped back to its size. */
export const PAD = 4;

/** How every contender trains. */
export const TRAINING = { learningRate: 0.05, momentum: 0.9, weightDecay: 5e-4, epsilon: 1e-5 };

/**
 * A pre-activation wide residual network on 32x32 maps: stem (convolution, batch norm, ReLU), blocks of
 * two 3x3 convolutions, batch norm and ReLU, global mean, fully connected layer.
 *
 * Where a block widens or halves the maps, its shortcut takes the mean of each 2x2 square and appends
 * zero channels: no parameters, as in the DVN paper, where the original WRN has a 1x1 convolution.
 */
export interface Wrn {
  /** Channels of the stages; each but the first begins with stride 2. */
  widths: readonly number[];
  /** Residual blocks of a stage. */
  blocks: number;
  stem: { kernel: number; channels: number };
  classes: number;
}

/** WRN-16-k: two blocks a stage. */
export function wrn16(widen: number): Wrn {
  const widths = [16, 32, 64].map((width) => width * widen);
  return { widths, blocks: 2, stem: { kernel: 3, channels: 16 }, classes: 10 };
}

/** WRN-32-4 of the DVN paper, of 7.3 million weights. */
export const WRN_32_4: Wrn = {
  widths: [64, 128, 256],
  blocks: 5,
  stem: { kernel: 7, channels: 16 },
  classes: 10,
};

/** The residual blocks in order. */
export function blocksOf({ widths, blocks, stem }: Wrn): ResidualBlock[] {
  return residualBlocks(
    { kind: "custom", widths: [...widths], blocks },
    { channels: stem.channels, outputSize: IMAGE.size },
  );
}

/** A parameter of a network, in the order in which all contenders draw them. */
export interface Parameter {
  /** Such as `stem.conv`, `stage1.block1.bn2` or `head.weight`. */
  name: string;
  kind: "conv" | "batchNorm" | "weight" | "bias";
  /** conv: [kernel, kernel, ci, co]; batchNorm: [2, c], scales then shifts; weight: [c, classes]; bias: [classes]. */
  shape: readonly number[];
}

/** All parameters of a network. */
export function parametersOf(net: Wrn): Parameter[] {
  const { stem, classes } = net;
  const conv = (name: string, kernel: number, ci: number, co: number): Parameter => {
    return { name, kind: "conv", shape: [kernel, kernel, ci, co] };
  };
  const batchNorm = (name: string, c: number): Parameter => {
    return { name, kind: "batchNorm", shape: [2, c] };
  };
  const blocks = blocksOf(net).flatMap(({ name, inIsStem, inChannels: ci, outChannels: co }) => [
    ...inIsStem ? [] : [batchNorm(`${name}.bn1`, ci)],
    conv(`${name}.conv1`, 3, ci, co),
    batchNorm(`${name}.bn2`, co),
    conv(`${name}.conv2`, 3, co, co),
  ]);
  const features = net.widths.at(-1)!;
  return [
    conv("stem.conv", stem.kernel, IMAGE.channels, stem.channels),
    batchNorm("stem.bn", stem.channels),
    ...blocks,
    batchNorm("final.bn", features),
    { name: "head.weight", kind: "weight", shape: [features, classes] },
    { name: "head.bias", kind: "bias", shape: [classes] },
  ];
}

/** Initial values of the index-th parameter: Xavier's rule for weights, 1 and 0 for scales and shifts. */
export function initialValues({ kind, shape }: Parameter, index: number): Float32Array {
  const length = shape.reduce((product, extent) => product * extent, 1);
  if (kind === "bias") return new Float32Array(length);
  if (kind === "batchNorm") return new Float32Array(length).fill(1, 0, length / 2);
  const [fanIn, fanOut] = shape.slice(-2) as [number, number];
  const limit = Math.sqrt(6 / (length / fanOut + length / fanIn));
  return uniform(index + 1, length).map((value) => value * limit);
}

/** Multiply-accumulates of a forward pass over one image. */
export function macs(net: Wrn): number {
  const { stem, widths, classes } = net;
  const pixels = IMAGE.size ** 2;
  const inStem = stem.kernel ** 2 * IMAGE.channels * stem.channels * pixels;
  const inBlocks = blocksOf(net).map(({ inChannels: ci, outChannels: co, outputSize }) =>
    TAPS * (ci + co) * co * outputSize ** 2
  );
  return inStem + inBlocks.reduce((a, b) => a + b, 0) + widths.at(-1)! * classes;
}

/** Of a training step: forward, and the same again for the gradients of maps and of weights. */
export function trainingFlops(net: Wrn, batch: number): number {
  return 3 * 2 * macs(net) * batch;
}

/** Integers below 2^32 that look random: the same in every language. */
export function hash(seed: number, index: number): number {
  let h = (Math.imul(index + 1, 0x9e3779b1) + Math.imul(seed, 0x85ebca6b)) >>> 0;
  h = Math.imul(h ^ (h >>> 16), 0x21f0aaad) >>> 0;
  h = Math.imul(h ^ (h >>> 15), 0x735a2d97) >>> 0;
  return (h ^ (h >>> 15)) >>> 0;
}

/** `count` numbers in [-1, 1). */
export function uniform(seed: number, count: number): Float32Array {
  return Float32Array.from({ length: count }, (_, i) => (hash(seed, i) >>> 8) / 2 ** 23 - 1);
}

/** Seeds of what is no parameter. */
const SEEDS = { pattern: 1000, noise: 2000, crops: 3000 };

/**
 * Images that can be learnt: each class has a pattern of its own, under noise.
 *
 * @returns Bytes [count, 32, 32, 3], and the labels, 0, 1, ... in turn.
 */
export function images(count: number, classes: number): { bytes: Uint8Array; labels: Uint32Array } {
  const length = IMAGE.size ** 2 * IMAGE.channels;
  const bytes = new Uint8Array(count * length);
  const labels = Uint32Array.from({ length: count }, (_, i) => i % classes);
  const patterns = Array.from({ length: classes }, (_, k) => uniform(SEEDS.pattern + k, length));
  labels.forEach((label, i) => {
    const noise = uniform(SEEDS.noise + i, length);
    for (let at = 0; at < length; at++) {
      bytes[i * length + at] = 128 + 60 * patterns[label]![at]! + 60 * noise[at]!;
    }
  });
  return { bytes, labels };
}

/** How an image is moved: output (x, y) is input (x' + dx, y + dy), x' mirrored if asked; zero outside. */
export interface Crop {
  dx: number;
  dy: number;
  mirror: boolean;
}

/** The crops of a step, from 0. */
export function crops(step: number, count: number): Crop[] {
  return Array.from({ length: count }, (_, i) => {
    const h = hash(SEEDS.crops + step, i);
    const offset = (bits: number) => (bits & 0xffff) % (2 * PAD + 1) - PAD;
    return { dx: offset(h), dy: offset(h >>> 8), mirror: h >>> 31 === 1 };
  });
}

/** Crops and mirrors on the CPU, and scales bytes to [0, 1]: [count, 32, 32, 3]. */
export function augmentOnCpu(bytes: Uint8Array, crops: readonly Crop[]): Float32Array {
  const { size, channels } = IMAGE;
  const result = new Float32Array(bytes.length);
  crops.forEach(({ dx, dy, mirror }, image) => {
    for (let y = Math.max(0, -dy); y < Math.min(size, size - dy); y++) {
      for (let x = 0; x < size; x++) {
        const sourceX = (mirror ? size - 1 - x : x) + dx;
        if (sourceX < 0 || sourceX >= size) continue;
        const to = ((image * size + y) * size + x) * channels;
        const from = ((image * size + y + dy) * size + sourceX) * channels;
        for (let c = 0; c < channels; c++) result[to + c] = bytes[from + c]! / 255;
      }
    }
  });
  return result;
}

/** The crop that leaves an image as it is. */
export const WHOLE: Crop = { dx: 0, dy: 0, mirror: false };
