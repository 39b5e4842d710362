import type { Shape } from "../../shaders/kernel.ts";
import type { ConvShape } from "../gpu/chooser.ts";
import type { Param, ParamStore } from "../params.ts";
import { Tape } from "../tape.ts";
import type { Dispatch, Tensor } from "../tensor.ts";
import { conv2d } from "./conv2d.ts";

/** One pass of a convolution, recorded by itself. */
export interface ConvPass {
  tape: Tape;
  /** Only the pass's own, to be compiled. */
  dispatches: Dispatch[];
  /** What it makes; none of a weight's gradient, which is left in the store. */
  result?: Tensor;
}

/**
 * Records one pass of a convolution without the others, to time it.
 *
 * @param weight [kernel * kernel, ci, co], one unit.
 * @param operand Gives what the pass reads: x [n, h, w, ci], or dy of the result's shape.
 */
export function recordConvPass(
  store: ParamStore,
  weight: Param,
  shape: ConvShape,
  operand: (tape: Tape, label: "x" | "dy", shape: Shape) => Tensor,
): ConvPass {
  const { pass, n, h, w, ci, kernel, stride, padding } = shape;
  const record = (needsDx: boolean): ConvPass => {
    const tape = new Tape(store.gpu);
    const xShape = [n, h, w, ci];
    // The data gradient does not read x.
    const x = pass === "dx" ? tape.input("x", xShape) : operand(tape, "x", xShape);
    x.needsGradient = needsDx;
    const y = conv2d(tape, store, x, weight, { kernel, stride, padding });
    if (pass === "forward") return { tape, dispatches: tape.dispatches, result: y };
    const forward = tape.dispatches.length;
    tape.setGradient(y, operand(tape, "dy", y.shape));
    tape.backward();
    return { tape, dispatches: tape.dispatches.slice(forward), result: tape.gradient(x) };
  };
  const recorded = record(pass === "dx");
  if (pass !== "dx") return recorded;
  // The weight's gradient, which comes first, cannot be turned off: take away what computes it.
  const labels = (dispatches: Dispatch[]) => dispatches.map(({ label }) => label).join();
  const { dispatches } = record(false);
  const first = recorded.dispatches.slice(0, dispatches.length);
  if (labels(first) !== labels(dispatches)) {
    throw new Error(
      `conv2d records ${labels(first)} backward where x needs a gradient, and ` +
        `${labels(dispatches)} where not; mend recordConvPass(), which takes them for the same`,
    );
  }
  return { ...recorded, dispatches: recorded.dispatches.slice(dispatches.length) };
}
