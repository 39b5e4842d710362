import { globalAveragePoolKernel } from "../../shaders/global_average_pool.ts";
import type { Tape } from "../tape.ts";
import type { Tensor } from "../tensor.ts";
import { checkMap } from "./channels.ts";

/** Mean over the pixels of each picture: [n, h, w, c] to [n, c]. */
export function globalAveragePool(tape: Tape, x: Tensor): Tensor {
  checkMap("globalAveragePool", x);
  const shape = [x.shape[0]!, x.shape[3]!];
  const { y } = tape.run(globalAveragePoolKernel, { x }, { y: shape }, {
    gradient: false,
  });
  if (!x.needsGradient) return y;
  tape.onBackward(y, (dy) => {
    const { y: dx } = tape.run(
      globalAveragePoolKernel,
      { x: dy },
      { y: x.shape },
      { gradient: true },
    );
    tape.setGradient(x, tape.sum(tape.gradient(x), dx));
  });
  return y;
}
