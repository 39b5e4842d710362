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
  // The next file of this process chooses again: its drivers are its own, its environment is not.
  const environment = Deno.env.toObject();
  await prepareAdapter();
  const gpu = await Gpu.open({ limits: "default" });
  for (const name of Object.keys(Deno.env.toObject())) {
    if (!(name in environment)) Deno.env.delete(name);
  }
  addEventListener("unload", () => gpu.destroy());
  return gpu;
}
