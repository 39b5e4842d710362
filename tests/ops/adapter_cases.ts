import { assert, assertEquals, assertRejects } from "@std/assert";
import { ShaderError } from "../../nn/gpu/errors.ts";
import type { Gpu } from "../../nn/gpu/gpu.ts";
import { Tape } from "../../nn/tape.ts";
import { defineKernel, grid, LANES, size } from "../../shaders/kernel.ts";
import type { OpCase } from "./harness.ts";
import wgsl from "./ramp.wgsl" with { type: "text" };

const rampKernel = defineKernel<{ step: number }>({
  label: "ramp",
  wgsl,
  bindings: { y: "write" },
  constants: (_, { step }) => ({ STEP: step }),
  workgroups: ({ y }) => grid(size(y!)),
});

async function ramp(
  gpu: Gpu,
  length: number,
  step: number,
): Promise<Float32Array> {
  const tape = new Tape(gpu);
  const { y } = tape.run(rampKernel, {}, { y: [length] }, { step });
  tape.output(y);
  const plan = await tape.compile("ramp");
  try {
    plan.run();
    return await plan.read(y);
  } finally {
    plan.destroy();
  }
}

/** What every op relies on: the limits, a dispatch, and that errors do not pass in silence. */
export const adapterCases: OpCase[] = [
  {
    name: "adapter: the device has WebGPU's default limits and no more",
    run: ({ device: { limits } }) => {
      assertEquals(limits.maxStorageBuffersPerShaderStage, 8);
      assertEquals(limits.maxComputeInvocationsPerWorkgroup, 256);
      assertEquals(limits.maxComputeWorkgroupStorageSize, 16384);
      assertEquals(limits.maxStorageBufferBindingSize, 128 * 2 ** 20);
      assertEquals(limits.maxBufferSize, 256 * 2 ** 20);
      return Promise.resolve();
    },
  },
  {
    name: "adapter: a dispatch writes a ragged number of elements",
    run: async (gpu) => {
      const step = 3;
      const y = await ramp(gpu, LANES + 5, step);
      assertEquals(y, Float32Array.from(y, (_, i) => i * step));
    },
  },
  {
    name: "adapter: more than 65535 workgroups reach every element",
    run: async (gpu) => {
      const y = await ramp(gpu, 65536 * LANES, 1);
      assertEquals(y.findIndex((value, i) => value !== i), -1);
    },
  },
  {
    name: "adapter: a shader that does not compile is an error that names it",
    run: async (gpu) => {
      const broken = defineKernel({
        label: "broken",
        wgsl: "@compute @workgroup_size(1)\nfn main() { let x: u32 = 1.5; }",
        bindings: {},
        workgroups: () => [1, 1, 1],
      });
      const tape = new Tape(gpu);
      tape.run(broken, {}, {}, undefined);
      const error = await assertRejects(
        () => tape.compile("plan"),
        ShaderError,
      );
      assert(error.message.startsWith("broken: "), error.message);
    },
  },
];
