/** The operands of single ops: numbers that all contenders draw alike, channels last. */

/** Of `uniform()`. Weights of a convolution are [kernel, kernel, ci, co]. */
export const OP_SEEDS = { x: 1, weight: 2, dy: 3 };

/** By which contenders are compared, whatever the order of their axes. */
export function rootMeanSquare(values: Float32Array): number {
  return Math.sqrt(values.reduce((total, value) => total + value * value, 0) / values.length);
}
