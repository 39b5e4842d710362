/** `max(x, 0)`. */
export function relu(x: Float64Array): Float64Array {
  return x.map((value) => Math.max(value, 0));
}

/**
 * Gradient of the input: `dy` where the output is above 0. At 0 it is 0.
 *
 * @param y The output; the input does as well, having the same signs.
 */
export function reluGrad(dy: Float64Array, y: Float64Array): Float64Array {
  return dy.map((value, i) => y[i]! > 0 ? value : 0);
}
