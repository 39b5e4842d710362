/** Single ops of this project, each compiled to a plan that reads tensors which stay on the device. */
import type { Gpu } from "../../nn/gpu/gpu.ts";
import { compilePlan, type Plan } from "../../nn/gpu/plan.ts";
import { rows } from "../../nn/init.ts";
import { batchNorm } from "../../nn/ops/batch_norm.ts";
import { recordConvPass } from "../../nn/ops/conv_pass.ts";
import { matmul } from "../../nn/ops/matmul.ts";
import { ParamStore } from "../../nn/params.ts";
import { Tape } from "../../nn/tape.ts";
import type { Tensor } from "../../nn/tensor.ts";
import { type Shape, size } from "../../shaders/kernel.ts";
import type { Job } from "../contender.ts";
import type { Conv, Work } from "../workloads.ts";
import { uniform } from "../wrn.ts";
import { OP_SEEDS, rootMeanSquare } from "./operands.ts";

/** Buffers with the operands of an op. */
class Operands {
  readonly #buffers: GPUBuffer[] = [];
  constructor(readonly gpu: Gpu) {}

  /** A tensor of random numbers, uploaded now. */
  tensor(tape: Tape, label: string, shape: Shape, seed: number): Tensor {
    const buffer = this.gpu.buffer(label, 4 * size(shape));
    this.#buffers.push(buffer);
    const values = uniform(seed, size(shape)) as Float32Array<ArrayBuffer>;
    this.gpu.device.queue.writeBuffer(buffer, 0, values);
    return tape.bound(label, shape, buffer);
  }

  free(): void {
    for (const buffer of this.#buffers) this.gpu.free(buffer);
  }
}

function job(
  plan: Plan,
  { operands, store }: { operands: Operands; store?: ParamStore },
  result: () => Promise<Float32Array>,
): Job {
  return {
    run: () => plan.run(),
    settle: () => plan.gpu.settle(),
    check: async () => rootMeanSquare(await result()),
    release() {
      plan.destroy();
      store?.destroy();
      operands.free();
    },
  };
}

export async function matmulJob(gpu: Gpu, n: number): Promise<Job> {
  const operands = new Operands(gpu);
  const tape = new Tape(gpu);
  const a = operands.tensor(tape, "a", [n, n], OP_SEEDS.x);
  const b = operands.tensor(tape, "b", [n, n], OP_SEEDS.weight);
  const y = tape.output(matmul(tape, a, b));
  const plan = await tape.compile("matmul");
  return job(plan, { operands }, () => plan.read(y));
}

export async function convJob(gpu: Gpu, work: Conv): Promise<Job> {
  const { pass, batch, size, ci, co, kernel, stride } = work;
  const operands = new Operands(gpu);
  const store = new ParamStore(gpu, 1);
  const taps = kernel ** 2;
  const weight = store.param(
    "weight",
    [taps, ci, co],
    (w) => w.set(uniform(OP_SEEDS.weight, w.length)),
    { decay: true, layout: { taps, inWidths: [ci], outWidths: [co] } },
  );
  await store.allocate();
  const padding = (kernel - 1) / 2;
  const shape = { pass, n: batch, h: size, w: size, ci, co, kernel, stride, padding };
  const { tape, dispatches, result } = recordConvPass(
    store,
    weight,
    shape,
    (tape, label, shape) => operands.tensor(tape, label, shape, OP_SEEDS[label]),
  );
  if (result) tape.output(result);
  const plan = await compilePlan(gpu, `conv2d ${pass}`, dispatches);
  return job(
    plan,
    { operands, store },
    async () => result ? await plan.read(result) : (await store.read("gradients")).get("weight")!,
  );
}

export async function batchNormJob(
  gpu: Gpu,
  { pass, batch, size, channels }: Extract<Work, { op: "batchNorm" }>,
): Promise<Job> {
  const operands = new Operands(gpu);
  const store = new ParamStore(gpu, 1);
  const affine = store.param("affine", [2, channels], rows(1, 0), { decay: true });
  const running = store.state("running", [2, channels], rows(0, 1));
  await store.allocate();
  const tape = new Tape(gpu);
  const shape = [batch, size, size, channels];
  const x = operands.tensor(tape, "x", shape, OP_SEEDS.x);
  x.needsGradient = pass === "both";
  const y = batchNorm(tape, store, x, affine, running, {
    training: true,
    momentum: 0.9,
    epsilon: 1e-5,
    relu: true,
  });
  let result = y;
  if (pass === "both") {
    tape.setGradient(y, operands.tensor(tape, "dy", shape, OP_SEEDS.dy));
    tape.backward();
    result = tape.gradient(x)!;
  }
  tape.output(result);
  const plan = await tape.compile(`batch norm ${pass}`);
  return job(plan, { operands, store }, () => plan.read(result));
}
