import { assert, assertEquals } from "@std/assert";
import { autotune } from "../../nn/gpu/autotune.ts";
import type { ConvShape } from "../../nn/gpu/chooser.ts";
import { describeChoice, shapeKey } from "../../nn/gpu/tuning.ts";
import type { OpCase } from "./harness.ts";

/** By the adapter's own clock; what follows from the times, tests/nn/autotune_test.ts tests. */
export const autotuneCases: OpCase[] = (["forward", "dx", "dw"] as const).map((pass) => ({
  name: `autotune: every way to compute a convolution is timed: ${pass}`,
  onceInBrowsers: true,
  run: async (gpu) => {
    // No other case has it, so that no other gets the choice.
    const shape: ConvShape = {
      pass,
      ...{ n: 3, h: 9, w: 7, ci: 12, co: 16 },
      ...{ kernel: 3, stride: 1, padding: 1 },
    };
    const held = gpu.bytesHeld;
    const [record] = await Array.fromAsync(autotune(gpu, [shape]));
    assertEquals(gpu.bytesHeld, held);
    const { candidates, failed, choice } = record!;
    assertEquals(failed, []);
    const algorithms = ["direct", "winograd", ...gpu.driver === "gpu" ? ["shared"] : []];
    assertEquals(new Set(candidates.map(({ choice }) => choice.algorithm)), new Set(algorithms));
    for (const { choice, milliseconds } of candidates) {
      const isTime = milliseconds > 0 && milliseconds < 60_000;
      assert(isTime, `${describeChoice(choice)}: ${milliseconds} ms`);
    }
    assertEquals(gpu.tuning.state.pinned[shapeKey(shape)], choice);
  },
}));
