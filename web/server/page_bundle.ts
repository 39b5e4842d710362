import * as esbuild from "esbuild";
import { extname, join, relative } from "node:path";

/** A file of the page, in memory. */
export interface PageFile {
  content: Uint8Array<ArrayBuffer>;
  type: string;
  etag: string;
}

const TYPES: Readonly<Record<string, string>> = {
  ".css": "text/css; charset=utf-8",
  ".html": "text/html; charset=utf-8",
  ".ico": "image/x-icon",
  ".jpg": "image/jpeg",
  ".js": "text/javascript; charset=utf-8",
  ".json": "application/json",
  ".map": "application/json",
  ".png": "image/png",
  ".svg": "image/svg+xml",
  ".txt": "text/plain; charset=utf-8",
  ".webmanifest": "application/manifest+json",
  ".webp": "image/webp",
  ".woff2": "font/woff2",
};

/**
 * Bundles the page, with source maps, and reads its other files.
 *
 * @param folder Holds index.html, style.css, the entries main.ts and worker.ts, and static/.
 * @returns By path: "/", "/style.css", "/main.js", "/worker.js", "/static/..." and what these import.
 * @throws {Error} If the sources do not compile, or import a package; esbuild says where.
 */
export async function bundlePage(folder: string): Promise<Map<string, PageFile>> {
  const files = new Map<string, PageFile>();
  const add = async (path: string, content: Uint8Array<ArrayBuffer>) => {
    const hash = new Uint8Array(await crypto.subtle.digest("SHA-256", content));
    const type = TYPES[extname(path)] ?? "application/octet-stream";
    files.set(path, { content, type, etag: `"${hash.toHex().slice(0, 32)}"` });
  };
  try {
    const { outputFiles } = await esbuild.build({
      entryPoints: ["main.ts", "worker.ts"].map((name) => join(folder, name)),
      outdir: "/",
      write: false,
      bundle: true,
      splitting: true, // what both entries need, once; and what is imported late, such as data sets
      minify: true,
      keepNames: true, // errors tell their class by name
      sourcemap: "linked",
      format: "esm",
      platform: "browser",
      logLevel: "silent", // the error says it
    });
    for (const { path, contents } of outputFiles) {
      await add(path, contents as Uint8Array<ArrayBuffer>);
    }
  } finally {
    await esbuild.stop();
  }
  await add("/index.html", await Deno.readFile(join(folder, "index.html")));
  files.set("/", files.get("/index.html")!);
  await add("/style.css", await Deno.readFile(join(folder, "style.css")));
  for (const path of await listFiles(join(folder, "static"))) {
    const address = relative(folder, path).replaceAll("\\", "/");
    await add(`/${address}`, await Deno.readFile(path));
  }
  return files;
}

/** All files below a folder, which need not be there. */
async function listFiles(folder: string): Promise<string[]> {
  const files: string[] = [];
  try {
    for await (const { name, isDirectory, isFile } of Deno.readDir(folder)) {
      const path = join(folder, name);
      if (isDirectory) files.push(...await listFiles(path));
      else if (isFile) files.push(path);
    }
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
  return files;
}
