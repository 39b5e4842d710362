/**
 * What reading through textures gains on this adapter: one 3x3 convolution (32 images of 32x32, 64 to
 * 64 channels, 2.4 GFLOP), its inputs read from buffers and through textures, run in turn.
 *
 *     deno task bench:texture-reads
 *
 * Both compute it directly, with the same tile. About half a minute with
 * lavapipe.
 *
 * @module
 */
import { runCommand } from "../cli/args.ts";
import { prepareAdapter } from "../cli/adapter.ts";
import { conv2d } from "../nn/ops/conv2d.ts";
import type { Driver } from "../nn/gpu/chooser.ts";
import { Gpu } from "../nn/gpu/gpu.ts";
import type { Plan } from "../nn/gpu/plan.ts";
import { xavier } from "../nn/init.ts";
import { ParamStore } from "../nn/params.ts";
import { Random } from "../nn/random.ts";
import { Tape } from "../nn/tape.ts";

const SHAPE = [32, 32, 32, 64] as const;
const TAPS = 9;
const RUNS = 7;

async function convolution(driver: Driver): Promise<Plan> {
  const gpu = await Gpu.open({ driver });
  gpu.tuning.prefer = "direct";
  const store = new ParamStore(gpu, 1);
  const [, , , c] = SHAPE;
  const layout = { taps: TAPS, inWidths: [c], outWidths: [c] };
  const weight = store.param("weight", [TAPS, c, c], xavier(TAPS * c, TAPS * c), {
    decay: true,
    layout,
  });
  await store.allocate();
  const tape = new Tape(gpu);
  const x = tape.input("x", SHAPE);
  tape.output(conv2d(tape, store, x, weight, { kernel: 3, stride: 1, padding: 1 }));
  const plan = await tape.compile("convolution");
  xavier(c, c)(plan.input(x, Float32Array), new Random(2));
  return plan;
}

async function main(): Promise<number> {
  const { line } = await prepareAdapter();
  console.log(line);
  // "gpu" reads from buffers, and has the tile of "lavapipe".
  const plans = { buffers: await convolution("gpu"), textures: await convolution("lavapipe") };
  const flops = 2 * SHAPE.reduce((product, extent) => product * extent, 1) * TAPS * SHAPE[3];
  const times = { buffers: [] as number[], textures: [] as number[] };
  for (let run = 0; run <= RUNS; run++) {
    for (const path of ["buffers", "textures"] as const) {
      const start = performance.now();
      plans[path].run();
      await plans[path].gpu.settle();
      if (run > 0) times[path].push(performance.now() - start); // the first one warms up
    }
  }
  const median = (values: number[]) => values.sort((a, b) => a - b)[Math.floor(RUNS / 2)]!;
  const [slow, fast] = [median(times.buffers), median(times.textures)];
  for (const [path, ms] of [["buffers", slow], ["textures", fast]] as const) {
    console.log(`${path}: ${ms.toFixed(0)} ms, ${(flops / ms / 1e6).toFixed(1)} GFLOP/s`);
  }
  console.log(`textures are ${(slow / fast).toFixed(1)} times as fast`);
  return 0;
}

if (import.meta.main) await runCommand(main);
