import { delimiter, join } from "node:path";
import { type Browser, chromium } from "playwright-core";

const NAMES = [
  "chromium",
  "chromium-browser",
  "google-chrome",
  "google-chrome-stable",
];

/**
 * The Chromium to test in: `CHROMIUM_PATH`, else one in `PATH`, else Playwright's.
 *
 * @throws {Error} If `CHROMIUM_PATH` names no file.
 */
export async function findChromium(): Promise<string | undefined> {
  const chosen = Deno.env.get("CHROMIUM_PATH");
  if (chosen) {
    if (await isFile(chosen)) return chosen;
    throw new Error(
      `CHROMIUM_PATH is ${chosen}, where there is no file; mend or unset it`,
    );
  }
  const folders = (Deno.env.get("PATH") ?? "").split(delimiter);
  const candidates = folders.flatMap((folder) => NAMES.map((name) => join(folder, name)));
  candidates.push(
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
  );
  candidates.push(chromium.executablePath());
  for (const path of candidates) if (await isFile(path)) return path;
}

async function isFile(path: string): Promise<boolean> {
  try {
    return (await Deno.stat(path)).isFile;
  } catch {
    return false;
  }
}

/**
 * Starts Chromium without a window, with WebGPU on its own SwiftShader: the same on every machine.
 *
 * @param env Its environment; one that names Vulkan drivers would keep it from its own.
 */
export function launchChromium(
  executablePath: string,
  env = Deno.env.toObject(),
): Promise<Browser> {
  return chromium.launch({
    executablePath,
    env,
    timeout: 180_000,
    // Playwright itself turns off the sandbox, which root in a container cannot have, and all that
    // would speak to the network.
    args: [
      "--enable-unsafe-webgpu",
      "--use-webgpu-adapter=swiftshader",
      "--disable-quic",
    ],
  });
}
