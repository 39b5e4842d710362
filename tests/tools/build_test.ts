import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import * as esbuild from "esbuild";
import { basename, dirname, join, relative } from "node:path";
import { pathToFileURL } from "node:url";
import ts from "typescript";
import config from "../../deno.json" with { type: "json" };
import { prepareAdapter } from "../../cli/adapter.ts";
import type { Choice, ConvShape } from "../../mod.ts";
import { build, type BuiltFile, SIZE_LIMIT } from "../../tools/build.ts";
import { stripWgsl, toBase91 } from "../../tools/pack_shaders.ts";
import { unroll } from "../../shaders/specialize.ts";
import { findChromium } from "../browser/chromium.ts";
import { openPage } from "../browser/open_page.ts";
import { serveFolder } from "../browser/serve_folder.ts";

const chromium = await findChromium();
const npm = await runs("npm", "--version");
const root = await Deno.makeTempDir({ prefix: "dvn_build_" });
const dist = join(root, "dist");
addEventListener("unload", () => Deno.removeSync(root, { recursive: true }));

let built: Promise<BuiltFile[]> | undefined;
/** The package, built once for all tests. */
const builtFiles = () => built ??= build(dist);

async function runs(command: string, ...args: string[]): Promise<boolean> {
  try {
    return (await new Deno.Command(command, { args, stdout: "null", stderr: "null" }).output())
      .success;
  } catch {
    return false;
  }
}

/** What a user writes: predictions of a small network with the weights of its seed. */
const PROGRAM = `
  export async function predict({ DeepVirtualNetwork, digitsScenario, Gpu, parseScenario }, { loadDigits }) {
    const gpu = await Gpu.open({ limits: "default" });
    const digits = await loadDigits();
    const scenario = parseScenario({
      ...digitsScenario,
      backbone: { kind: "custom", widths: [4, 8], blocks: 1 },
      stem: { kernel: 3, channels: 4, outputSize: 8 },
      units: 2,
      levels: [1, 2],
      tasks: [{ name: "digits", dataset: "digits" }],
    });
    const net = await DeepVirtualNetwork.create(gpu, scenario, { digits });
    const images = new Uint8Array(3 * 8 * 8);
    digits.test.read(Uint32Array.of(0, 1, 2), images, new Uint32Array(3));
    const probabilities = [...await net.virtual("digits", { level: 2 }).predict(images)];
    gpu.destroy();
    return probabilities;
  }`;

const html = (script: string) =>
  `<!DOCTYPE html><link rel="icon" href="data:,"><script type="module">${script}</script>`;

function assertProbabilities(rows: number[] | undefined): void {
  assertEquals(rows?.length, 30);
  for (let image = 0; image < 3; image++) {
    const sum = rows!.slice(image * 10, image * 10 + 10).reduce((total, p) => total + p);
    assert(Math.abs(sum - 1) < 1e-5, `probabilities of image ${image} add up to ${sum}`);
  }
}

Deno.test("build() stays below the size limit and keeps the digits apart", async () => {
  const files = new Map((await builtFiles()).map((file) => [file.name, file]));
  const { bytes, gzipBytes } = files.get("dvn.min.js")!;
  assert(bytes <= SIZE_LIMIT && bytes > SIZE_LIMIT / 2, `${bytes} bytes`);
  assert(gzipBytes < bytes / 2, `${gzipBytes} bytes gzipped`);
  const digits = await Deno.readTextFile(join(dist, "digits.js"));
  const start = /[\w+/]{60}/.exec(digits)?.[0];
  assert(start, "no data in digits.js");
  for (const name of ["dvn.js", "dvn.min.js", "datasets.js"]) {
    const text = await Deno.readTextFile(join(dist, name));
    assert(!text.includes(start!), `${name} holds the digits`);
    assertStringIncludes(text, `//# sourceMappingURL=${name}.map`);
    const { sources } = JSON.parse(await Deno.readTextFile(join(dist, `${name}.map`)));
    assert(sources.some((source: string) => /(nn|datasets)\/\w+\.ts$/.test(source)), `${sources}`);
  }
});

