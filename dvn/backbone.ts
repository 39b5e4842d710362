import type { BackboneSpec, Scenario } from "./scenario.ts";
import type { UnitPartition } from "./unit_partition.ts";

/** Taps of the convolutions of the residual blocks, which are all 3x3. */
export const TAPS = 9;

/** Residual blocks of one width. */
export interface Stage {
  channels: number;
  blocks: number;
  /** Of the first block's first convolution. */
  stride: 1 | 2;
}

/**
 * A pre-activation residual block: BN-ReLU, conv1, BN-ReLU, conv2, plus the parameter-free shortcut.
 * The first block of all reads the stem, which has its own BN-ReLU, so it has no first BN.
 */
export interface ResidualBlock {
  /** Such as "stage1.block1". */
  name: string;
  /** Of all units together. */
  inChannels: number;
  /** Of all units together. */
  outChannels: number;
  /** Pixels from one output to the next. */
  stride: 1 | 2;
  /** Reads the stem, which is not cut into units: each unit reads all of its channels. */
  inIsStem: boolean;
  /** Side of the maps it gives. */
  outputSize: number;
}

/** A 3x3 convolution whose channels are cut into units. */
export interface ConvLayer {
  /** Such as "stage1.block1.conv1". */
  name: string;
  /** Channels of its input, over all units. */
  inChannels: number;
  /** Channels of its output, over all units. */
  outChannels: number;
  /** 2 where the map's sides are halved. */
  stride: 1 | 2;
  /** The input is the whole stem, at any level. */
  inIsStem: boolean;
  /** Side of the maps it gives. */
  outputSize: number;
}

/** A batch-norm layer of the network. */
export interface BatchNormLayer {
  /** Such as "stage1.block1.bn2". */
  name: string;
  channels: number;
  /** Cut into units; the stem's is not. */
  split: boolean;
}

/**
 * The stages of a backbone; stride 2 enters all but the first.
 *
 * @throws {RangeError} If depth or widths do not make whole blocks and channels.
 */
export function backboneStages(spec: BackboneSpec): Stage[] {
  const { widths, blocks } = shapeOf(spec);
  return widths.map((channels, stage) => ({
    channels,
    blocks,
    stride: stage === 0 ? 1 : 2,
  }));
}

function shapeOf(spec: BackboneSpec): { widths: number[]; blocks: number } {
  switch (spec.kind) {
    case "wrn": {
      const blocks = (spec.depth - 2) / 6;
      if (!Number.isInteger(blocks) || blocks < 1) {
        throw new RangeError(
          `backbone.depth must be 6 * blocks + 2 for a WRN, such as 14, 26 or 32, got ${spec.depth}`,
        );
      }
      const widths = [16, 32, 64].map((width) => width * spec.widen);
      if (!widths.every((width) => Number.isInteger(width) && width >= 1)) {
        throw new RangeError(
          `backbone.widen must give whole numbers of channels, got ${spec.widen}, that is ` +
            `${widths.join(", ")}; use a multiple of 1/16`,
        );
      }
      return { widths, blocks };
    }
    case "resnet": {
      const blocks = (spec.depth - 2) / 8;
      if (!Number.isInteger(blocks) || blocks < 1) {
        throw new RangeError(
          `backbone.depth must be 8 * blocks + 2 for a ResNet, such as 18, 34 or 42, ` +
            `got ${spec.depth}`,
        );
      }
      return { widths: [64, 128, 256, 512], blocks };
    }
    case "custom":
      return { widths: spec.widths, blocks: spec.blocks };
  }
}

/** The residual blocks in order. @throws {RangeError} As `backboneStages()`. */
export function residualBlocks(
  spec: BackboneSpec,
  stem: Pick<Scenario["stem"], "channels" | "outputSize">,
): ResidualBlock[] {
  const blocks: ResidualBlock[] = [];
  let { channels: inChannels, outputSize } = stem;
  backboneStages(spec).forEach((stage, s) => {
    for (let b = 0; b < stage.blocks; b++) {
      const stride = b === 0 ? stage.stride : 1;
      outputSize /= stride;
      blocks.push({
        name: `stage${s + 1}.block${b + 1}`,
        inChannels,
        outChannels: stage.channels,
        stride,
        inIsStem: blocks.length === 0,
        outputSize,
      });
      inChannels = stage.channels;
    }
  });
  return blocks;
}

