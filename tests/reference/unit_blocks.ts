import { checkLength } from "./shape.ts";

/** How the channels of one convolution are cut into units. */
export interface BlockLayout {
  /** `kernel * kernel`. */
  taps: number;
  /** Input channels of each unit; a layer that reads the stem has one unit. */
  inWidths: readonly number[];
  /** Output channels of each unit. */
  outWidths: readonly number[];
}

/** One channel, as seen from its unit. */
interface Channel {
  /** Channels of all units before its own. */
  before: number;
  /** Channels of its unit. */
  width: number;
  /** Its place in its unit. */
  inside: number;
}

const total = (widths: readonly number[]) => widths.reduce((a, b) => a + b, 0);

function channelsOf(
  widths: readonly number[],
  units: readonly number[],
): Channel[] {
  return units.flatMap((unit, i) => {
    if (!(unit in widths) || (i > 0 && unit <= units[i - 1]!)) {
      throw new RangeError(
        `units must ascend within 0..${widths.length - 1}, got [${units}]`,
      );
    }
    const before = total(widths.slice(0, unit)), width = widths[unit]!;
    return Array.from(
      { length: width },
      (_, inside) => ({ before, width, inside }),
    );
  });
}

/**
 * Full-width indices of the active units' channels, ascending.
 *
 * @param widths Channels of each unit.
 * @param units Active units, from 0, ascending.
 * @throws {RangeError} If a unit does not exist or the order is another.
 */
export function activeChannels(
  widths: readonly number[],
  units: readonly number[],
): number[] {
  return channelsOf(widths, units).map(({ before, inside }) => before + inside);
}

/** Where block-major storage has each value of the dense weight, in dense order. */
function blockMajorIndices(
  { taps, inWidths, outWidths }: BlockLayout,
  outUnits: readonly number[],
  inUnits: readonly number[],
): number[] {
  const ins = channelsOf(inWidths, inUnits);
  const outs = channelsOf(outWidths, outUnits);
  const ci = total(inWidths);
  return Array.from(
    { length: taps },
    (_, tap) =>
      ins.flatMap((i) =>
        outs.map((o) => {
          const block = taps * (o.before * ci + o.width * i.before);
          return block + (tap * i.width + i.inside) * o.width + o.inside;
        })
      ),
  ).flat();
}

function checkBlocks(name: string, flat: Float64Array, layout: BlockLayout) {
  const { taps, inWidths, outWidths } = layout;
  checkLength(name, flat, [taps, total(inWidths), total(outWidths)]);
}

/**
 * The dense weight of the active units.
 *
 * @param flat All blocks, `[out unit][in unit][tap][c_in][c_out]`; units may differ in width.
 * @param outUnits Active output units, from 0, ascending.
 * @param inUnits Active input units, likewise.
 * @returns `[tap][active c_in][active c_out]`, as `conv2d` takes it.
 */
export function gatherBlocks(
  flat: Float64Array,
  layout: BlockLayout,
  outUnits: readonly number[],
  inUnits: readonly number[],
): Float64Array {
  checkBlocks("gatherBlocks: flat", flat, layout);
  const indices = blockMajorIndices(layout, outUnits, inUnits);
  return Float64Array.from(indices, (index) => flat[index]!);
}

/** The adjoint of `gatherBlocks`: adds `dense` into the active blocks of `flat`, in place. */
export function scatterBlocks(
  dense: Float64Array,
  layout: BlockLayout,
  outUnits: readonly number[],
  inUnits: readonly number[],
  flat: Float64Array,
): void {
  checkBlocks("scatterBlocks: flat", flat, layout);
  const indices = blockMajorIndices(layout, outUnits, inUnits);
  checkLength("scatterBlocks: dense", dense, [indices.length]);
  indices.forEach((index, i) => flat[index]! += dense[i]!);
}

/**
 * The dense weight of the whole layer with every inactive block multiplied by 0: what a level
 * computes, the wasteful way. Only tests may do this; the library never computes inactive units.
 *
 * @returns `[tap][c_in][c_out]`.
 */
export function maskedBlocks(
  flat: Float64Array,
  layout: BlockLayout,
  outUnits: readonly number[],
  inUnits: readonly number[],
): Float64Array {
  const { inWidths, outWidths } = layout;
  const dense = gatherBlocks(flat, layout, [...outWidths.keys()], [
    ...inWidths.keys(),
  ]);
  const ins = new Set(activeChannels(inWidths, inUnits));
  const outs = new Set(activeChannels(outWidths, outUnits));
  const ci = total(inWidths), co = total(outWidths);
  return dense.map((value, i) => {
    const active = outs.has(i % co) && ins.has(Math.floor(i / co) % ci);
    return value * (active ? 1 : 0);
  });
}

/**
 * Some channels of an array whose last axis is channels.
 *
 * @param count Channels of `x`.
 * @returns `x` with `channels.length` channels.
 */
export function selectChannels(
  x: Float64Array,
  count: number,
  channels: readonly number[],
): Float64Array {
  const y = new Float64Array(x.length / count * channels.length);
  return y.map((_, i) => {
    const row = Math.floor(i / channels.length);
    return x[row * count + channels[i % channels.length]!]!;
  });
}

/** The adjoint of `selectChannels`: back to `count` channels, the others 0. */
export function placeChannels(
  y: Float64Array,
  count: number,
  channels: readonly number[],
): Float64Array {
  const x = new Float64Array(y.length / channels.length * count);
  y.forEach((value, i) => {
    const row = Math.floor(i / channels.length);
    x[row * count + channels[i % channels.length]!] = value;
  });
  return x;
}
