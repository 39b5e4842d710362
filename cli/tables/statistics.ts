/** Values of repeated runs. */

/** One value of each seed. */
export type BySeed = ReadonlyMap<number, number>;

export interface Summary {
  mean: number;
  /** Sample standard deviation; undefined of a single value. */
  spread: number | undefined;
  count: number;
}

/** Mean and sample standard deviation (n - 1); undefined of nothing. */
export function summarize(values: Iterable<number>): Summary | undefined {
  const list = [...values];
  if (list.length === 0) return undefined;
  const mean = meanOf(list);
  const squares = list.map((value) => (value - mean) ** 2);
  const spread = list.length > 1 ? Math.sqrt(sum(squares) / (list.length - 1)) : undefined;
  return { mean, spread, count: list.length };
}

/** The middle value, or the mean of the two in the middle; NaN of nothing. */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length / 2;
  return meanOf(sorted.slice(Math.ceil(middle - 1), Math.floor(middle + 1)));
}

/** For each seed that all have, the mean over them. */
export function averageBySeed(all: readonly BySeed[]): BySeed {
  return combine(all, meanOf);
}

/** For each seed that both have, `a` minus `b`. */
export function differenceBySeed(a: BySeed, b: BySeed): BySeed {
  return combine([a, b], ([left, right]) => left! - right!);
}

function combine(all: readonly BySeed[], value: (values: number[]) => number): BySeed {
  const [first, ...others] = all;
  const seeds = [...first?.keys() ?? []].filter((seed) => others.every((one) => one.has(seed)));
  return new Map(seeds.map((seed) => [seed, value(all.map((one) => one.get(seed)!))]));
}

export function meanOf(values: readonly number[]): number {
  return sum(values) / values.length;
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
