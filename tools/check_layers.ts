/**
 * Checks who imports whom: `shaders <- nn <- dvn <- cli, web`, with `datasets` alone. The page's
 * server, `web/server`, is no part of the page: the command line starts it.
 *
 *     deno task layers
 *
 * Library code, which is `mod.ts`, the entries beside it and the four folders below them, must also load
 * from a URL without an import map and in a browser, so it is held to relative and versioned `npm:`
 * imports and to the web's own globals.
 *
 * @module
 */
import { join, relative } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { runDeno } from "./run_deno.ts";
import config from "../deno.json" with { type: "json" };

/** One line that breaks a rule. */
export interface Offence {
  /** Relative to the root. */
  file: string;
  /** From 1. */
  line: number;
  rule: string;
}

const FOLDERS = ["shaders", "nn", "dvn", "datasets"];

/** What users import. */
const ENTRIES = ["mod.ts", "paper.ts", "datasets.ts", "files.ts", "tuning.ts"];

/** What each layer may import besides itself. The rest of the tree may import anything. */
const LAYERS: Readonly<Record<string, readonly string[]>> = {
  shaders: [],
  nn: ["shaders"],
  dvn: ["nn"],
  datasets: [],
  ...Object.fromEntries(ENTRIES.map((entry) => [entry, FOLDERS])),
  cli: [...FOLDERS, ...ENTRIES, "web/server"],
  web: ENTRIES,
  "web/server": ENTRIES,
};
const LIBRARY = new Set([...FOLDERS, ...ENTRIES]);
const PORTABLE = /^(\.\.?\/|npm:(@[^/@]+\/)?[^/@]+@\d+\.\d+\.\d+)/;
const SKIPPED = new Set(["runs", "data", "dist", "node_modules"]);

interface Import {
  from: string;
  line: number;
  /** As written. */
  specifier: string;
  /** The file it names, relative to the root; none for a package or a file outside the root. */
  to?: string;
}

/** Finds all that breaks the rules in the tree under `root`, sorted by file and line. */
export async function findOffences(root: string): Promise<Offence[]> {
  root = await Deno.realPath(root);
  const files = await listModules(root);
  const imports = await readImports(root, files);
  const offences = [
    ...imports.flatMap(importOffences),
    ...cycleOffences(imports),
  ];
  const library = files.filter((file) => LIBRARY.has(layerOf(file)));
  // The compiler stops at the first import it cannot resolve, and says less about it.
  if (offences.length === 0 && library.length > 0) {
    offences.push(...await globalOffences(root, library));
  }
  return offences.sort((a, b) => a.file.localeCompare(b.file) || a.line - b.line);
}

/** The first folder of a path, or the name of a file in the root itself; or a layer within a folder. */
function layerOf(file: string): string {
  const [first, second] = file.split("/") as [string, string | undefined];
  const inner = `${first}/${second}`;
  return Object.hasOwn(LAYERS, inner) ? inner : first;
}

async function listModules(root: string, folder = ""): Promise<string[]> {
  const files: string[] = [];
  for await (const { name, isDirectory } of Deno.readDir(join(root, folder))) {
    if (name.startsWith(".") || SKIPPED.has(name)) continue;
    const path = folder ? `${folder}/${name}` : name;
    if (isDirectory) files.push(...await listModules(root, path));
    else if (/\.(ts|tsx|js|mjs)$/.test(name)) files.push(path);
  }
  return files.sort();
}

/** Every import of the files: static, dynamic with a literal, re-exporting and of types. */
async function readImports(root: string, files: string[]): Promise<Import[]> {
  const entry = await Deno.makeTempFile({ suffix: ".ts" });
  try {
    const urls = files.map((file) => pathToFileURL(join(root, file)).href);
    await Deno.writeTextFile(
      entry,
      urls.map((url) => `import ${JSON.stringify(url)};\n`).join(""),
    );
    const { stdout } = await runDeno(
      "info",
      "--json",
      "--no-config",
      "--no-remote",
      "--no-npm",
      entry,
    );
    const graph: ModuleGraph = JSON.parse(stdout);
    const wanted = new Set(urls);
    return graph.modules.filter((module) => wanted.has(module.specifier))
      .flatMap((module) =>
        (module.dependencies ?? []).map(({ specifier, code, type }) => {
          const { span, specifier: url } = (code ?? type)!;
          const path = url?.startsWith("file:") &&
            relative(root, fileURLToPath(url));
          return {
            from: relative(root, fileURLToPath(module.specifier)),
            line: span.start.line + 1,
            specifier,
            to: path && !path.startsWith("..") ? path : undefined,
          };
        })
      );
  } finally {
    await Deno.remove(entry);
  }
}

