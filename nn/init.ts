import type { Random } from "./random.ts";

/** Fills a new parameter. */
export type Initializer = (values: Float32Array, random: Random) => void;

/**
 * Xavier's uniform rule: in ±sqrt(6 / (fanIn + fanOut)).
 * Source: Glorot and Bengio, AISTATS 2010, eq. 16; the DVN paper's choice (Sec. 4.2).
 */
export function xavier(fanIn: number, fanOut: number): Initializer {
  const limit = Math.sqrt(6 / (fanIn + fanOut));
  return (values, random) => {
    for (let i = 0; i < values.length; i++) {
      values[i] = (2 * random.uniform() - 1) * limit;
    }
  };
}

/** All of one value. */
export function constant(value: number): Initializer {
  return (values) => {
    values.fill(value);
  };
}

/** All zeros. */
export const zeros: Initializer = constant(0);

/** For [2, channels] arrays: a row of `first`, then a row of `second`. */
export function rows(first: number, second: number): Initializer {
  return (values) => {
    values.fill(first, 0, values.length / 2);
    values.fill(second, values.length / 2);
  };
}
