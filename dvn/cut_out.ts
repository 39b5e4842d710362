import { blockRange } from "../nn/params.ts";
import { encodeSafeTensors, type SafeTensors } from "../nn/safetensors.ts";
import {
  batchNormLayers,
  convLayers,
  residualBlocks,
  shortcutMap,
  stemStride,
} from "./backbone.ts";
import { taskHierarchy } from "./hierarchy.ts";
import { stemNames } from "./parameters.ts";
import { scenarioPartition } from "./unit_partition.ts";
import type { VirtualNetwork } from "./virtual_network.ts";

/** Marks a file with one network in it, in its metadata. */
const FORMAT = "virtual-network/1";

/**
 * One (task, level) as a safetensors file that stands alone: the active units' channels and nothing else,
 * `cost.bytes` of values.
 *
 * Tensors, all F32, with only the level's channels, in ascending order of units:
 *
 * - `stem.conv.weight` and, of each convolution of the trunk, such as `stage1.block1.conv1.weight`,
 *   [kh, kw, ci, co];
 * - of each batch norm, such as `stem.bn` and `stage1.block1.bn2`, `.affine` [2, c], scales then shifts,
 *   and `.running` [2, c], means then variances;
 * - `hidden<i>.weight` [c, width], `.bias` and `.scale` [width], where the task has hidden layers;
 * - `head.weight` [c, classes] and `head.bias` [classes].
 *
 * Metadata, beside what is given: `format`; `task`, `level` and `units`; `input`, what the bytes of a
 * picture are scaled by and shifted; `classes`; `stem`, its stride and padding; `epsilon` of the batch
 * norms; `blocks`, of each residual block its stride and where its shortcut takes each output channel
 * from (an input channel, or -1 for zero). All that is not a word is JSON.
 *
 * @param metadata More to write into the file's metadata.
 */
export async function cutOut(
  { net, taskIndex, level }: VirtualNetwork,
  metadata: Record<string, string> = {},
): Promise<Uint8Array<ArrayBuffer>> {
  const { scenario, store } = net;
  const { backbone, stem, batchNorm } = scenario;
  const info = net.tasks[taskIndex]!;
  const partition = scenarioPartition(scenario);
  const units = taskHierarchy(scenario, taskIndex).activeUnits(level);
  const values = await store.read();
  const prefix = `${info.name}.level${level}`;
  const tensors: SafeTensors["tensors"] = new Map();
  const valuesOf = (name: string) => values.get(name)!;
  const add = (name: string, shape: number[], data: Float32Array) => {
    tensors.set(name, { shape, data });
  };

  const names = stemNames(scenario, info);
  const { kernel, channels } = stem;
  add("stem.conv.weight", [kernel, kernel, info.channels, channels], valuesOf(names.weight));
  add("stem.bn.affine", [2, channels], valuesOf(names.affine));
  add("stem.bn.running", [2, channels], valuesOf(names.running));

  for (const { name, inIsStem } of convLayers(backbone, stem)) {
    const { layout } = store.params.get(`${name}.weight`)!;
    const weight = valuesOf(`${name}.weight`);
    const inUnits = inIsStem ? [0] : units;
    const ci = sum(inUnits, (unit) => layout!.inWidths[unit]!);
    const co = sum(units, (unit) => layout!.outWidths[unit]!);
    const dense = new Float32Array(layout!.taps * ci * co);
    let firstOut = 0;
    for (const outUnit of units) {
      const outWidth = layout!.outWidths[outUnit]!;
      let firstIn = 0;
      for (const inUnit of inUnits) {
        const inWidth = layout!.inWidths[inUnit]!;
        const { start } = blockRange(layout!, outUnit, inUnit);
        for (let row = 0; row < layout!.taps * inWidth; row++) {
          const tap = Math.floor(row / inWidth);
          const from = start + row * outWidth;
          const channel = firstIn + row % inWidth;
          dense.set(weight.subarray(from, from + outWidth), (tap * ci + channel) * co + firstOut);
        }
        firstIn += inWidth;
      }
      firstOut += outWidth;
    }
    const side = Math.sqrt(layout!.taps);
    add(`${name}.weight`, [side, side, ci, co], dense);
  }

  for (const { name, channels, split } of batchNormLayers(backbone, stem)) {
    if (!split) continue;
    const widths = partition.widths(channels);
    const own = sum(units, (unit) => widths[unit]!);
    // A shared array holds the pairs unit by unit.
    const gather = (shared: Float32Array) => {
      const pair = new Float32Array(2 * own);
      let at = 0;
      for (const unit of units) {
        const start = 2 * sum(widths.slice(0, unit), (width) => width);
        const width = widths[unit]!;
        pair.set(shared.subarray(start, start + width), at);
        pair.set(shared.subarray(start + width, start + 2 * width), own + at);
        at += width;
      }
      return pair;
    };
    const pair = (part: string, shared: boolean) =>
      shared ? gather(valuesOf(`${name}.${part}`)) : valuesOf(`${prefix}.${name}.${part}`);
    add(`${name}.affine`, [2, own], pair("affine", batchNorm.affine === "shared"));
    add(`${name}.running`, [2, own], pair("running", batchNorm.statistics === "shared"));
  }

  for (const { name, shape } of store.params.values()) {
    const own = name.startsWith(`${prefix}.`) && /\.(hidden\d+|head)\.\w+$/.test(name);
    if (own) add(name.slice(prefix.length + 1), [...shape], valuesOf(name));
  }

  const { name, classes, scale, shift, maximum, height, width } = info;
  return encodeSafeTensors({
    tensors,
    metadata: {
      ...metadata,
      format: FORMAT,
      task: name,
      level: `${level}`,
      units: JSON.stringify(units.map((unit) => unit + 1)),
      input: JSON.stringify({ height, width, channels: info.channels, maximum, scale, shift }),
      classes: JSON.stringify(classes),
      stem: JSON.stringify({
        stride: stemStride(info, stem.outputSize),
        padding: (kernel - 1) / 2,
      }),
      epsilon: `${batchNorm.epsilon}`,
      blocks: JSON.stringify(
        residualBlocks(backbone, stem).map((block) => ({
          name: block.name,
          stride: block.stride,
          shortcut: [...shortcutMap(block, partition, units)],
        })),
      ),
    },
  });
}

function sum<T>(items: readonly T[], value: (item: T) => number): number {
  return items.reduce((total, item) => total + value(item), 0);
}
