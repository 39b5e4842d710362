import type { Format } from "../../nn/tensor.ts";
import * as reference from "../reference/mod.ts";

/** Uniform values in [-1, 1], each exactly a number of the format. */
export function randomMap(shape: reference.Shape, seed: number, format: Format): Float64Array {
  const values = reference.random(shape, seed);
  return format === "f32" ? values : Float64Array.from(new Float16Array(values));
}

/** The tolerance of results that are then stored in a format: one rounding more. */
export function stored(tolerance: reference.Tolerance, format: Format): reference.Tolerance {
  if (format === "f32") return tolerance;
  const { rtol, atol } = tolerance;
  return { rtol: rtol + 2 ** -11, atol: atol + 2 ** -25 }; // half a unit in the last place
}