Deno.test("each built module has the names of its entry", async () => {
  await builtFiles();
  for (const source of Object.values(config.exports)) {
    const name = basename(source, ".ts").replace("mod", "dvn");
    const want = Object.keys(await import(join("../..", source)));
    for (const file of [`${name}.js`, `${name}.min.js`]) {
      const got = Object.keys(await import(pathToFileURL(join(dist, file)).href));
      assertEquals(got.sort(), want.sort(), file);
    }
  }
});

Deno.test("built tuning measures on the built library's device and tells its errors", async () => {
  await builtFiles();
  await prepareAdapter();
  const load = (name: string) => import(pathToFileURL(join(dist, `${name}.min.js`)).href);
  const { Gpu, ShaderError }: typeof import("../../mod.ts") = await load("dvn");
  const { autotune, shapeKey }: typeof import("../../tuning.ts") = await load("tuning");
  const gpu = await Gpu.open({ limits: "default" });
  const sizes = { n: 1, h: 8, w: 8, ci: 4, co: 4, kernel: 3, stride: 1, padding: 1 };
  const shape: ConvShape = { pass: "forward", ...sizes };
  const bad: Choice = { algorithm: "direct", tile: { rows: 2, columns: 0 } };
  const [record] = await Array.fromAsync(autotune(gpu, [shape], { candidates: () => [bad] }));
  assert(record!.milliseconds >= 0 && record!.failed[0]!.error instanceof ShaderError);
  assertEquals(gpu.tuning.state.pinned, { [shapeKey(shape)]: gpu.tuning.standard(shape) });
  assertEquals(gpu.bytesHeld, 0);
  gpu.destroy();
});

/** All files below a folder, with their contents. */
async function contents(folder: string): Promise<Map<string, string>> {
  const files = new Map<string, string>();
  for await (const { name, isDirectory } of Deno.readDir(folder)) {
    const path = join(folder, name);
    if (!isDirectory) files.set(path, await Deno.readTextFile(path));
    else for (const [below, text] of await contents(path)) files.set(below, text);
  }
  return files;
}

Deno.test("build() refuses a folder with anything in it that it did not write, and leaves it", async () => {
  await builtFiles();
  const text = await Deno.readTextFile(join(dist, "dvn.js"));
  const list = await Deno.readTextFile(join(dist, ".dvn-build.json"));
  const cases: [string, Record<string, string>][] = [
    ["thesis.txt", { "thesis.txt": "mine" }],
    // What the README invites to.
    ["dvn.js", { "dvn.js": text, "index.html": "mine", "fonts/mine.woff2": "mine" }],
    ["fonts/mine.woff2", { ".dvn-build.json": list, "dvn.js": text, "fonts/mine.woff2": "mine" }],
    ["types/nn/mine.d.ts", { ".dvn-build.json": list, "types/nn/mine.d.ts": "mine" }],
    ["dvn.js", { ".dvn-build.json": list, "dvn.js": `${text}// and mine` }],
    ["thesis.txt", { ".dvn-build.json": "{", "thesis.txt": "mine" }],
  ];
  for (const [named, files] of cases) {
    const folder = await Deno.makeTempDir({ dir: root });
    for (const [path, text] of Object.entries(files)) {
      await Deno.mkdir(dirname(join(folder, path)), { recursive: true });
      await Deno.writeTextFile(join(folder, path), text);
    }
    const before = await contents(folder);
    const error = await assertRejects(() => build(folder), Error, "holds what no build wrote");
    if (Object.keys(files).includes(".dvn-build.json")) assertStringIncludes(error.message, named);
    assertEquals(await contents(folder), before);
  }
  const folder = await Deno.makeTempDir({ dir: root });
  await Deno.writeTextFile(join(folder, ".dvn-build.json"), list);
  await Deno.symlink(join(dist, "dvn.js"), join(folder, "dvn.js"));
  await assertRejects(() => build(folder), Error, "such as dvn.js");
});

