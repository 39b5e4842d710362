import { assertEquals } from "@std/assert";
import { dirname, join } from "node:path";
import { findOffences } from "../../tools/check_layers.ts";

/** Makes a tree of files, checks it, and gives each offence as one line. */
async function check(files: Record<string, string>): Promise<string[]> {
  const root = await Deno.makeTempDir();
  try {
    for (const [file, text] of Object.entries(files)) {
      const path = join(root, file);
      await Deno.mkdir(dirname(path), { recursive: true });
      await Deno.writeTextFile(path, text);
    }
    return (await findOffences(root)).map(({ file, line, rule }) => `${file}:${line}: ${rule}`);
  } finally {
    await Deno.remove(root, { recursive: true });
  }
}

Deno.test("check_layers passes a tree that keeps the rules", async () => {
  const offences = await check({
    "shaders/relu.wgsl": "fn main() {}",
    "shaders/relu.ts": `import wgsl from "./relu.wgsl" with { type: "text" };\nexport { wgsl };`,
    "nn/relu.ts": `export * from "../shaders/relu.ts";\n// Deno.env is only named here`,
    "nn/gpu.ts": `export const adapter = () => navigator.gpu.requestAdapter();`,
    "dvn/net.ts": `import { wgsl } from "../nn/relu.ts";\nexport const text: string = wgsl;`,
    "datasets/digits.ts": `export const digits = () => import("./digits_data.ts");`,
    "datasets/digits_data.ts": `export default "0";`,
    "mod.ts": `export * from "./dvn/net.ts";\nexport * from "./datasets/digits.ts";`,
    "web/page.ts": `import { text } from "../mod.ts";\nconsole.log(text);`,
    "cli/train.ts": `import { text } from "../dvn/net.ts";\nconsole.log(text, Deno.args);`,
    "cli/serve.ts": `import "../web/server/server.ts";`,
    "web/server/server.ts": `import "../../mod.ts";`,
    "tools/build.ts": `import "../web/server/server.ts";`,
    "tests/net_test.ts":
      `import "../web/page.ts";\nimport "../cli/train.ts";\nimport "fast-check";`,
  });
  assertEquals(offences, []);
});

Deno.test("check_layers names each import against the layers", async () => {
  const offences = await check({
    "shaders/a.ts": `export type { B } from "../nn/b.ts";`,
    "nn/b.ts": `\nexport type B = typeof import("../dvn/c.ts");`,
    "dvn/c.ts": `export const late = () => import("../datasets/d.ts");`,
    "dvn/e.ts": `import "../shaders/f.ts";`,
    "shaders/f.ts": "",
    "datasets/d.ts": `import "../nn/g.ts";`,
    "nn/g.ts": "",
    "web/page.ts": `import "../mod.ts";\nimport "../nn/g.ts";`,
    "web/late.ts": `import "./server/server.ts";`,
    "web/server/server.ts": `import "../chart.ts";\nimport "../../cli/args.ts";`,
    "cli/args.ts": "",
    "mod.ts": `import "./cli/main.ts";`,
    "cli/main.ts": `import "../web/chart.ts";`,
    "web/chart.ts": "",
  });
  assertEquals(offences, [
    "cli/main.ts:1: imports web/chart.ts, but cli may import only itself and shaders, nn, dvn, " +
    "datasets, mod.ts, paper.ts, datasets.ts, files.ts, tuning.ts, web/server",
    "datasets/d.ts:1: imports nn/g.ts, but datasets may import only itself",
    "dvn/c.ts:1: imports datasets/d.ts, but dvn may import only itself and nn",
    "dvn/e.ts:1: imports shaders/f.ts, but dvn may import only itself and nn",
    "mod.ts:1: imports cli/main.ts, but mod.ts may import only itself and shaders, nn, dvn, " +
    "datasets",
    "nn/b.ts:2: imports dvn/c.ts, but nn may import only itself and shaders",
    "shaders/a.ts:1: imports nn/b.ts, but shaders may import only itself",
    "web/late.ts:1: imports web/server/server.ts, but web may import only itself and mod.ts, " +
    "paper.ts, datasets.ts, files.ts, tuning.ts",
    "web/page.ts:2: imports nn/g.ts, but web may import only itself and mod.ts, " +
    "paper.ts, datasets.ts, files.ts, tuning.ts",
    "web/server/server.ts:1: imports web/chart.ts, but web/server may import only itself and mod.ts, " +
    "paper.ts, datasets.ts, files.ts, tuning.ts",
    "web/server/server.ts:2: imports cli/args.ts, but web/server may import only itself and mod.ts, " +
    "paper.ts, datasets.ts, files.ts, tuning.ts",
  ]);
});

Deno.test("check_layers names imports that need an import map, Node or a network", async () => {
  const way =
    "but library code must load without an import map, in a browser too: use a relative " +
    "path or npm:name@1.2.3";
  const specifiers = [
    "@std/assert",
    "node:fs",
    "npm:wgpu-matrix",
    "jsr:@std/path",
    "https://a.b/c",
  ];
  const offences = await check({
    "nn/a.ts": specifiers.map((specifier) => `import "${specifier}";\n`).join(
      "",
    ),
    "cli/b.ts": specifiers.map((specifier) => `import "${specifier}";\n`).join(
      "",
    ),
  });
  assertEquals(
    offences,
    specifiers.map((specifier, i) => `nn/a.ts:${i + 1}: imports "${specifier}", ${way}`),
  );
});

Deno.test("check_layers finds cycles between files, of types and dynamic imports too", async () => {
  const offences = await check({
    "nn/a.ts": `import type { B } from "./b.ts";\nexport type A = B;`,
    "nn/b.ts": `export type B = number;\nexport const late = () => import("./c.ts");`,
    "nn/c.ts": `export * from "./d.ts";\nexport * from "./a.ts";`,
    "nn/d.ts": "export {};",
    "tests/self.ts": `import "./self.ts";`,
  });
  assertEquals(offences, [
    "nn/c.ts:2: closes an import cycle: nn/a.ts -> nn/b.ts -> nn/c.ts -> nn/a.ts",
    "tests/self.ts:1: closes an import cycle: tests/self.ts -> tests/self.ts",
  ]);
});

Deno.test("check_layers finds Deno's and Node's globals in library code", async () => {
  const why = "fails to compile without Deno's and Node's types, which library code must: ";
  const offences = await check({
    "nn/a.ts": `export const text = "Deno.env";\nexport const a = Deno.env.get("A");`,
    "datasets/b.ts": `export const a = process.env;\nexport const b = Buffer.from("b");`,
    "tools/c.ts": `console.log(Deno.args);`,
  });
  assertEquals(offences, [
    `datasets/b.ts:1: ${why}Cannot find name 'process'.`,
    `datasets/b.ts:2: ${why}Cannot find name 'Buffer'.`,
    `nn/a.ts:2: ${why}Cannot find name 'Deno'`,
  ]);
});