function importOffences({ from, line, specifier, to }: Import): Offence[] {
  const offences: Offence[] = [];
  const layer = layerOf(from);
  const allowed = LAYERS[layer];
  if (LIBRARY.has(layer) && !PORTABLE.test(specifier)) {
    offences.push({
      file: from,
      line,
      rule: `imports "${specifier}", but library code must load without an import map, in a ` +
        `browser too: use a relative path or npm:name@1.2.3`,
    });
  }
  if (
    allowed && to !== undefined && layerOf(to) !== layer &&
    !allowed.includes(layerOf(to))
  ) {
    const others = allowed.length ? ` and ${allowed.join(", ")}` : "";
    offences.push({
      file: from,
      line,
      rule: `imports ${to}, but ${layer} may import only itself${others}`,
    });
  }
  return offences;
}

/** One offence for each import that closes a cycle. */
function cycleOffences(imports: Import[]): Offence[] {
  const bySource = Map.groupBy(imports, ({ from }) => from);
  const offences: Offence[] = [];
  const done = new Set<string>();
  const path: string[] = [];
  const visit = (file: string) => {
    path.push(file);
    for (const { line, to } of bySource.get(file) ?? []) {
      if (to === undefined || done.has(to)) continue;
      const start = path.indexOf(to);
      if (start < 0) visit(to);
      else {
        const cycle = [...path.slice(start), to].join(" -> ");
        offences.push({ file, line, rule: `closes an import cycle: ${cycle}` });
      }
    }
    path.pop();
    done.add(file);
  };
  for (const file of bySource.keys()) if (!done.has(file)) visit(file);
  return offences;
}

/**
 * What the compiler finds when it knows the web's types but neither Deno's nor Node's, nor the
 * import map.
 */
async function globalOffences(
  root: string,
  library: string[],
): Promise<Offence[]> {
  const { lib, types, ...options } = config.compilerOptions;
  const compilerOptions = {
    ...options,
    lib: lib.map((name) => name.startsWith("deno.") ? "esnext" : name),
    types: types.map((name) => config.imports[name as keyof typeof config.imports] ?? name),
  };
  const file = await Deno.makeTempFile({ suffix: ".json" });
  try {
    await Deno.writeTextFile(file, JSON.stringify({ compilerOptions }));
    const paths = library.map((path) => join(root, path));
    const { success, stderr } = await runDeno(
      "check",
      "--quiet",
      "--no-lock",
      "--config",
      file,
      ...paths,
    );
    if (success) return [];
    const errors = [...stderr.matchAll(
      /^TS\d+ \[ERROR\]: ([^\n]+?)(?:\. Do you need[^\n]*)?\n(?:(?!TS\d)[^\n]*\n)*? +at (file:[^\n]+):(\d+):\d+/gm,
    )];
    if (errors.length === 0) throw new Error(`deno check failed:\n${stderr}`);
    return errors.map(([, message, url, line]) => ({
      file: relative(root, fileURLToPath(url!)),
      line: Number(line),
      rule: `fails to compile without Deno's and Node's types, which library code must: ${message}`,
    }));
  } finally {
    await Deno.remove(file);
  }
}

/** The part of `deno info --json` that is used. */
interface ModuleGraph {
  modules: { specifier: string; dependencies?: Dependency[] }[];
}
interface Dependency {
  specifier: string;
  code?: Resolution;
  type?: Resolution;
}
interface Resolution {
  specifier?: string;
  span: { start: { line: number } };
}

if (import.meta.main) {
  const offences = await findOffences(join(import.meta.dirname!, ".."));
  for (const { file, line, rule } of offences) {
    console.error(`${file}:${line}: ${rule}`);
  }
  if (offences.length > 0) {
    console.error(`layers: ${offences.length} to mend`);
    Deno.exit(1);
  }
  console.log(
    "layers OK: shaders <- nn <- dvn <- cli, web; datasets alone; no cycles",
  );
}
