import type { Initializer } from "../../nn/init.ts";

/** Gives a parameter or a state these values. */
export function fill(values: ArrayLike<number>): Initializer {
  return (array) => {
    if (array.length !== values.length) {
      throw new RangeError(
        `fill: the array has ${array.length} values, got ${values.length}`,
      );
    }
    array.set(values);
  };
}
