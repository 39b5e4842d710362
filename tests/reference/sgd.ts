import { checkLength } from "./shape.ts";

/** Settings of one update. */
export interface Sgd {
  learningRate: number;
  /** Nesterov momentum. */
  momentum: number;
  /** Multiplies the weights into the gradient: L2, not decoupled. */
  weightDecay: number;
}

/**
 * One step of SGD with Nesterov momentum, as PyTorch defines it (dampening 0):
 * `g = gradient + decay w; v = momentum v + g; w -= rate (g + momentum v)`.
 *
 * @param velocity 0 before the first step.
 * @returns The new weights and velocity; the inputs stay as they are.
 */
export function sgd(
  weights: Float64Array,
  velocity: Float64Array,
  gradient: Float64Array,
  { learningRate, momentum, weightDecay }: Sgd,
): { weights: Float64Array; velocity: Float64Array } {
  checkLength("sgd: velocity", velocity, [weights.length]);
  checkLength("sgd: gradient", gradient, [weights.length]);
  const g = gradient.map((value, i) => value + weightDecay * weights[i]!);
  const v = velocity.map((value, i) => momentum * value + g[i]!);
  return {
    weights: weights.map((value, i) => value - learningRate * (g[i]! + momentum * v[i]!)),
    velocity: v,
  };
}
