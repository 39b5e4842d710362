/** The browser's memory of measured choices, in a page of its own: Deno has no IndexedDB. */
import { assertEquals } from "@std/assert";
import * as esbuild from "esbuild";
import { join } from "node:path";
import type { TunedChoices } from "../../nn/gpu/autotune.ts";
import { denoPackages } from "../../tools/esbuild_plugin.ts";
import { findChromium, launchChromium } from "./chromium.ts";
import type { IndexedDbCalls } from "./indexed_db_page.ts";

const tuned = (rows: number): TunedChoices[string] => ({
  choice: { algorithm: "direct", tile: { rows, columns: 1 } },
  milliseconds: 1.5,
  standard: { choice: { algorithm: "direct", tile: { rows: 8, columns: 1 } }, milliseconds: 2 },
});

async function bundlePage(): Promise<string> {
  const entry = join(import.meta.dirname!, "indexed_db_page.ts");
  try {
    const { outputFiles } = await esbuild.build({
      entryPoints: [entry],
      write: false,
      bundle: true,
      format: "esm",
      platform: "browser",
      plugins: [denoPackages([entry])],
    });
    return outputFiles[0]!.text;
  } finally {
    await esbuild.stop();
  }
}

const chromium = await findChromium();

Deno.test({
  name: "measured choices are kept in a browser's database, and pages lose nothing of each other's",
  ignore: !chromium,
  fn: async () => {
    const script = await bundlePage();
    const server = Deno.serve(
      { hostname: "127.0.0.1", port: 0, onListen: () => {} },
      ({ url }) =>
        url.endsWith(".js")
          ? new Response(script, { headers: { "content-type": "text/javascript" } })
          : new Response('<!DOCTYPE html><script type="module" src="/page.js"></script>', {
            headers: { "content-type": "text/html" },
          }),
    );
    const browser = await launchChromium(chromium!);
    try {
      const context = await browser.newContext();
      const open = async () => {
        const page = await context.newPage();
        page.setDefaultTimeout(180_000);
        await page.goto(`http://127.0.0.1:${server.addr.port}/`);
        await page.waitForFunction(() => "choices" in globalThis);
        return {
          load: (key: string) => page.evaluate((key) => choices.load(key), key),
          save: (key: string, tuned: TunedChoices) =>
            page.evaluate(([key, tuned]) => choices.save(key, tuned), [key, tuned] as const),
          forget: (key: string) => page.evaluate((key) => choices.forget(key), key),
          saveRaw: (key: string, value: unknown) =>
            page.evaluate(([key, value]) => choices.saveRaw(key, value), [key, value] as const),
        } satisfies IndexedDbCalls;
      };
      const [first, second] = [await open(), await open()];
      assertEquals(await first.load("a"), {});
      await first.save("a", { one: tuned(1), two: tuned(2) });
      await first.save("b", { one: tuned(3) });
      assertEquals(await second.load("a"), { one: tuned(1), two: tuned(2) });
      const names = Array.from({ length: 8 }, (_, i) => `shape ${i}`);
      await Promise.all(names.flatMap((name) => [
        first.save("a", { [`first ${name}`]: tuned(1) }),
        second.save("a", { [`second ${name}`]: tuned(2), two: tuned(4) }),
      ]));
      const all = await first.load("a");
      assertEquals(Object.keys(all).length, 18);
      assertEquals(all.two, tuned(4));
      await second.forget("a");
      assertEquals(await first.load("a"), {});
      assertEquals(await first.load("b"), { one: tuned(3) });
      await first.saveRaw("b", { one: { choice: "direct" }, two: tuned(2) });
      assertEquals(await first.load("b"), { two: tuned(2) });
      await first.saveRaw("b", 7);
      assertEquals(await first.load("b"), {});
    } finally {
      await browser.close();
      await server.shutdown();
    }
  },
});
