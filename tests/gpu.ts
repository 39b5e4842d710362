import { prepareAdapter } from "../cli/adapter.ts";
import { Gpu } from "../nn/gpu/gpu.ts";

let opened: Promise<Gpu> | undefined;

/**
 * The device that all tests of a file share, opened at the limits that WebGPU guarantees everywhere,
 * on the adapter that the command line would choose.
 */
export function testGpu(): Promise<Gpu> {
  return opened ??= open();
}

async function open(): Promise<Gpu> {
  await prepareAdapter();
  const gpu = await Gpu.open({ limits: "default" });
  addEventListener("unload", () => gpu.destroy());
  return gpu;
}
