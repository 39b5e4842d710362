/**
 * Makes the package for browsers and npm: one ES module for each entry of the library with the shaders
 * inside, plain and minified, with source maps, type declarations and a `package.json`. Beside it, and
 * not part of the package, `page/` is the page as plain files, for any web server.
 *
 *     deno task build [folder]
 *
 * The folder is `dist` unless another is named. Prints the sizes; fails if the library has outgrown
 * {@linkcode SIZE_LIMIT}.
 *
 * @module
 */
import * as esbuild from "esbuild";
import { basename, dirname, join } from "node:path";
import config from "../deno.json" with { type: "json" };
import { bundlePage } from "../web/server/page_bundle.ts";
import { makeDeclarations } from "./declarations.ts";
import { packShaders } from "./pack_shaders.ts";
import { shareLibrary } from "./share_library.ts";

const ROOT = join(import.meta.dirname!, "..");

/** What `dvn.min.js` may weigh, in bytes, 120 of esbuild's KB: the library without any model or data. */
export const SIZE_LIMIT = 120 * 1024;

/** Modules that are imported late, and the files that hold them: they load when they are needed. */
const LATE: Record<string, string> = { "digits_data.ts": "digits" };

const DESCRIPTION =
  "Deep virtual networks on WebGPU: one set of weights, many networks of different " +
  "memory cost; for browsers and Deno";

/** A file of the package. */
export interface BuiltFile {
  name: string;
  bytes: number;
  gzipBytes: number;
}

/** What a build wrote: paths with hashes of what was in them. Not part of the package. */
const LIST = ".dvn-build.json";

/**
 * Writes the package into a folder, in the place of an earlier build.
 *
 * @returns Its modules with their sizes.
 * @throws {Error} If the library is larger than the limit, or does not compile, or the folder holds
 *   anything that no build wrote. The folder is as it was then.
 */
export async function build(folder: string): Promise<BuiltFile[]> {
  const earlier = await earlierBuild(folder);
  const files = await makeFiles();
  for (const path of earlier) await Deno.remove(join(folder, path));
  const list: Record<string, string> = {};
  for (const [path, bytes] of files) list[path] = await hash(bytes);
  await Deno.mkdir(folder, { recursive: true });
  // First, so that after a build that was broken off the next one knows what is its own.
  await Deno.writeTextFile(join(folder, LIST), JSON.stringify(list, undefined, 2) + "\n");
  for (const [path, bytes] of files) {
    await Deno.mkdir(dirname(join(folder, path)), { recursive: true });
    await Deno.writeFile(join(folder, path), bytes);
  }
  return await measure(files);
}

/**
 * Finds the files of an earlier build.
 *
 * @throws {Error} If the folder holds anything else, be it a file of the build's that was changed since.
 */
async function earlierBuild(folder: string): Promise<string[]> {
  const list = await readList(folder);
  const paths: string[] = [];
  for await (const { path, isFile } of walk(folder)) {
    const file = join(folder, path);
    if (path !== LIST && !(isFile && list[path] === await hash(await Deno.readFile(file)))) {
      throw new Error(
        `${folder} holds what no build wrote, or what was changed since, such as ${path}; ` +
          "remove it, or name another folder",
      );
    }
    paths.push(path);
  }
  return paths;
}

async function readList(folder: string): Promise<Record<string, string>> {
  try {
    return JSON.parse(await Deno.readTextFile(join(folder, LIST)));
  } catch {
    return {}; // so nothing in the folder is known to be ours
  }
}