/** The convolutions that units cut, in order: all but the stem's. @throws {RangeError} As `backboneStages()`. */
export function convLayers(
  spec: BackboneSpec,
  stem: Pick<Scenario["stem"], "channels" | "outputSize">,
): ConvLayer[] {
  return residualBlocks(spec, stem).flatMap(({ name, ...block }) => [
    { ...block, name: `${name}.conv1` },
    {
      ...block,
      name: `${name}.conv2`,
      inChannels: block.outChannels,
      stride: 1,
      inIsStem: false,
    },
  ]);
}

/** The batch-norm layers in order, the stem's first. @throws {RangeError} As `backboneStages()`. */
export function batchNormLayers(
  spec: BackboneSpec,
  stem: Pick<Scenario["stem"], "channels" | "outputSize">,
): BatchNormLayer[] {
  const blocks = residualBlocks(spec, stem).flatMap((block) => {
    const bn2 = {
      name: `${block.name}.bn2`,
      channels: block.outChannels,
      split: true,
    };
    if (block.inIsStem) return [bn2];
    return [{
      name: `${block.name}.bn1`,
      channels: block.inChannels,
      split: true,
    }, bn2];
  });
  return [
    { name: "stem.bn", channels: stem.channels, split: false },
    ...blocks,
    { name: "final.bn", channels: featureChannels(spec), split: true },
  ];
}

/** Channels of the last stage, which the pooled features and the heads have. */
export function featureChannels(spec: BackboneSpec): number {
  return backboneStages(spec).at(-1)!.channels;
}

/**
 * Stride of the stem's convolution, which brings pictures of any allowed size to the same maps.
 *
 * @throws {RangeError} If the pictures are not square or not a whole multiple of the maps.
 */
export function stemStride(
  { height, width }: { height: number; width: number },
  outputSize: number,
): number {
  const stride = height / outputSize;
  if (height !== width || !Number.isInteger(stride) || stride < 1) {
    throw new RangeError(
      `pictures of ${height}x${width} do not fit stem.outputSize ${outputSize}: they must be square, ` +
        `with a side that is a multiple of it; change stem.outputSize or resize the pictures`,
    );
  }
  return stride;
}

/**
 * Where the shortcut of a block takes each of its output channels from.
 *
 * Each unit keeps its own channels first and is filled up with zeros, so that units stay aligned and
 * a unit's features do not depend on which others are active. In the first block, units at least as
 * wide as the stem take all of it (the WRNs), narrower ones the slice that is theirs (ResNet-42).
 *
 * @param active Units from 0, ascending.
 * @returns For each channel of the active units the input channel, counted among those that the level
 *   has, or -1 for zero.
 * @throws {RangeError} If a unit has fewer channels than it would be given.
 */
export function shortcutMap(
  { name, inChannels, outChannels, inIsStem }: ResidualBlock,
  partition: UnitPartition,
  active: readonly number[],
): Int32Array {
  const widths = partition.widths(outChannels, name);
  const narrowest = Math.min(...widths);
  const wholeStem = inIsStem && inChannels <= narrowest;
  const kept = wholeStem
    ? widths.map(() => inChannels)
    : partition.widths(inChannels, inIsStem ? "stem" : name);
  const tooNarrow = widths.findIndex((width, unit) => width < kept[unit]!);
  if (tooNarrow >= 0) {
    throw new RangeError(
      `${name}: unit ${tooNarrow + 1} has ${widths[tooNarrow]} channels, fewer than the ` +
        `${kept[tooNarrow]} that its shortcut brings; ` +
        (inIsStem
          ? `use ${outChannels} stem channels, or at most ${narrowest}`
          : `let no stage be narrower than the one before`),
    );
  }
  let before = 0; // input channels of the active units so far
  return Int32Array.from(active.flatMap((unit) => {
    let source = before;
    if (inIsStem) source = wholeStem ? 0 : partition.offsets(inChannels)[unit]!;
    before += kept[unit]!;
    return Array.from({ length: widths[unit]! }, (_, channel) => {
      return channel < kept[unit]! ? source + channel : -1;
    });
  }));
}
