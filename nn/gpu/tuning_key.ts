import * as conv2dKernels from "../../shaders/conv2d.ts";
import * as winogradKernels from "../../shaders/winograd.ts";
import type { Gpu } from "./gpu.ts";

/** Modules whose kernels are chosen between: choices are measured with these sources. */
const MODULES: readonly Readonly<Record<string, unknown>>[] = [conv2dKernels, winogradKernels];

/**
 * What choices hold for: adapter, what its kernels are tuned for, and the kernels' sources. Choices that
 * were measured under another key say nothing here.
 */
export function tuningKey({ info, driver }: Pick<Gpu, "info" | "driver">): string {
  const { vendor, architecture, device, description } = info;
  const name = [vendor, architecture, device, description].filter(Boolean).join(" ");
  return `${name || "unnamed adapter"}; tuned as ${driver}; kernels ${kernelsHash()}`;
}

let hash: string | undefined;

/** Of all sources; FNV-1a, 32 bits. */
function kernelsHash(): string {
  if (hash) return hash;
  let bits = 0x811c9dc5;
  for (const module of MODULES) {
    for (const kernel of Object.values(module)) {
      const { wgsl = "" } = kernel as { wgsl?: string };
      for (let i = 0; i < wgsl.length; i++) {
        bits = Math.imul(bits ^ wgsl.charCodeAt(i), 0x01000193);
      }
    }
  }
  return hash = (bits >>> 0).toString(16).padStart(8, "0");
}
