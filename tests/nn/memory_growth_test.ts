import { assert } from "@std/assert";
import { augment, packedLength } from "../../nn/ops/augment.ts";
import { Tape } from "../../nn/tape.ts";
import { testGpu } from "../gpu.ts";

/** Runs before the first measurement, in which pools fill, and after it. */
const WARM_UP = 50;
const RUNS = 200;

Deno.test("turning bytes into network input does not make the process grow", async () => {
  const image = { height: 32, width: 32, channels: 3 };
  const tape = new Tape(await testGpu());
  const bytes = tape.input("bytes", [packedLength(16, image)]);
  const matrices = tape.input("matrices", [16, 12]);
  augment(tape, bytes, matrices, tape.constant("normalization", new Float32Array(8)), image);
  const plan = await tape.compile("augment");
  const run = async (times: number) => {
    for (let i = 0; i < times; i++) plan.run();
    await tape.gpu.settle();
  };
  await run(WARM_UP);
  const { rss } = Deno.memoryUsage();
  await run(RUNS);
  const grown = Deno.memoryUsage().rss - rss;
  plan.destroy();
  // A driver that loses what the kernel works with loses 47 MB here.
  assert(grown < 20e6, `${grown} bytes`);
});
