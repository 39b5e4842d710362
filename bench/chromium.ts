/**
 * Contenders in headless Chromium, one browser each, on its own SwiftShader.
 *
 * @module
 */
import { join } from "node:path";
import { launchChromium } from "../tests/browser/chromium.ts";
import { runDeno } from "../tools/run_deno.ts";
import type { Request } from "./contender.ts";
import { JAX_JS, TENSORFLOW, TENSORFLOW_WEBGPU } from "./packages.ts";
import type { Reply } from "./page.ts";
import { type Channel, ContenderError } from "./remote.ts";

/** What a contender imports besides the page's own script. */
const PACKAGES: Record<string, { source: string; stands: string[] }> = {
  "jax-js": { source: `export * from "${JAX_JS}";`, stands: [JAX_JS] },
  "tensorflow.js": {
    // One bundle, as the two share their core.
    source: `export * from "${TENSORFLOW}";\nimport "${TENSORFLOW_WEBGPU}";`,
    stands: [TENSORFLOW, TENSORFLOW_WEBGPU],
  },
};

/** Starts a contender in a browser of its own. */
export async function startPage(executable: string, contender: string): Promise<Channel> {
  const server = servePage(await bundle(contender), contender);
  const browser = await launchChromium(executable);
  try {
    const page = await browser.newPage();
    const complaints: string[] = [];
    page.on("console", (message) => {
      if (message.type() === "error") complaints.push(message.text());
    });
    page.on("pageerror", ({ message }) => complaints.push(message));
    await page.goto(`http://127.0.0.1:${server.addr.port}/`);
    await page.waitForFunction("globalThis.ask").catch((cause: Error) => {
      throw new Error(`${contender} does not start: ${complaints.join("; ") || cause.message}`);
    });
    return {
      async ask(request: Request) {
        const reply: Reply = await page.evaluate((request) => globalThis.ask(request), request);
        // WebGPU tells of invalid work on the console alone: it would look very fast.
        const heard = complaints.splice(0).join("; ");
        const error = "error" in reply ? reply.error : heard;
        if (error) throw new ContenderError(error);
        return "value" in reply ? reply.value : null;
      },
      async close() {
        await browser.close();
        await server.shutdown();
      },
    };
  } catch (error) {
    await browser.close();
    await server.shutdown();
    throw error;
  }
}

/** Scripts of the page, by path. */
async function bundle(contender: string): Promise<Map<string, string>> {
  const files = new Map<string, string>();
  const folder = await Deno.makeTempDir();
  try {
    const make = async (path: string, entry: string) => {
      const output = join(folder, "bundle.js");
      const options = ["--quiet", "--no-lock", "--platform", "browser", "-o", output];
      const { success, stderr } = await runDeno("bundle", ...options, entry);
      if (!success) throw new Error(`deno bundle ${entry}:\n${stderr}`);
      files.set(path, await Deno.readTextFile(output));
    };
    await make("/page.js", join(import.meta.dirname!, "page.ts"));
    const packages = PACKAGES[contender];
    if (packages) {
      const entry = join(folder, "packages.ts");
      await Deno.writeTextFile(entry, packages.source);
      await make("/packages.js", entry);
    }
    return files;
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

function servePage(files: Map<string, string>, contender: string) {
  const stands = PACKAGES[contender]?.stands ?? [];
  const imports = Object.fromEntries(stands.map((name) => [name, "/packages.js"]));
  const page = `<!DOCTYPE html>
<link rel="icon" href="data:,">
<script type="importmap">${JSON.stringify({ imports })}</script>
<script type="module" src="/page.js?${contender}"></script>
`;
  return Deno.serve({ hostname: "127.0.0.1", port: 0, onListen: () => {} }, ({ url }) => {
    const { pathname } = new URL(url);
    const script = files.get(pathname);
    const type = script === undefined ? "text/html" : "text/javascript";
    return new Response(script ?? page, { headers: { "content-type": type } });
  });
}
