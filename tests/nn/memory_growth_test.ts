import { assert } from "@std/assert";
import { constant } from "../../nn/init.ts";
import { augment, packedLength } from "../../nn/ops/augment.ts";
import { linear } from "../../nn/ops/linear.ts";
import { ParamStore } from "../../nn/params.ts";
import { Tape } from "../../nn/tape.ts";
import { testGpu } from "../gpu.ts";

/** Runs before the first measurement, in which pools fill, and after it. */
const WARM_UP = 50;
const RUNS = 200;

/**
 * A driver can lose what a kernel works with: lavapipe (Mesa 22.3) does in loops that it does not
 * unroll under a branch. Each kernel here once lost over 45 MB in these runs.
 */
async function assertNoGrowth(tape: Tape): Promise<void> {
  const plan = await tape.compile("growth");
  const run = async (times: number) => {
    for (let i = 0; i < times; i++) {
      plan.run();
      if (i % 25 === 24) await tape.gpu.settle(); // what is under way holds memory, too
    }
  };
  await run(WARM_UP);
  const { rss } = Deno.memoryUsage();
  await run(RUNS);
  const grown = Deno.memoryUsage().rss - rss;
  plan.destroy();
  assert(grown < 20e6, `the process grew by ${grown} bytes`);
}

Deno.test("turning bytes into network input does not make the process grow", async () => {
  const image = { height: 32, width: 32, channels: 3 };
  const tape = new Tape(await testGpu());
  const bytes = tape.input("bytes", [packedLength(16, image)]);
  const matrices = tape.input("matrices", [16, 12]);
  augment(tape, bytes, matrices, tape.constant("normalization", new Float32Array(8)), image);
  await assertNoGrowth(tape);
});

Deno.test("a fully connected layer's gradients do not make the process grow", async () => {
  const gpu = await testGpu();
  const store = new ParamStore(gpu, 1);
  const weight = store.param("weight", [32, 5], constant(1), { decay: true });
  const bias = store.param("bias", [5], constant(1), { decay: true });
  await store.allocate();
  const tape = new Tape(gpu);
  const y = linear(tape, store, tape.input("x", [16, 32], true), weight, bias);
  tape.setGradient(y, y);
  tape.backward();
  await assertNoGrowth(tape);
  store.destroy();
});
