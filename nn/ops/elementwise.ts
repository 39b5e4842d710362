import { size } from "../../shaders/kernel.ts";
import { elementwiseKernel } from "../../shaders/elementwise.ts";
import { ShapeError } from "../gpu/errors.ts";
import type { Tape } from "../tape.ts";
import type { Tensor } from "../tensor.ts";

/** max(x, 0), element by element. The gradient at 0 is 0. Sizes are multiples of 4. */
export function relu(tape: Tape, x: Tensor): Tensor {
  check("relu", x, x);
  const { y } = tape.run(elementwiseKernel, { a: x, b: x }, { y: x.shape }, {
    op: "relu",
  });
  if (!x.needsGradient) return y;
  tape.onBackward(y, (dy) => {
    const inputs = { a: y, b: dy };
    const { y: dx } = tape.run(elementwiseKernel, inputs, { y: x.shape }, {
      op: "reluGradient",
    });
    tape.setGradient(x, tape.sum(tape.gradient(x), dx));
  });
  return y;
}

/** a + b, element by element; both of one shape. Sizes are multiples of 4. */
export function add(tape: Tape, a: Tensor, b: Tensor): Tensor {
  check("add", a, b);
  const { y } = tape.run(elementwiseKernel, { a, b }, { y: a.shape }, {
    op: "add",
  });
  const wanting = [a, b].filter(({ needsGradient }) => needsGradient);
  if (wanting.length === 0) return y;
  tape.onBackward(y, (dy) => {
    for (const x of wanting) {
      tape.setGradient(x, tape.sum(tape.gradient(x), dy));
    }
  });
  return y;
}

function check(op: string, a: Tensor, b: Tensor): void {
  if (a.shape.join() !== b.shape.join() || size(a.shape) % 4) {
    throw new ShapeError(
      `${op}: operands must have one shape and a multiple of 4 elements, got [${a.shape}] and ` +
        `[${b.shape}]; maps store their channels padded to a multiple of 4`,
    );
  }
}
