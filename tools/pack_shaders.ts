import type { Plugin } from "esbuild";
import { basename, join } from "node:path";

/**
 * Packs all shaders of a folder into one string, deflated and in base64, which the bundle inflates when
 * it is imported: a quarter of their size without comments.
 */
export function packShaders(folder: string): Plugin {
  return {
    name: "pack-shaders",
    async setup(build) {
      const names = (await Array.fromAsync(Deno.readDir(folder))).map(({ name }) => name)
        .filter((name) => name.endsWith(".wgsl")).sort();
      const sources = names.map((name) => Deno.readTextFile(join(folder, name)));
      const packed = await deflate((await Promise.all(sources)).map(stripWgsl).join(SEPARATOR));
      build.onLoad({ filter: /\.wgsl$/ }, ({ path }) => ({
        contents: `import { shaders } from "packed-shaders";
          export default shaders[${names.indexOf(basename(path))}];`,
        loader: "js",
      }));
      build.onResolve({ filter: /^packed-shaders$/ }, () => ({
        path: "packed-shaders",
        namespace: "packed-shaders",
        sideEffects: false,
      }));
      build.onLoad({ filter: /./, namespace: "packed-shaders" }, () => ({
        contents: `
          const bytes = Uint8Array.from(atob("${packed}"), (c) => c.charCodeAt(0));
          const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate-raw"));
          export const shaders = (await new Response(stream).text()).split("${SEPARATOR}");`,
        loader: "js",
      }));
    },
  };
}

/** Between two files; WGSL has no use for it. */
const SEPARATOR = "$";

/**
 * WGSL without comments, blank lines and indentation.
 *
 * The marks that say which loops to unroll stay; see shaders/specialize.ts.
 */
export function stripWgsl(wgsl: string): string {
  return wgsl
    .replace(/\/\*[^]*?\*\//g, "")
    .replace(/\/\/(?! unroll$).*/gm, "")
    .replace(/^\s+|[ \t]+$/gm, "");
}

async function deflate(text: string): Promise<string> {
  const stream = new Blob([text]).stream().pipeThrough(new CompressionStream("deflate-raw"));
  const bytes = new Uint8Array(await new Response(stream).arrayBuffer());
  return btoa(String.fromCharCode(...bytes));
}