/** All that lies below a folder, which need not be there; links are not followed. */
async function* walk(
  folder: string,
  within = "",
): AsyncGenerator<{ path: string; isFile: boolean }> {
  try {
    for await (const { name, isDirectory, isFile } of Deno.readDir(join(folder, within))) {
      const path = within + name;
      if (isDirectory) yield* walk(folder, `${path}/`);
      else yield { path, isFile };
    }
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}

async function hash(bytes: Uint8Array<ArrayBuffer>): Promise<string> {
  return new Uint8Array(await crypto.subtle.digest("SHA-256", bytes)).toHex();
}

/** The package's files, by path. */
async function makeFiles(): Promise<Map<string, Uint8Array<ArrayBuffer>>> {
  const files = new Map<string, Uint8Array<ArrayBuffer>>();
  const add = (path: string, text: string) => files.set(path, new TextEncoder().encode(text));
  const declarations = await makeDeclarations(ENTRIES.map(({ source }) => source));
  try {
    const late = Object.entries(LATE).map(([source, name]) => (
      { source: `datasets/${source}`, name, minify: false }
    ));
    const bundles = ENTRIES.flatMap((entry) => [
      { ...entry, minify: false },
      { ...entry, minify: true },
    ]);
    for (const each of [...bundles, ...late]) {
      for (const { path, contents } of await bundle(each)) {
        files.set(basename(path), contents as Uint8Array<ArrayBuffer>);
      }
    }
  } finally {
    await esbuild.stop();
  }
  for (const [path, text] of declarations) add(`types/${path}`, text);
  for (const { name, source } of ENTRIES) add(`${name}.d.ts`, entryDeclaration(source));
  add("package.json", JSON.stringify(packageJson(), undefined, 2) + "\n");
  for (const name of ["README.md", "LICENSE"]) {
    files.set(name, await Deno.readFile(join(ROOT, name)));
  }
  const page = await bundlePage(join(ROOT, "web/page"));
  page.delete("/"); // the same as /index.html
  for (const [path, { content }] of page) files.set(`page${path}`, content);
  return files;
}

interface Entry {
  /** Relative to the root. */
  source: string;
  /** Of the file, without its ending. */
  name: string;
}

const ENTRIES: Entry[] = Object.values(config.exports).map((path) => {
  const source = path.slice("./".length);
  const name = basename(source, ".ts");
  return { source, name: name === "mod" ? "dvn" : name };
});

const lateImports: esbuild.Plugin = {
  name: "late-imports",
  setup(build) {
    build.onResolve({ filter: /./ }, ({ kind, path }) => {
      if (kind !== "dynamic-import") return;
      const name = LATE[basename(path)];
      if (name) return { path: `./${name}.js`, external: true };
      return { errors: [{ text: `tools/build.ts has no file for the late import of ${path}` }] };
    });
  },
};

async function bundle(
  { name, source, minify }: Entry & { minify: boolean },
): Promise<esbuild.OutputFile[]> {
  const ending = minify ? ".min" : "";
  const { metafile, outputFiles } = await esbuild.build({
    absWorkingDir: ROOT,
    entryPoints: { [name + ending]: source },
    outdir: "dist",
    write: false,
    bundle: true,
    minify,
    inject: minify ? [join(ROOT, "tools/short_globals.js")] : [],
    format: "esm",
    platform: "browser",
    target: "es2022",
    charset: "utf8",
    sourcemap: true,
    metafile: true,
    banner: { js: `/*! ${config.name} ${config.version}, ${config.license} licence */` },
    plugins: [
      lateImports,
      ...source === "mod.ts" ? [] : [shareLibrary(ROOT, `./dvn${ending}.js`)],
      ...minify ? [packShaders(join(ROOT, "shaders"))] : [],
    ],
  });
  for (const { bytes, entryPoint, inputs } of Object.values(metafile.outputs)) {
    if (!minify || entryPoint !== "mod.ts" || bytes <= SIZE_LIMIT) continue;
    const largest = Object.entries(inputs).sort(([, a], [, b]) => b.bytesInOutput - a.bytesInOutput)
      .slice(0, 10).map(([path, { bytesInOutput }]) => `  ${bytesInOutput} ${path}`);
    throw new Error(
      `dvn.min.js has ${bytes} bytes, and may have ${SIZE_LIMIT}; its largest parts:\n` +
        largest.join("\n"),
    );
  }
  return outputFiles;
}

function entryDeclaration(source: string): string {
  const module = `./types/${source.replace(/\.ts$/, ".js")}`;
  return `export * from "${module}";\n`;
}

function packageJson() {
  const { name, version, license, exports } = config;
  return {
    name,
    version,
    description: DESCRIPTION,
    keywords: ["webgpu", "deep-learning", "neural-network", "multi-task", "wgsl", "training"],
    license,
    type: "module",
    sideEffects: false,
    main: "./dvn.js",
    types: "./dvn.d.ts",
    exports: {
      ...Object.fromEntries(
        Object.keys(exports).map((path, i) => {
          const { name } = ENTRIES[i]!;
          return [path, { types: `./${name}.d.ts`, default: `./${name}.js` }];
        }),
      ),
      "./*.js": "./*.js",
      "./package.json": "./package.json",
    },
    files: ["*.js", "*.js.map", "*.d.ts", "types"],
  };
}

async function measure(files: Map<string, Uint8Array<ArrayBuffer>>): Promise<BuiltFile[]> {
  const modules = [...files].filter(([path]) => /^[^/]+\.js$/.test(path));
  const sizes = modules.map(async ([name, contents]) => {
    const gzipped = new Blob([contents]).stream().pipeThrough(new CompressionStream("gzip"));
    const gzipBytes = (await new Response(gzipped).arrayBuffer()).byteLength;
    return { name, bytes: contents.length, gzipBytes };
  });
  return (await Promise.all(sizes)).sort((a, b) => a.name.localeCompare(b.name));
}

if (import.meta.main) {
  const folder = Deno.args[0] ?? join(ROOT, "dist");
  try {
    const files = await build(folder);
    const kilobytes = (bytes: number) => `${(bytes / 1000).toFixed(1)} kB`.padStart(9);
    for (const { name, bytes, gzipBytes } of files) {
      console.log(`${name.padEnd(15)} ${kilobytes(bytes)}, gzip ${kilobytes(gzipBytes)}`);
    }
    const { bytes } = files.find(({ name }) => name === "dvn.min.js")!;
    console.log(
      `the library, minified: ${bytes} of at most ${SIZE_LIMIT} bytes (120 KB)`,
    );
  } catch (error) {
    console.error(`build: ${(error as Error).message}`);
    Deno.exit(1);
  }
}
