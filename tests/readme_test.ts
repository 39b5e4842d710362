import { assert, assertEquals } from "@std/assert";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { runDeno } from "../tools/run_deno.ts";

const root = join(import.meta.dirname!, "..");
const readme = await Deno.readTextFile(join(root, "README.md"));

Deno.test("the README's programs fit the library's types", async () => {
  const programs = [...readme.matchAll(/^```ts\n([^]*?)^```$/gm)].map(([, text]) => text!);
  assertEquals(programs.length, 2);
  const folder = await Deno.makeTempDir();
  try {
    const files = programs.map((text, i) => {
      const file = join(folder, `${i}.ts`);
      const here = text.replaceAll('from "./', `from "${pathToFileURL(root).href}/`);
      assert(here !== text, "it imports from the clone it is in");
      Deno.writeTextFileSync(file, here);
      return file;
    });
    const { success, stderr } = await runDeno(
      "check",
      "--quiet",
      "--config",
      join(root, "deno.json"),
      ...files,
    );
    assert(success, stderr);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("the README's pictures and links are there", async () => {
  const paths = [...readme.matchAll(/\]\(([^)#:]+)\)|src="([^":]+)"/g)].map(([, a, b]) => a ?? b!);
  assert(paths.includes("docs/page.png") && paths.includes("ARCHITECTURE.md"), paths.join());
  for (const path of paths) await Deno.stat(join(root, path));
});
