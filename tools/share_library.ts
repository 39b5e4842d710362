import type { Loader, Plugin } from "esbuild";
import { basename, dirname, join, relative, sep } from "node:path";
import { pathToFileURL } from "node:url";

/** Folders whose modules the library is made of. */
const FOLDERS = ["shaders", "nn", "dvn"];

/**
 * Lets a bundle import from another what that exports, instead of holding a copy: so the classes of the
 * library are the same in all entries.
 *
 * A module of which the library exports something is replaced by one that takes this from there, and only
 * the rest from the module itself.
 *
 * @param library As it is imported by the bundle, such as "./dvn.js".
 */
export function shareLibrary(root: string, library: string): Plugin {
  const load = (path: string) => import(pathToFileURL(path).href);
  return {
    name: "share-library",
    setup(build) {
      build.onLoad({ filter: /\.ts$/, namespace: "file" }, async ({ path }) => {
        if (!FOLDERS.includes(relative(root, path).split(sep)[0]!)) return;
        const exported = await load(join(root, "mod.ts"));
        const own = await load(path);
        const shared = Object.keys(own).filter((name) => own[name] === exported[name]);
        if (shared.length === 0) return;
        return {
          contents: `export { ${shared.join(", ")} } from "${library}";
            export * from "./${basename(path)}?own";`,
          resolveDir: dirname(path),
        };
      });
      build.onResolve({ filter: /\?own$/ }, ({ path, resolveDir }) => ({
        path: relative(root, join(resolveDir, path.slice(0, -"?own".length))),
        namespace: "own",
        sideEffects: false,
      }));
      build.onLoad({ filter: /./, namespace: "own" }, async ({ path }) => ({
        contents: await Deno.readTextFile(join(root, path)),
        resolveDir: dirname(join(root, path)),
        loader: "ts" as Loader,
      }));
      build.onResolve(
        { filter: /./ },
        ({ path }) => path === library ? { path, external: true } : undefined,
      );
    },
  };
}