Deno.test("build() replaces an earlier build, files included that are made no more", async () => {
  await builtFiles();
  const folder = join(root, "again");
  const list = JSON.parse(await Deno.readTextFile(join(dist, ".dvn-build.json")));
  await Deno.mkdir(join(folder, "types"), { recursive: true });
  await Deno.copyFile(join(dist, "dvn.js"), join(folder, "dvn.js"));
  await Deno.copyFile(join(dist, "dvn.js"), join(folder, "types/old.d.ts"));
  await Deno.writeTextFile(
    join(folder, ".dvn-build.json"),
    JSON.stringify({ ...list, "types/old.d.ts": list["dvn.js"] }),
  );
  await build(folder);
  const paths = async (folder: string) =>
    [...(await contents(folder)).keys()].map((path) => relative(folder, path)).sort();
  assertEquals(await paths(folder), await paths(dist));
  assert((await paths(folder)).includes("page/worker.js"));
});

Deno.test("stripWgsl() keeps all but comments and white space, and the marks of loops", () => {
  const wgsl = `// A comment.
/** Doc,
 * longer. */
fn main() {
  // unroll
  for (var p = 0u; p < 2u; p++) { // twice
    // unroll me not
    x[p] = 1.0 / y; /* here */ }

}
`;
  const stripped = stripWgsl(wgsl);
  assertEquals(
    stripped,
    "fn main() {\n// unroll\nfor (var p = 0u; p < 2u; p++) {\nx[p] = 1.0 / y;  }\n}\n",
  );
  const tokens = (text: string) => unroll("made", text).match(/[\w.]+|[^\s\w]/g)!;
  assertEquals(
    tokens(stripped),
    tokens(wgsl.replace(/\/\*.*?\*\//gs, "").replace(/\/\/ ?[A-Zt].*|\/\/ unroll me.*/g, "")),
  );
});

Deno.test({
  name: "a plain page imports dvn.js and dvn.min.js over HTTP, to the same bits",
  ignore: !chromium,
  async fn() {
    await builtFiles();
    await Deno.writeTextFile(join(root, "program.js"), PROGRAM);
    await Deno.writeTextFile(
      join(root, "plain.html"),
      html(`
        import { predict } from "./program.js";
        import * as plain from "./dist/dvn.js";
        import * as minified from "./dist/dvn.min.js";
        import * as datasets from "./dist/datasets.js";
        import * as minifiedDatasets from "./dist/datasets.min.js";
        report([await predict(plain, datasets), await predict(minified, minifiedDatasets)]);`),
    );
    const requested: string[] = [];
    const server = serveFolder(root, requested);
    try {
      const url = `http://127.0.0.1:${server.addr.port}/plain.html`;
      const [plain, minified] = await openPage<number[][]>(chromium!, url);
      assertProbabilities(plain);
      assertEquals(minified, plain);
      const files = [
        "plain.html",
        "program.js",
        "dist/dvn.js",
        "dist/dvn.min.js",
        "dist/datasets.js",
        "dist/datasets.min.js",
        "dist/digits.js",
      ];
      assertEquals(requested.sort(), files.map((file) => `/${file}`).sort());
    } finally {
      await server.shutdown();
    }
  },
});

const VITE = "vite@8.3.8";

/** What `npm pack` names the package. */
const PACKED = `${config.name.slice(1).replace("/", "-")}-${config.version}.tgz`;

/** A folder in which `npm install` has put the packed package. */
async function userProject(): Promise<string> {
  await builtFiles();
  const folder = join(root, "project");
  await Deno.mkdir(folder, { recursive: true });
  const run = async (...args: string[]) => {
    const { success, stdout, stderr } = await new Deno.Command("npm", {
      args: [...args, "--offline", "--no-audit", "--no-fund", "--cache", join(root, "npm_cache")],
      cwd: folder,
    }).output();
    const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
    assert(success, `npm ${args.join(" ")}: ${text(stderr)}`);
    return text(stdout);
  };
  const [{ files }] = JSON.parse(await run("pack", "--json", dist));
  const paths: string[] = files.map(({ path }: { path: string }) => path);
  for (
    const path of [
      "LICENSE",
      "README.md",
      "dvn.js",
      "dvn.js.map",
      "dvn.min.js",
      "digits.js",
      "dvn.d.ts",
      "types/nn/tape.d.ts",
      "paper.js",
      "datasets.js",
      "files.js",
      "tuning.js",
      "package.json",
    ]
  ) assert(paths.includes(path), `${path} is not packed`);
  assert(!paths.some((path) => path.startsWith("page/")), "the page is packed");
  await Deno.writeTextFile(join(folder, "package.json"), `{ "type": "module", "private": true }`);
  await run("install", join(folder, PACKED));
  return folder;
}

let project: Promise<string> | undefined;
const projectFolder = () => project ??= userProject();

/** What a user's project that is bundled writes, and tells the page's driver. */
const MAIN = `
  import * as dvn from "${config.name}";
  import { findMethod } from "${config.name}/paper";
  import * as datasets from "${config.name}/datasets";
  import { predict } from "./program.js";
  report({
    method: findMethod("nestednet").name,
    probabilities: await predict(dvn, datasets),
  });`;

/** Opens a page of a project, and checks what its {@linkcode MAIN} tells. */
async function assertRuns(folder: string): Promise<void> {
  const server = serveFolder(folder);
  try {
    const { method, probabilities } = await openPage<{ method: string; probabilities: number[] }>(
      chromium!,
      `http://127.0.0.1:${server.addr.port}/index.html`,
    );
    assertEquals(method, "nestednet");
    assertProbabilities(probabilities);
  } finally {
    await server.shutdown();
  }
}

Deno.test({
  name: "a project that installs the packed package builds with esbuild and runs in a page",
  ignore: !chromium || !npm,
  async fn() {
    const folder = await projectFolder();
    await Deno.writeTextFile(join(folder, "program.js"), PROGRAM);
    await Deno.writeTextFile(join(folder, "main.ts"), MAIN);
    try {
      const { outputFiles } = await esbuild.build({
        absWorkingDir: folder,
        entryPoints: ["main.ts"],
        outdir: "out",
        bundle: true,
        splitting: true,
        minify: true,
        format: "esm",
        target: "es2022",
        write: false,
        logLevel: "silent",
      });
      await Deno.mkdir(join(folder, "out"), { recursive: true });
      for (const { path, contents } of outputFiles) await Deno.writeFile(path, contents);
    } finally {
      await esbuild.stop();
    }
    await Deno.writeTextFile(join(folder, "index.html"), html(`import "./out/main.js";`));
    await assertRuns(folder);
  },
});

Deno.test({
  name: "a project that installs the packed package builds with Vite and runs in a page",
  ignore: !chromium || !npm,
  async fn(t) {
    const folder = await Deno.makeTempDir({ dir: root });
    const tarball = join(await projectFolder(), PACKED);
    await Deno.writeTextFile(join(folder, "package.json"), `{ "type": "module", "private": true }`);
    // Fetched by npm, and no dependency of this project: Deno downloads those before anything runs.
    const flags = ["--prefer-offline", "--fetch-timeout=60000", "--no-audit", "--no-fund"];
    const { success, stderr } = await new Deno.Command("npm", {
      args: ["install", VITE, tarball, "--ignore-scripts", ...flags],
      cwd: folder,
    }).output();
    if (!success) console.log(`no ${VITE}: ${new TextDecoder().decode(stderr)}`);
    await t.step({
      name: VITE,
      ignore: !success, // without the registry
      async fn() {
        await Deno.writeTextFile(join(folder, "program.js"), PROGRAM);
        await Deno.writeTextFile(join(folder, "main.ts"), MAIN);
        await Deno.writeTextFile(
          join(folder, "index.html"),
          `<!DOCTYPE html><link rel="icon" href="data:,"><script type="module" src="main.ts"></script>`,
        );
        // In Deno: the machine's Node may be too old for it.
        const vite = ["node_modules/vite/bin/vite.js", "build", "--base", "./"];
        const built = await new Deno.Command(Deno.execPath(), {
          args: ["run", "-A", "--no-config", "--node-modules-dir=manual", ...vite],
          cwd: folder,
        }).output();
        assert(built.success, new TextDecoder().decode(built.stderr));
        await assertRuns(join(folder, "dist"));
      },
    });
  },
});

Deno.test({
  name: "TypeScript checks a user's program against the declarations",
  ignore: !npm,
  async fn() {
    const folder = await projectFolder();
    const check = (files: string[], module: "bundler" | "nodenext") => {
      const program = ts.createProgram(files.map((file) => join(folder, file)), {
        strict: true,
        noEmit: true,
        types: [],
        lib: ["lib.esnext.d.ts", "lib.dom.d.ts"],
        target: ts.ScriptTarget.ESNext,
        ...module === "bundler"
          ? {
            module: ts.ModuleKind.ESNext,
            moduleResolution: ts.ModuleResolutionKind.Bundler,
          }
          : { module: ts.ModuleKind.NodeNext },
      });
      return ts.getPreEmitDiagnostics(program).map(({ messageText, file }) =>
        `${basename(file?.fileName ?? "")}: ${ts.flattenDiagnosticMessageText(messageText, "\n")}`
      );
    };
    const program = (level: string) => `
      import {
        DeepVirtualNetwork, digitsScenario, Gpu, type TaskData, train,
      } from "${config.name}";
      import { builtInScenario } from "${config.name}/paper";
      import { loadDigits } from "${config.name}/datasets";
      const gpu: Gpu = await Gpu.open();
      const tasks: Record<string, TaskData> = { digits: await loadDigits() };
      const net = await DeepVirtualNetwork.create(gpu, digitsScenario, tasks);
      for await (const event of train(net, tasks)) {
        if (event.type === "step") console.log(event.loss.toFixed(3));
      }
      const bytes: number = net.virtual("digits", { level: ${level} }).cost.bytes;
      export { builtInScenario, bytes };`;
    await Deno.writeTextFile(join(folder, "right.ts"), program("2"));
    await Deno.writeTextFile(join(folder, "wrong.ts"), program('"two"'));
    assertEquals(check(["right.ts"], "nodenext"), []);
    assertEquals(check(["right.ts", "wrong.ts"], "bundler"), [
      "wrong.ts: Type 'string' is not assignable to type 'number'.",
    ]);
  },
});

Deno.test("toBase91() gives two characters for 13 bits, none of which needs an escape", () => {
  for (const length of [0, 1, 2, 3, 12, 13, 14, 1000]) {
    const bytes = Uint8Array.from({ length }, (_, i) => 255 - (i * 37) % 256);
    const text = toBase91(bytes);
    assertEquals(JSON.stringify(text).length, text.length + 2);
    let bits = 0n;
    const digit = (c: string) => BigInt(c.charCodeAt(0) - (c > "\\" ? 36 : 35));
    for (let i = text.length - 2; i >= 0; i -= 2) {
      bits = bits << 13n | digit(text[i]!) * 91n + digit(text[i + 1]!);
    }
    const back = Uint8Array.from({ length }, (_, i) => Number(bits >> BigInt(8 * i) & 255n));
    assertEquals(back, bytes);
    assert(text.length <= Math.ceil((8 * length + 16) / 13) * 2, `${text.length} for ${length}`);
  }
});
