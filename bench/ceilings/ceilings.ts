/** What an adapter can do at best: multiply-adds on registers, and copies. */
import type { Gpu } from "../../nn/gpu/gpu.ts";
import type { Plan } from "../../nn/gpu/plan.ts";
import { Tape } from "../../nn/tape.ts";
import { defineKernel, grid, size } from "../../shaders/kernel.ts";
import type { Job } from "../contender.ts";
import { COPY_BYTES, type Work } from "../workloads.ts";
import copyWgsl from "./copy.wgsl" with { type: "text" };
import fmaWgsl from "./fma.wgsl" with { type: "text" };

const fmaKernel = defineKernel<{ vectors: number; each: number }>({
  label: "fma",
  wgsl: fmaWgsl,
  bindings: { y: "write" },
  constants: (_, { vectors, each }) => ({ VECTORS: vectors, ROUNDS: each / vectors }),
  workgroups: ({ y }) => grid(y![0]!),
});

const copyKernel = defineKernel({
  label: "copy",
  wgsl: copyWgsl,
  bindings: { x: "read", y: "write" },
  workgroups: ({ y }) => grid(size(y!) / 4),
});

/** Sums that a lane keeps, vec4 each: too few wait for each other, too many leave the registers. */
const VECTORS = [2, 4, 8];

/** Multiply-adds, with the number of sums that is fastest here. */
export async function fma(
  gpu: Gpu,
  { lanes, each }: Extract<Work, { op: "fma" }>,
): Promise<Job> {
  let best: { plan: Plan; ms: number } | undefined;
  for (const vectors of VECTORS) {
    const tape = new Tape(gpu);
    tape.run(fmaKernel, {}, { y: [lanes, 4] }, { vectors, each });
    const plan = await tape.compile("fma");
    let ms = Infinity;
    for (let run = 0; run < 3; run++) {
      const start = performance.now();
      plan.run();
      await gpu.settle();
      ms = Math.min(ms, performance.now() - start);
    }
    if (best && best.ms <= ms) plan.destroy();
    else {
      best?.plan.destroy();
      best = { plan, ms };
    }
  }
  const { plan } = best!;
  return { run: () => plan.run(), settle: () => gpu.settle(), release: () => plan.destroy() };
}

/** A copy of a buffer, by a kernel or by `copyBufferToBuffer`. */
export async function copy(gpu: Gpu, by: "shader" | "queue"): Promise<Job> {
  const from = gpu.buffer("copied", COPY_BYTES);
  const to = gpu.buffer("copy", COPY_BYTES);
  const tape = new Tape(gpu);
  const bound = (buffer: GPUBuffer) => tape.bound(buffer.label, [COPY_BYTES / 4], buffer);
  const { y } = tape.run(copyKernel, { x: bound(from) }, { y: [COPY_BYTES / 4] }, undefined);
  y.home = bound(to).home;
  const plan = await tape.compile("copy");
  const copyByQueue = () => {
    const encoder = gpu.device.createCommandEncoder();
    encoder.copyBufferToBuffer(from, 0, to, 0, COPY_BYTES);
    gpu.device.queue.submit([encoder.finish()]);
  };
  return {
    run: by === "shader" ? () => plan.run() : copyByQueue,
    settle: () => gpu.settle(),
    release() {
      plan.destroy();
      gpu.free(from);
      gpu.free(to);
    },
  };
}
