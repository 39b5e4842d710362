/**
 * Finds something for WebGPU to run on: the machine's GPU, else an installed software Vulkan driver,
 * else SwiftShader from npm, so that a bare machine works too.
 *
 * @module
 */
import { isAbsolute } from "node:path";
import { AdapterError } from "../nn/gpu/errors.ts";
import {
  adapterAdvice,
  currentPlatform,
  lavapipeCommand,
  type Platform,
} from "./adapter/advice.ts";
import { defaultCacheDir, installSwiftShader, loadSwiftShader } from "./adapter/swiftshader.ts";
import { countVulkanDevices } from "./adapter/vulkan.ts";
import { UsageError } from "./args.ts";

export interface PreparedAdapter {
  kind: "gpu" | "system software" | "embedded software";
  /** One line for the user: name, class, the features that matter, and how to get a faster one. */
  line: string;
}

export interface AdapterOptions {
  /** Where SwiftShader is kept. Default: `$XDG_CACHE_HOME/dvn` or `~/.cache/dvn`. */
  cacheDir?: string;
  /**
   * "system": only what is installed. "embedded": SwiftShader whatever is installed. Default: the
   * environment variable `DVN_ADAPTER`, else the best there is.
   */
  force?: Force;
  /** Told what takes long, before it does. Default: stderr. */
  log?: (line: string) => void;
}

type Force = typeof FORCES[number];

const FORCES = ["embedded", "system"] as const;
const BACKENDS = "DENO_WEBGPU_BACKEND";
const FEATURES: readonly GPUFeatureName[] = ["timestamp-query", "shader-f16"];

/**
 * Chooses and loads the driver. Call it once, before anything else requests an adapter: the first
 * request fixes the drivers that this process sees.
 *
 * @throws {UsageError} If `DVN_ADAPTER` holds another word than "embedded" or "system".
 * @throws {AdapterError} If there is no adapter and none can be set up; it says what to do.
 */
export async function prepareAdapter(
  options: AdapterOptions = {},
): Promise<PreparedAdapter> {
  const {
    cacheDir = defaultCacheDir(),
    force = forceFromEnvironment(),
    log = (line) => console.error(line),
  } = options;
  const platform = currentPlatform();
  if (platform.os === "linux") {
    ensureRuntimeDir();
    await ensureShaderCache();
  }
  const embedded = await chooseDriver(platform, force, cacheDir, log);
  const adapter = await navigator.gpu.requestAdapter({
    powerPreference: "high-performance",
  });
  if (!adapter) {
    throw new AdapterError("adapter", noAdapter(platform, embedded));
  }
  return describe(adapter, embedded, platform);
}

/** SwiftShader is published for this system alone. */
export function hasEmbedded({ os, arch }: Platform): boolean {
  return os === "linux" && arch === "x86_64";
}

/** The error of a machine where no driver offers an adapter. */
export function noAdapter(platform: Platform, embedded: boolean): string {
  const { os, arch } = platform;
  const error = `no WebGPU adapter on ${os} ${arch}; ${adapterAdvice(platform)}`;
  return embedded || !hasEmbedded(platform)
    ? error
    : `${error}; or set DVN_ADAPTER=embedded to use SwiftShader from npm`;
}

/** The error of asking for SwiftShader where it is not published. */
export function notEmbedded(platform: Platform): string {
  const { os, arch } = platform;
  return `DVN_ADAPTER=embedded needs linux x86_64, and this is ${os} ${arch}; ` +
    `unset it, and if that finds no adapter, ${adapterAdvice(platform)}`;
}

/** Returns whether it is the embedded one. */
async function chooseDriver(
  platform: Platform,
  force: Force | undefined,
  cacheDir: string,
  log: (line: string) => void,
): Promise<boolean> {
  if (force === "embedded" && !hasEmbedded(platform)) {
    throw new AdapterError("adapter", notEmbedded(platform));
  }
  // WebGPU needs Vulkan on Linux only, and there too its user may prefer OpenGL.
  const named = Deno.env.get(BACKENDS);
  if (platform.os !== "linux" || (!force && named && !/vulkan/.test(named))) {
    return false;
  }
  const installed = force !== "embedded" && countVulkanDevices() > 0;
  const embedded = !installed && force !== "system" && hasEmbedded(platform);
  if (embedded) loadSwiftShader(await installSwiftShader(cacheDir, log));
  // With a Vulkan device at hand, OpenGL would add only time and messages of its own.
  if (installed || embedded) Deno.env.set(BACKENDS, "vulkan");
  return embedded;
}

function describe(
  adapter: GPUAdapter,
  embedded: boolean,
  platform: Platform,
): PreparedAdapter {
  const { vendor, architecture, device, description, isFallbackAdapter } = adapter.info;
  const name = description ||
    [vendor, architecture, device].filter(Boolean).join(" ");
  const features = FEATURES.filter((feature) => adapter.features.has(feature));
  const has = features.length > 0 ? features.join(", ") : "none of " + FEATURES.join(", ");
  if (embedded) {
    return {
      kind: "embedded software",
      line: `Adapter: ${name}, software from npm; ${has}. Several times slower than Mesa's ` +
        `lavapipe, which root gets with: ${lavapipeCommand(platform)}`,
    };
  }
  return isFallbackAdapter
    ? { kind: "system software", line: `Adapter: ${name}, software; ${has}` }
    : { kind: "gpu", line: `Adapter: ${name}, gpu; ${has}` };
}

function forceFromEnvironment(): Force | undefined {
  const value = Deno.env.get("DVN_ADAPTER");
  if (!value) return undefined;
  const force = FORCES.find((name) => name === value);
  if (force) return force;
  const known = FORCES.map((name) => `"${name}"`).join(" or ");
  throw new UsageError(
    `DVN_ADAPTER is "${value}"; it must be ${known}, or unset for the best ` +
      "adapter there is",
  );
}

/**
 * Sets `XDG_RUNTIME_DIR` where it is not (root, a container, a cron job): each request for an adapter
 * has Mesa's device selection look for a Wayland display there, and complain on stderr if the variable
 * is unset. In a file it finds none, in silence, and there is no folder to clean up.
 */
function ensureRuntimeDir(): void {
  if (isAbsolute(Deno.env.get("XDG_RUNTIME_DIR") ?? "")) return;
  Deno.env.set("XDG_RUNTIME_DIR", "/dev/null");
}

/**
 * Makes the folder that Mesa keeps compiled shaders under, or has it keep none: it makes only the last
 * part of the path itself, and complains on stderr if that fails.
 */
async function ensureShaderCache(): Promise<void> {
  const told = ["MESA_SHADER_CACHE_DIR", "MESA_SHADER_CACHE_DISABLE"].some((name) =>
    Deno.env.get(name)
  );
  if (told) return;
  try {
    await Deno.mkdir(defaultCacheDir(), { recursive: true }); // beside Mesa's: both or neither can be made
  } catch {
    Deno.env.set("MESA_SHADER_CACHE_DISABLE", "true");
  }
}
