import { assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import * as esbuild from "esbuild";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { denoPackages } from "../../tools/esbuild_plugin.ts";

/** Bundles made files, the first of which is the entry, and imports what comes out. */
async function bundle(
  files: Record<string, string>,
): Promise<Record<string, unknown>> {
  const folder = await Deno.makeTempDir();
  try {
    for (const [file, text] of Object.entries(files)) {
      await Deno.writeTextFile(join(folder, file), text);
    }
    const entry = join(folder, Object.keys(files)[0]!);
    const outdir = join(folder, "out");
    await esbuild.build({
      entryPoints: { bundle: entry },
      outdir,
      bundle: true,
      splitting: true,
      format: "esm",
      platform: "browser",
      logLevel: "silent",
      plugins: [denoPackages([entry])],
    });
    assertEquals(
      (await Deno.readTextFile(join(outdir, "bundle.js"))).includes("npm:"),
      false,
    );
    return await import(pathToFileURL(join(outdir, "bundle.js")).href);
  } finally {
    await esbuild.stop();
    await Deno.remove(folder, { recursive: true });
  }
}

Deno.test("denoPackages() bundles npm: imports, WGSL as text and late imports", async () => {
  const exports = await bundle({
    "entry.ts": `
      import { mat3 } from "npm:wgpu-matrix@3.4.2";
      import wgsl from "./kernel.wgsl" with { type: "text" };
      const late = await import("./late.ts");
      export const values = [mat3.identity()[0], wgsl, late.value];`,
    "kernel.wgsl": "fn main() {}",
    "late.ts": "export const value: number = 7;",
  });
  assertEquals(exports.values, [1, "fn main() {}", 7]);
});

Deno.test("denoPackages() finds what a package itself imports", async () => {
  const exports = await bundle({
    "entry.ts": `export { check } from "npm:fast-check@4.10.2";`, // which imports pure-rand
  });
  assertEquals(typeof exports.check, "function");
});

Deno.test("denoPackages() names a package that cannot be found", async () => {
  const error = await assertRejects(
    () => bundle({ "entry.ts": `import "npm:wgpu-matrix@0.0.999";` }),
    Error,
  );
  assertStringIncludes(
    error.message,
    "npm package 'wgpu-matrix' matching '0.0.999'",
  );
});
