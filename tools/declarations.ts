import { join, relative } from "node:path";
import ts from "typescript";
import { packageFolder } from "./esbuild_plugin.ts";
import config from "../deno.json" with { type: "json" };

const ROOT = join(import.meta.dirname!, "..");

/**
 * Type declarations of modules and of all that they import, as a tree that mirrors theirs.
 *
 * @param entries Relative to the root of the project.
 * @returns Texts by path, such as "nn/tape.d.ts". They import each other as `.js`, as TypeScript
 *   resolves in every mode.
 * @throws {Error} If the modules have type errors.
 */
export async function makeDeclarations(entries: string[]): Promise<Map<string, string>> {
  const { lib, types, ...flags } = config.compilerOptions;
  const names = types.map((name) => config.imports[name as keyof typeof config.imports]);
  const program = ts.createProgram(entries.map((entry) => join(ROOT, entry)), {
    ...flags,
    target: ts.ScriptTarget.ESNext,
    module: ts.ModuleKind.ESNext,
    moduleResolution: ts.ModuleResolutionKind.Bundler,
    lib: lib.filter((name) => !name.startsWith("deno.")).map((name) => `lib.${name}.d.ts`),
    types: await Promise.all(names.map(packageFolder)),
    skipLibCheck: true, // these types and the compiler's own differ in what is not used here
    allowArbitraryExtensions: true,
    allowImportingTsExtensions: true,
    declaration: true,
    emitDeclarationOnly: true,
    rootDir: ROOT,
    outDir: ROOT,
  }, hostWithTexts());
  const texts = new Map<string, string>();
  const { diagnostics } = program.emit(undefined, (file, text) => {
    texts.set(
      relative(ROOT, file).replaceAll("\\", "/"),
      text.replace(/((?:from|import)\s*\(?\s*"\.[^"]*)\.ts"/g, '$1.js"'),
    );
  });
  const problems = [...ts.getPreEmitDiagnostics(program), ...diagnostics];
  if (problems.length > 0) {
    throw new Error(ts.formatDiagnostics(problems, {
      getCurrentDirectory: () => ROOT,
      getCanonicalFileName: (file) => file,
      getNewLine: () => "\n",
    }));
  }
  return texts;
}

/** Reads files as the compiler would, and knows what is imported as text, which the compiler does not. */
function hostWithTexts(): ts.CompilerHost {
  const host = ts.createCompilerHost({});
  const { fileExists, readFile, getSourceFile } = host;
  const isText = (file: string) => file.endsWith(".d.wgsl.ts");
  host.fileExists = (file) => isText(file) || fileExists.call(host, file);
  host.readFile = (file) => isText(file) ? TEXT : readFile.call(host, file);
  host.getSourceFile = (file, options, ...rest) =>
    isText(file)
      ? ts.createSourceFile(file, TEXT, options)
      : getSourceFile.call(host, file, options, ...rest);
  return host;
}

const TEXT = "declare const text: string;\nexport default text;\n";
