import type { Scenario } from "./scenario.ts";

/**
 * Cuts the channels of every layer into units, which are disjoint and complete. Of `C` channels, unit
 * `i` of `k` (here from 0; people see IDs from 1) owns `[floor(i * C / k), floor((i + 1) * C / k))`, so
 * that units differ by at most one channel; or, where shares are given, those from `round(C * a)` to
 * `round(C * b)`, where `a` is the sum of the shares of the units before and `b` that with its own.
 *
 * Source: Kim, Ahn, Torr and Oh, CVPR 2019, Sec. 3.1; the even split is that of its experiments.
 */
export class UnitPartition {
  /**
   * Splits channels into units.
   *
   * @param shares "even", or each unit's part of the channels.
   * @throws {RangeError} If `units` is not a whole number of at least 1, or if the shares are not one
   *   for each unit, above 0, that add up to 1.
   */
  constructor(
    readonly units: number,
    readonly shares: "even" | readonly number[] = "even",
  ) {
    if (!Number.isInteger(units) || units < 1) {
      throw new RangeError(
        `UnitPartition: units must be a whole number of at least 1, got ${units}`,
      );
    }
    const problem = checkShares(shares, units);
    if (problem) throw new RangeError(`UnitPartition: shares ${problem}`);
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
    const offsets = this.all.map((unit) => this.#start(unit, channels));
    const empty = offsets.some((offset, unit) => offset === this.#start(unit + 1, channels));
    if (!Number.isInteger(channels) || empty) {
      const remedy = this.shares === "even"
        ? `use at least ${this.units} channels or fewer units`
        : `use more channels, fewer units or more equal shares than [${this.shares}]`;
      throw new RangeError(
        `${layer}: ${channels} channels cannot give each of ${this.units} units at least one; ` +
          remedy,
      );
    }
    return offsets;
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

  /** First channel of a unit; of the one after the last, the number of channels. */
  #start(unit: number, channels: number): number {
    if (this.shares === "even") return Math.floor(unit * channels / this.units);
    if (unit === this.units) return channels; // whatever the rounding errors of the sum
    const before = this.shares.slice(0, unit).reduce((sum, share) => sum + share, 0);
    return Math.round(channels * before);
  }
}

/** How a scenario cuts its layers. @throws {RangeError} As the constructor of {@linkcode UnitPartition}. */
export function scenarioPartition(
  { units, unitShares }: Pick<Scenario, "units" | "unitShares">,
): UnitPartition {
  return new UnitPartition(units, unitShares);
}

/** What is wrong with the units' shares, as the end of a sentence; `undefined` if nothing is. */
export function checkShares(
  shares: "even" | readonly number[],
  units: number,
): string | undefined {
  if (shares === "even") return;
  const sum = shares.reduce((sum, share) => sum + share, 0);
  const positive = shares.every((share) => share > 0);
  if (shares.length === units && positive && Math.abs(sum - 1) <= 1e-6) return;
  return `must be one number above 0 for each of ${units} units that add up to 1, got [${shares}]` +
    (shares.length === units && positive ? `, which add up to ${sum}` : "");
}
