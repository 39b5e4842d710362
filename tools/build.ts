/**
 * Makes the package for browsers and npm: one ES module for each entry of the library with the shaders
 * inside, plain and minified, with source maps, type declarations and a `package.json`.
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

/**
 * Writes the package into a folder, made new; an earlier build in it is removed.
 *
 * @returns Its modules with their sizes.
 * @throws {Error} If the library is larger than the limit, or does not compile, or something else is in
 *   the folder.
 */
export async function build(folder: string): Promise<BuiltFile[]> {
  await clear(folder);
  const declarations = await makeDeclarations(ENTRIES.map(({ source }) => source));
  try {
    for (const entry of ENTRIES) {
      await bundle(folder, entry, false);
      await bundle(folder, entry, true);
    }
    for (const [source, name] of Object.entries(LATE)) {
      await bundle(folder, { source: `datasets/${source}`, name }, false);
    }
  } finally {
    await esbuild.stop();
  }
  const texts = new Map([...declarations].map(([path, text]) => [`types/${path}`, text]));
  for (const { name, source } of ENTRIES) texts.set(`${name}.d.ts`, entryDeclaration(source));
  texts.set("package.json", JSON.stringify(packageJson(), undefined, 2) + "\n");
  for (const name of ["README.md", "LICENSE"]) {
    texts.set(name, await Deno.readTextFile(join(ROOT, name)));
  }
  for (const [path, text] of texts) {
    await Deno.mkdir(dirname(join(folder, path)), { recursive: true });
    await Deno.writeTextFile(join(folder, path), text);
  }
  return await measure(folder);
}

/** Makes an empty folder, in the place of an earlier build at most. */
async function clear(folder: string): Promise<void> {
  await Deno.mkdir(folder, { recursive: true });
  const names = (await Array.fromAsync(Deno.readDir(folder))).map(({ name }) => name);
  if (names.length > 0 && !names.includes("dvn.js")) {
    throw new Error(`${folder} holds other files, such as ${names[0]}; name another folder`);
  }
  for (const name of names) await Deno.remove(join(folder, name), { recursive: true });
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

async function bundle(folder: string, { name, source }: Entry, minify: boolean): Promise<void> {
  const ending = minify ? ".min" : "";
  const { metafile } = await esbuild.build({
    absWorkingDir: ROOT,
    entryPoints: { [name + ending]: source },
    outdir: folder,
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

async function measure(folder: string): Promise<BuiltFile[]> {
  const files: BuiltFile[] = [];
  for await (const { name } of Deno.readDir(folder)) {
    if (!name.endsWith(".js")) continue;
    const contents = await Deno.readFile(join(folder, name));
    const gzipped = new Blob([contents]).stream().pipeThrough(new CompressionStream("gzip"));
    const gzipBytes = (await new Response(gzipped).arrayBuffer()).byteLength;
    files.push({ name, bytes: contents.length, gzipBytes });
  }
  return files.sort((a, b) => a.name.localeCompare(b.name));
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
