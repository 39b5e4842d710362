import { Gpu } from "../../nn/gpu/gpu.ts";
import { libraryStep, type StepResult, type StepVectors } from "../dvn/reference_step.ts";

/** One step on one device. */
export interface VectorRun {
  /** The adapter in one line. */
  adapter: string;
  /** "default": a device that was asked for no limits. */
  limits: "default" | "max";
  /** That the device has, in bytes. */
  maxStorageBufferBindingSize: number;
  result: StepResult;
}

/** The step at WebGPU's default limits and at the adapter's own. */
export async function runVectors(vectors: StepVectors): Promise<VectorRun[]> {
  const runs: VectorRun[] = [];
  for (const limits of ["default", "max"] as const) {
    const gpu = await Gpu.open({ limits });
    try {
      const result = await libraryStep(gpu, vectors);
      const { maxStorageBufferBindingSize } = gpu.device.limits;
      runs.push({ adapter: gpu.describe(), limits, maxStorageBufferBindingSize, result });
    } finally {
      gpu.destroy();
    }
  }
  return runs;
}
