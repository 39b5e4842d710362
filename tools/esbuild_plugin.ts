import type { OnResolveArgs, Plugin } from "esbuild";
import { dirname, join, sep } from "node:path";
import { runDeno } from "./run_deno.ts";
import config from "../deno.json" with { type: "json" };

/**
 * Lets esbuild find packages in Deno's npm cache: `npm:name@version` and the bare names of
 * `deno.json`, without a `node_modules` folder.
 *
 * Each package gets a temporary `node_modules` with links to itself and to its dependencies, in
 * the versions that Deno chose. Inside it esbuild's own resolution does the rest: `exports`,
 * `browser`, subpaths.
 *
 * @param entries The files that will be bundled; what they import is downloaded if it is missing.
 */
export function denoPackages(entries: string[]): Plugin {
  return {
    name: "deno-packages",
    async setup(build) {
      const packages = await readPackages(entries);
      const root = await Deno.makeTempDir({ prefix: "deno_packages_" });
      build.onDispose(() => Deno.removeSync(root, { recursive: true }));
      for (const { folder, links } of packages.values()) {
        for (const { name, path } of links) {
          const link = join(root, folder, "node_modules", name);
          await Deno.mkdir(dirname(link), { recursive: true });
          await Deno.symlink(path, link, { type: "junction" });
        }
      }
      const resolveIn = (
        { folder }: Package,
        path: string,
        args: OnResolveArgs,
      ) =>
        build.resolve(path, {
          importer: args.importer,
          kind: args.kind,
          with: args.with,
          resolveDir: join(root, folder),
          pluginData: SEEN,
        });
      build.onResolve({ filter: /^[^./]/ }, (args) => {
        if (args.pluginData === SEEN || args.kind === "entry-point") return;
        for (const owner of packages.values()) {
          if (args.importer.startsWith(owner.path + sep)) {
            return resolveIn(owner, args.path, args);
          }
        }
        const specifier = unmap(args.path);
        const parts = /^npm:((?:@[^/]+\/)?[^/@]+)@([^/]+)(\/.*)?$/.exec(
          specifier,
        );
        if (!parts) return;
        const [, name, version, subpath = ""] = parts;
        const owner = packages.get(`${name}@${version}`);
        if (owner) return resolveIn(owner, name + subpath, args);
        return {
          errors: [{
            text: `${specifier} is not among the packages that Deno found`,
          }],
        };
      });
    },
  };
}

/** What a bare name, or a path below one, stands for in deno.json. */
function unmap(path: string): string {
  for (const [name, specifier] of Object.entries(config.imports)) {
    if (path === name || path.startsWith(`${name}/`)) {
      return specifier + path.slice(name.length);
    }
  }
  return path;
}

/** Keeps the plugin from answering the questions that it asks itself. */
const SEEN = Symbol("seen");

interface Package {
  /** Where Deno keeps it, links resolved. */
  path: string;
  /** Unique among the packages. */
  folder: string;
  /** Itself and its dependencies, as it shall see them. */
  links: { name: string; path: string }[];
}

/**
 * Where Deno keeps a package, which is downloaded if it is missing.
 *
 * @param specifier Such as npm:name@1.2.3.
 */
export async function packageFolder(specifier: string): Promise<string> {
  const name = specifier.slice("npm:".length, specifier.lastIndexOf("@"));
  for (const { path, links } of (await readPackages([specifier])).values()) {
    if (links[0]?.name === name) return path;
  }
  throw new Error(`${specifier} is not among the packages that Deno found`);
}

/** The packages that the files reach, by `name@version`. */
async function readPackages(entries: string[]): Promise<Map<string, Package>> {
  const found: Record<string, PackageInfo> = {};
  for (const entry of entries) {
    const cached = await runDeno("cache", entry);
    if (!cached.success) {
      throw new Error(`deno cache ${entry}:\n${cached.stderr}`);
    }
    const { stdout } = await runDeno("info", "--json", entry);
    Object.assign(found, JSON.parse(stdout).npmPackages);
  }
  const paths = new Map<string, string>();
  for (const [id, { localPath }] of Object.entries(found)) {
    try {
      paths.set(id, await Deno.realPath(localPath));
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
      // In the lock file, but nothing here imports it, or it is for another platform.
    }
  }
  const packages = new Map<string, Package>();
  for (const [id, path] of paths) {
    const { name, version, dependencies } = found[id]!;
    packages.set(`${name}@${version}`, {
      path,
      folder: String(packages.size),
      links: [id, ...dependencies].filter((id) => paths.has(id)).map((id) => ({
        name: found[id]!.name,
        path: paths.get(id)!,
      })),
    });
  }
  return packages;
}

/** The part of `deno info --json` that is used. */
interface PackageInfo {
  name: string;
  version: string;
  /** Keys of the same record. */
  dependencies: string[];
  localPath: string;
}
