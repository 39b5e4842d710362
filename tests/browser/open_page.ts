import { launchChromium } from "./chromium.ts";

/** Of one page, in milliseconds; SwiftShader takes seconds on two idle cores. */
const PAGE_LIMIT = 600_000;

/**
 * Opens a page in headless Chromium and waits until it calls `report(result)`.
 *
 * @returns What it reported.
 * @throws {Error} If it throws, writes anything to its console, or takes too long.
 */
export async function openPage<Result>(executablePath: string, url: string): Promise<Result> {
  // The drivers that the command line chose for Deno would keep the browser from its own.
  const { VK_DRIVER_FILES: _, VK_ICD_FILENAMES: __, ...env } = Deno.env.toObject();
  const browser = await launchChromium(executablePath, env);
  const reported = Promise.withResolvers<Result>();
  const fail = (reason: string) => reported.reject(new Error(`${url}: ${reason}`));
  const timer = setTimeout(() => fail(`no report after ${PAGE_LIMIT / 1000} s`), PAGE_LIMIT);
  try {
    const page = await browser.newPage();
    page.setDefaultTimeout(PAGE_LIMIT);
    page.on("pageerror", (error) => fail(`${error.stack}`));
    page.on("crash", () => fail("the page crashed"));
    page.on("console", (message) => fail(`console ${message.type()}: ${message.text()}`));
    await page.exposeFunction("report", reported.resolve);
    const [result] = await Promise.all([reported.promise, page.goto(url, { waitUntil: "commit" })]);
    return result;
  } finally {
    clearTimeout(timer);
    await browser.close();
  }
}
