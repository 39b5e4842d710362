/**
 * SwiftShader, a Vulkan driver that runs on the CPU, from npm: no root, no system package.
 *
 * `@sparticuz/chromium` is the one kept package on npm that carries it. The package must stay out of
 * `deno.json` and `deno.lock`: Deno downloads all that those name before the first line runs, and its
 * 70 MB are mostly a browser. So a child process fetches it when it is wanted.
 *
 * @module
 */
import { createHash } from "node:crypto";
import { homedir } from "node:os";
import { isAbsolute, join } from "node:path";
import { unpackTar } from "modern-tar";
import { AdapterError } from "../../nn/gpu/errors.ts";
import { adapterAdvice, currentPlatform } from "./advice.ts";

const PACKAGE = "@sparticuz/chromium@153.0.0";
const LOADER = "libvulkan.so.1";
const DRIVER_MANIFEST = "vk_swiftshader_icd.json";

/** SHA-256 of each file in use: what is loaded is what was tried. */
const FILES: Readonly<Record<string, string>> = {
  [LOADER]: "8ee5ac00fd7968e863b05e0f6808057db16a00ad322777e5a05bed51d4f84085",
  "libvk_swiftshader.so": "2f3ceffaaca7d031bc3943f8eacf398a5d9c42c5fe0d15d8840b9acfa630b58e",
  [DRIVER_MANIFEST]: "c9eef28b6b984fec220ef0abfecc40b502d46946706e47bfe97707027cb818bd",
};

/** Where downloads are kept unless told otherwise: `$XDG_CACHE_HOME/dvn` or `~/.cache/dvn`. */
export function defaultCacheDir(): string {
  const xdg = Deno.env.get("XDG_CACHE_HOME") ?? "";
  const home = homedir() ?? "/"; // null for a user that the system does not know
  return join(isAbsolute(xdg) ? xdg : join(home, ".cache"), "dvn");
}

/**
 * Sees to it that SwiftShader lies unpacked and intact in the cache; a damaged file is replaced.
 *
 * Safe when several processes do it at once: each file is written beside its place and renamed into
 * it, and all would write the same bytes. Where the cache cannot be written, a temporary folder serves
 * this process alone.
 *
 * @param log Told before anything is downloaded.
 * @returns The folder.
 * @throws {AdapterError} If the package cannot be had or holds other bytes than expected.
 */
export async function installSwiftShader(
  cacheDir: string,
  log: (line: string) => void,
): Promise<string> {
  const folder = join(cacheDir, `swiftshader-${PACKAGE.split("@").at(-1)}`);
  if (await isIntact(folder)) return folder;
  log(
    `Setting up SwiftShader, a software Vulkan driver, in ${folder}: from the npm package ${PACKAGE}, ` +
      "a download of 70 MB unless Deno has it already",
  );
  const files = await unpack(
    join(await fetchPackage(), "bin", "swiftshader.tar.br"),
  );
  try {
    await writeFiles(folder, files);
    return folder;
  } catch (error) {
    const { message } = error as Error;
    log(
      `${folder} cannot be written (${message}): unpacking for this run only`,
    );
    const temporary = await Deno.makeTempDir({ prefix: "dvn-swiftshader-" });
    addEventListener("unload", () => {
      Deno.removeSync(temporary, { recursive: true });
    });
    await writeFiles(temporary, files);
    return temporary;
  }
}

/**
 * Makes WebGPU see SwiftShader and no other driver, if no adapter has been requested before.
 *
 * The loader is loaded for the life of the process: WebGPU opens `libvulkan.so.1` by that name, and
 * gets the one that is there already.
 *
 * @throws {AdapterError} If the system refuses to load it.
 */
export function loadSwiftShader(folder: string): void {
  try {
    Deno.dlopen(join(folder, LOADER), {});
  } catch (error) {
    if (error instanceof Deno.errors.NotCapable) throw error;
    const { message } = error as Error;
    throw new AdapterError(
      "SwiftShader",
      `${message}; if ${folder} is on a file system mounted noexec, set ` +
        "XDG_CACHE_HOME to a folder on another",
    );
  }
  const manifest = join(folder, DRIVER_MANIFEST);
  Deno.env.set("VK_DRIVER_FILES", manifest);
  Deno.env.set("VK_ICD_FILENAMES", manifest); // a system's loader before 1.3.207
}

async function isIntact(folder: string): Promise<boolean> {
  try {
    for (const [name, hash] of Object.entries(FILES)) {
      if (sha256(await Deno.readFile(join(folder, name))) !== hash) {
        return false;
      }
    }
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotCapable) throw error;
    return false; // absent or unreadable
  }
}

function sha256(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}

/**
 * Downloads the package with Deno's own npm client, which knows the user's registry, proxy and
 * certificates, and never runs its code. Deno keeps it, so a second call needs no network.
 *
 * @returns The package's folder.
 */
async function fetchPackage(): Promise<string> {
  const { stdout } = await new Deno.Command(Deno.execPath(), {
    // Without lock and configuration, lest the package enter the lock file of the user's checkout.
    args: ["info", "--json", "--no-lock", "--no-config", `npm:${PACKAGE}`],
    env: { DENO_NO_PACKAGE_JSON: "1" },
    stdin: "null",
    stdout: "piped",
    // In a terminal a progress bar, else a line for each of 40 requests.
    stderr: Deno.stderr.isTerminal() ? "inherit" : "null",
  }).output();
  let info;
  try {
    info = JSON.parse(new TextDecoder().decode(stdout));
  } catch { /* Deno itself failed */ }
  const path = info?.npmPackages?.[PACKAGE]?.localPath;
  if (path) return path;
  const reason = info?.modules?.[0]?.error ?? "deno info failed";
  const advice = adapterAdvice(currentPlatform());
  throw new AdapterError(
    "SwiftShader",
    `npm:${PACKAGE} could not be downloaded (${reason}); check the network ` +
      `and the npm registry, or ${advice}`,
  );
}

async function unpack(archive: string): Promise<Map<string, Uint8Array>> {
  const files = new Map<string, Uint8Array>();
  try {
    const compressed = await Deno.open(archive);
    const entries = await unpackTar(
      compressed.readable.pipeThrough(new DecompressionStream("brotli")),
      { filter: ({ name }) => Object.hasOwn(FILES, name) },
    );
    for (const { header, data } of entries) {
      if (data && sha256(data) === FILES[header.name]) {
        files.set(header.name, data);
      }
    }
  } catch (error) {
    throw damaged(archive, (error as Error).message);
  }
  const missing = Object.keys(FILES).filter((name) => !files.has(name));
  if (missing.length > 0) {
    throw damaged(archive, `${missing.join(", ")}: absent or altered`);
  }
  return files;
}

function damaged(archive: string, reason: string): AdapterError {
  return new AdapterError(
    "SwiftShader",
    `${archive} is not the file published in npm:${PACKAGE} (${reason}); delete the package's ` +
      "folder and run again",
  );
}

async function writeFiles(
  folder: string,
  files: Map<string, Uint8Array>,
): Promise<void> {
  await Deno.mkdir(folder, { recursive: true });
  for (const [name, bytes] of files) {
    const partial = join(folder, `${name}.${crypto.randomUUID()}.partial`);
    try {
      await Deno.writeFile(partial, bytes, { createNew: true });
      await Deno.rename(partial, join(folder, name));
    } catch (error) {
      await Deno.remove(partial).catch(() => {}); // what failed first is the news
      throw error;
    }
  }
}
