import { checkLength } from "./shape.ts";

/** Sum of two arrays of one shape. */
export function add(a: Float64Array, b: Float64Array): Float64Array {
  checkLength("add: b", b, [a.length]);
  return a.map((value, i) => value + b[i]!);
}

/** Gradients of both inputs: `dy` itself. */
export function addGrad(
  dy: Float64Array,
): { da: Float64Array; db: Float64Array } {
  return { da: dy.slice(), db: dy.slice() };
}
