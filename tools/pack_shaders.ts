import type { Plugin } from "esbuild";
import { basename, join } from "node:path";
import { deflateRawSync } from "node:zlib";

/**
 * Packs all shaders of a folder into one string, deflated and in {@linkcode toBase91}, which the bundle
 * inflates when it is imported: a fifth of their size without comments.
 */
export function packShaders(folder: string): Plugin {
  return {
    name: "pack-shaders",
    async setup(build) {
      const names = (await Array.fromAsync(Deno.readDir(folder))).map(({ name }) => name)
        .filter((name) => name.endsWith(".wgsl")).sort();
      const sources = names.map((name) => Deno.readTextFile(join(folder, name)));
      const packed = deflate((await Promise.all(sources)).map(stripWgsl).join(SEPARATOR));
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
          const packed = ${JSON.stringify(toBase91(packed))};
          const digit = (at) => {
            const code = packed.charCodeAt(at);
            return code - (code > 92 ? 36 : 35);
          };
          const bytes = [];
          for (let at = 0, bits = 0, held = 0; at < packed.length; at += 2) {
            held |= (digit(at) * 91 + digit(at + 1)) << bits;
            for (bits += 13; bits > 7; bits -= 8, held >>= 8) bytes.push(held & 255);
          }
          const stream = new Blob([new Uint8Array(bytes.slice(0, ${packed.length}))]).stream().pipeThrough(new DecompressionStream("deflate-raw"));
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

function deflate(text: string): Uint8Array {
  return deflateRawSync(text, { level: 9, memLevel: 9 });
}

/**
 * Bytes as text that needs no escapes in a string: 13 bits in two characters, where base64 has 12. Up to
 * two bytes more come out at its end, zeros.
 */
export function toBase91(bytes: Uint8Array): string {
  const digit = (value: number) => String.fromCharCode(value + (value > 56 ? 36 : 35)); // no backslash
  let text = "";
  let held = 0;
  let bits = 0;
  for (const byte of [...bytes, 0, 0]) {
    held |= byte << bits;
    bits += 8;
    if (bits < 13) continue;
    const value = held & 8191;
    text += digit(Math.floor(value / 91)) + digit(value % 91);
    held >>= 13;
    bits -= 13;
  }
  return text;
}
