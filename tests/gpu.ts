import { prepareAdapter } from "../cli/adapter.ts";
import type { Driver } from "../nn/gpu/chooser.ts";
import { Gpu } from "../nn/gpu/gpu.ts";

const opened = new Map<Driver | undefined, Promise<Gpu>>();

/**
 * The device that all tests of a file share, opened at the limits that WebGPU guarantees everywhere,
 * on the adapter that the command line would choose.
 *
 * @param driver What kernels are tuned for; default: the adapter.
 */
export function testGpu(driver?: Driver): Promise<Gpu> {
  let gpu = opened.get(driver);
  if (!gpu) opened.set(driver, gpu = open(driver));
  return gpu;
}

async function open(driver?: Driver): Promise<Gpu> {
  await prepareAdapter();
  const gpu = await Gpu.open({ limits: "default", driver });
  addEventListener("unload", () => gpu.destroy());
  return gpu;
}
