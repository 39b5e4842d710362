import * as esbuild from "esbuild";
import { join } from "node:path";
import type { Page } from "playwright-core";
import { denoPackages } from "../../tools/esbuild_plugin.ts";
import { launchChromium } from "./chromium.ts";
import type { Report } from "./main.ts";

/** The longest that a case may take on a slow software adapter, in milliseconds. */
const CASE_LIMIT = 600_000;

/**
 * Runs the op cases in Chromium through an esbuild bundle, and prints a line for each.
 *
 * What the page's console says of errors and warnings, WebGPU's included, counts as a failure.
 *
 * @param filter As of `deno test --filter`; empty: all.
 * @param env The browser's environment.
 */
export async function runBrowserCases(
  executablePath: string,
  filter: string,
  env: Record<string, string>,
) {
  const server = servePage(await bundlePage());
  try {
    const browser = await launchChromium(executablePath, env);
    try {
      const page = await browser.newPage();
      page.setDefaultTimeout(CASE_LIMIT);
      return await runPage(
        page,
        `http://127.0.0.1:${server.addr.port}/`,
        filter,
      );
    } finally {
      await browser.close();
    }
  } finally {
    await server.shutdown();
  }
}

/** Files of the bundle, by name. */
async function bundlePage(): Promise<Map<string, Uint8Array>> {
  const entry = join(import.meta.dirname!, "main.ts");
  try {
    const { outputFiles } = await esbuild.build({
      entryPoints: [entry],
      outdir: "/",
      write: false,
      bundle: true,
      splitting: true, // keeps what is imported late, such as data sets, apart
      keepNames: true, // errors tell their class by name
      format: "esm",
      platform: "browser",
      plugins: [denoPackages([entry])],
    });
    return new Map(outputFiles.map(({ path, contents }) => [path, contents]));
  } finally {
    await esbuild.stop();
  }
}

const PAGE = `<!DOCTYPE html>
<link rel="icon" href="data:,">
<script type="module" src="/main.js"></script>
`;

function servePage(files: Map<string, Uint8Array>) {
  return Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen: () => {} },
    ({ url }) => {
      const { pathname } = new URL(url);
      if (pathname === "/") {
        return new Response(PAGE, {
          headers: { "content-type": "text/html" },
        });
      }
      const file = files.get(pathname);
      if (!file) return new Response("not found", { status: 404 });
      const headers = { "content-type": "text/javascript" };
      return new Response(file as Uint8Array<ArrayBuffer>, { headers });
    },
  );
}

async function runPage(page: Page, url: string, filter: string) {
  const ended: string[] = [];
  const failed = new Set<string>();
  let running = "the page's start";
  const fail = (reason: string) => {
    failed.add(running);
    console.error(`browser: ${running}: ${reason}`);
  };
  const stopped = Promise.withResolvers<never>();
  stopped.promise.catch(() => {}); // it may come when nobody waits yet, or any more
  let timer: ReturnType<typeof setTimeout>;
  const restartClock = () => {
    clearTimeout(timer);
    const message = `no result after ${CASE_LIMIT / 1000} s; the rest was not run`;
    timer = setTimeout(() => stopped.reject(new Error(message)), CASE_LIMIT);
  };
  page.on(
    "crash",
    () => stopped.reject(new Error("the page crashed; the rest was not run")),
  );
  page.on("pageerror", (error) => fail(`uncaught ${error.stack}`));
  page.on("console", (message) => {
    const type = message.type();
    if (type === "error" || type === "warning") {
      fail(`console ${type}: ${message.text()}`);
    } else console.log(message.text());
  });
  await page.exposeFunction("report", (report: Report) => {
    restartClock();
    if (report.type === "adapter") {
      console.log(`browser adapter: ${report.line}`);
    }
    if (report.type === "start") running = report.name;
    if (report.type !== "end") return;
    const { error, milliseconds } = report;
    if (error) fail(error);
    ended.push(running);
    const verdict = failed.has(running) ? "FAILED" : "ok";
    console.log(`${running} ... ${verdict} (${Math.round(milliseconds)}ms)`);
  });
  restartClock();
  try {
    await page.goto(url);
    const done = page.evaluate((filter) => globalThis.start(filter), filter);
    await Promise.race([done, stopped.promise]);
  } catch (error) {
    fail((error as Error).message);
  } finally {
    clearTimeout(timer!);
  }
  return {
    passed: ended.filter((name) => !failed.has(name)).length,
    failed: failed.size,
  };
}
