/**
 * Cuts the channels of every layer into units: of `C` channels, unit `i` of `k` (here from 0; people
 * see IDs from 1) owns `[floor(i * C / k), floor((i + 1) * C / k))`. Units are disjoint, complete and
 * differ by at most one channel.
 *
 * Source: Kim, Ahn, Torr and Oh, CVPR 2019, Sec. 3.1; the even split is that of its experiments.
 */
export class UnitPartition {
  /** @throws {RangeError} If `units` is not a whole number of at least 1. */
  constructor(readonly units: number) {
    if (!Number.isInteger(units) || units < 1) {
      throw new RangeError(
        `UnitPartition: units must be a whole number of at least 1, got ${units}`,
      );
    }
  }

  /** All units, from 0. */
  get all(): number[] {
    return Array.from({ length: this.units }, (_, unit) => unit);
  }

  /**
   * First channel of each unit.
   *
   * @param layer Names the layer in errors.
   * @throws {RangeError} If a unit would have no channel.
   */
  offsets(channels: number, layer = "a layer"): number[] {
    if (!Number.isInteger(channels) || channels < this.units) {
      throw new RangeError(
        `${layer}: ${channels} channels cannot give each of ${this.units} units at least one; ` +
          `use at least ${this.units} channels or fewer units`,
      );
    }
    return this.all.map((unit) => this.#start(unit, channels));
  }

  /** Channels of each unit. @throws {RangeError} As `offsets()`. */
  widths(channels: number, layer?: string): number[] {
    return this.offsets(channels, layer).map((offset, unit) => {
      return this.#start(unit + 1, channels) - offset;
    });
  }

  /**
   * The channels that some units own, unit after unit in the order given.
   *
   * @param active Units from 0, each at most once.
   * @throws {RangeError} As `offsets()`, or if a unit does not exist or is given twice.
   */
  channelsOf(
    channels: number,
    active: readonly number[],
    layer?: string,
  ): number[] {
    const offsets = this.offsets(channels, layer);
    return active.flatMap((unit, position) => {
      const offset = offsets[unit];
      if (offset === undefined || active.indexOf(unit) !== position) {
        throw new RangeError(
          `UnitPartition: active units must be distinct and in [0, ${this.units}), got [${active}]`,
        );
      }
      const width = this.#start(unit + 1, channels) - offset;
      return Array.from({ length: width }, (_, channel) => offset + channel);
    });
  }

  #start(unit: number, channels: number): number {
    return Math.floor(unit * channels / this.units);
  }
}
