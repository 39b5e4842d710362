/** The page in Chromium, served by the server that `deno task serve` starts. */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { Buffer } from "node:buffer";
import { join } from "node:path";
import type { Browser, BrowserContextOptions, Download, Page } from "playwright-core";
import { prepareAdapter } from "../../cli/adapter.ts";
import { decodePicture } from "../../cli/images.ts";
import { loadDigits, preparePicture, selectClasses } from "../../datasets.ts";
import { decodeSafeTensors, DeepVirtualNetwork, digitsScenario } from "../../mod.ts";
import { bundlePage, type PageFile } from "../../web/server/page_bundle.ts";
import { GpuPredictor } from "../../web/server/predictor.ts";
import { type RunningServer, startServer } from "../../web/server/server.ts";
import { findChromium, launchChromium } from "../browser/chromium.ts";
import { testGpu } from "../gpu.ts";

/** A software adapter on a busy machine compiles for long. */
const PATIENCE = 600_000;

/** As it is before an adapter for Deno alone is prepared. */
const environment = Deno.env.toObject();
const chromium = await findChromium();
const folder = join(import.meta.dirname!, "../..");

let browser: Browser;
let server: RunningServer;
let files: Map<string, PageFile>;
let runs: string;

Deno.test.beforeAll(async () => {
  if (!chromium) return;
  runs = await Deno.makeTempDir();
  await makeRun(join(runs, "made-up"));
  await Deno.mkdir(join(runs, "empty"));
  files = await bundlePage(join(folder, "web/page"));
  server = startServer({
    page: files,
    runs: ["empty", "made-up"].map((name) => ({ name, path: join(runs, name) })),
    predictor: new GpuPredictor({ prepareAdapter }),
  }, { hostname: "127.0.0.1", port: 0 });
  browser = await launchChromium(chromium, environment);
});

Deno.test.afterAll(async () => {
  await browser?.close();
  await server?.close();
  if (runs) await Deno.remove(runs, { recursive: true });
});

/** A run of the digits that has learned nothing, but has all that a server needs. */
async function makeRun(path: string): Promise<void> {
  const digits = await loadDigits();
  const data = Object.fromEntries(digitsScenario.tasks.map(({ name, classes }) => [
    name,
    classes ? selectClasses(digits, classes) : digits,
  ]));
  const net = await DeepVirtualNetwork.create(await testGpu(), digitsScenario, data);
  await Deno.mkdir(path);
  await Deno.writeFile(join(path, "model.safetensors"), await net.weights());
  const networks = net.costs().map(({ task, level }) => (
    { task, level, loss: 1, accuracy: 0.5 + level / 10, count: 100 }
  ));
  net.destroy();
  const evaluation = {
    type: "evaluation",
    step: 1,
    epoch: 1,
    images: "test",
    networks,
    seconds: 1,
  };
  await Deno.writeTextFile(join(path, "results.jsonl"), `${JSON.stringify(evaluation)}\n`);
}

/** Declares a test on a page of its own; what the console says of errors and warnings fails it. */
function pageTest(
  name: string,
  work: (page: Page) => Promise<void>,
  {
    options = {},
    start = (page: Page) => page.goto(`${server.url}?debug`) as Promise<unknown>,
    allowed = /^$/,
  }: {
    options?: BrowserContextOptions;
    /** Opens the page. */
    start?: (page: Page) => Promise<unknown>;
    /** What the console may say. */
    allowed?: RegExp;
  } = {},
): void {
  Deno.test({
    name: `page: ${name}`,
    ignore: !chromium,
    sanitizeOps: false,
    sanitizeResources: false,
    async fn() {
      const context = await browser.newContext({ acceptDownloads: true, ...options });
      const page = await context.newPage();
      page.setDefaultTimeout(PATIENCE);
      const complaints: string[] = [];
      page.on("pageerror", (error) => complaints.push(`uncaught: ${error.stack}`));
      page.on("crash", () => complaints.push("the page crashed"));
      page.on("console", (message) => {
        const text = message.text();
        if (["error", "warning"].includes(message.type()) && !allowed.test(text)) {
          complaints.push(`console ${message.type()}: ${text}`);
        }
      });
      try {
        await start(page);
        await waitForText(page, "#adapter", /^(?!looking)/);
        await work(page);
      } finally {
        await context.close();
      }
      assertEquals(complaints, []);
    },
  });
}

async function waitForText(page: Page, selector: string, pattern: RegExp): Promise<string> {
  try {
    await page.waitForFunction(
      ({ selector, source }) =>
        new RegExp(source).test(document.querySelector(selector)?.textContent ?? ""),
      { selector, source: pattern.source },
      { timeout: PATIENCE, polling: 100 },
    );
  } catch (cause) {
    const text = await page.textContent(selector);
    throw new Error(`${selector} should become ${pattern}, and is "${text}"`, { cause });
  }
  return (await page.textContent(selector))!;
}

/** Of the run, as the progress bar has it. */
function progress(page: Page): Promise<number> {
  return page.$eval("#progress", (element) => (element as HTMLProgressElement).value);
}

async function waitForProgress(page: Page, beyond: number): Promise<void> {
  await page.waitForFunction(
    (beyond) => (document.querySelector("#progress") as HTMLProgressElement).value > beyond,
    beyond,
    { timeout: PATIENCE, polling: 50 },
  );
}

async function downloaded(
  page: Page,
  button: string,
): Promise<{ name: string; bytes: Uint8Array }> {
  const [file] = await Promise.all([
    page.waitForEvent("download") as Promise<Download>,
    page.click(button),
  ]);
  return { name: file.suggestedFilename(), bytes: await Deno.readFile(await file.path()) };
}

pageTest("trains, pauses, resumes and stops, and gives what it made", async (page) => {
  await page.fill("#epochs", "40");
  // How soon the page itself comes to what is due, while its worker trains.
  await page.evaluate(() => {
    const delays: number[] = (globalThis as unknown as Delays).delays = [];
    let last = performance.now();
    setInterval(() => {
      const now = performance.now();
      delays.push(now - last);
      last = now;
    }, 20);
  });
  await page.click("#go");
  await waitForProgress(page, 0);
  assertEquals(await page.textContent("#go"), "Pause");
  assertMatch((await page.textContent("#t-rate"))!, /^[\d,]+$/);
  assertMatch((await page.textContent("#t-memory"))!, /^[\d.]+ [kM]B$/);
  assertMatch((await page.textContent("#t-left"))!, /\d (s|min)/);

  assertEquals(await asksBeforeLeaving(page), true);
  await page.focus("#train-charts .plot");
  await page.keyboard.press("End");
  assertMatch(
    await page.getAttribute("#train-charts .plot", "aria-valuetext") ?? "",
    /^Step \d+: /,
  );

  await page.focus("#go");
  await page.keyboard.press("Enter");
  await page.focus("#look-tasks input:checked");
  await waitForText(page, "#train-status", /^Paused/);
  await page.waitForTimeout(200); // what was learned is shown
  assertEquals(await focused(page), "digits", "the task that was chosen keeps the focus");
  const paused = await progress(page);
  await page.waitForTimeout(1000);
  assertEquals(await progress(page), paused, "it went on while paused");
  const half = decodeSafeTensors((await downloaded(page, "#get-checkpoint")).bytes);
  const pausedAt = Number(half.metadata.step);
  assert(pausedAt > 0, "a paused run has a checkpoint");

  await page.focus("#go");
  await page.keyboard.press("Enter");
  await waitForProgress(page, paused);
  await page.focus("#stop");
  await page.keyboard.press("Enter");
  await waitForText(page, "#train-status", /^Stopped/);
  assertEquals(await focused(page), "go");
  assertEquals(await asksBeforeLeaving(page), false);
  assertEquals(await page.textContent("#go"), "Train again");
  assertEquals(await page.isDisabled("#stop"), true);

  const csv = await downloaded(page, "#csv");
  assertEquals(csv.name, "digits-training.csv");
  const rows = new TextDecoder().decode(csv.bytes).trimEnd().split("\n");
  assertEquals(rows[0], "images,step,epoch,task,level,loss,accuracy");
  assertEquals((rows.length - 1) % 9, 0, "nine networks a step");
  const steps = rows.slice(1).filter((row) => row.startsWith("training")).map((row) =>
    Number(row.split(",")[1])
  );
  assertEquals(steps, steps.toSorted((a, b) => a - b));

  const whole = decodeSafeTensors((await downloaded(page, "#get-checkpoint")).bytes);
  assert(Number(whole.metadata.step) > pausedAt, "it trained on");
  await page.fill("#look-level", "1");
  const cut = await downloaded(page, "#cut");
  assertEquals(cut.name, "digits-digits-level1.safetensors");
  const { tensors, metadata } = decodeSafeTensors(cut.bytes);
  assertEquals([metadata.task, metadata.level, metadata.units], ["digits", "1", "[3]"]);
  const values = [...tensors.values()].reduce((sum, { data }) => sum + data.length, 0);
  assertEquals(await page.textContent("#l-parameters"), values.toLocaleString("en"));

  // Another training: what was learned goes when there is something in its place.
  await page.fill("#epochs", "");
  await page.click("#go");
  assertEquals(await page.$eval("#epochs", (input) => input.matches(":invalid")), true);
  await page.$eval("#epochs", (input) => (input as HTMLInputElement).required = false);
  await page.click("#go");
  await waitForText(page, "#train-status", /epochs/);
  await page.fill("#epochs", "40");
  await page.click("#go");
  await waitForText(page, "#go", /^Pause/);
  const still = decodeSafeTensors((await downloaded(page, "#get-checkpoint")).bytes);
  assertEquals(still.metadata.step, whole.metadata.step);

  const delays = await page.evaluate(() => (globalThis as unknown as Delays).delays);
  // A busy machine may leave the browser waiting now and then; a page that trains itself is always late.
  const sum = (times: number[]) => times.reduce((total, each) => total + each, 0);
  const late = sum(delays.filter((each) => each > 250)) / sum(delays);
  assert(late < 0.5, `${(100 * late).toFixed()} % of the time the page was late by 0.2 s and more`);
});

pageTest(
  "goes on from the last checkpoint when the device is lost, without frames too",
  async (page) => {
    await page.fill("#epochs", "2");
    await page.click("#go");
    await waitForText(page, "#t-epoch", /^2 of 2/); // after the first epoch's checkpoint
    await page.evaluate(() => (globalThis as unknown as Debug).dvn.loseDevice());
    const told = await waitForText(
      page,
      "#train-status",
      /lost\. Going on from the last checkpoint/,
    );
    assertMatch(told, /step 23\./);
    await waitForText(page, "#train-status", /^Training\. The graphics device was lost/);
    await waitForProgress(page, 0.5);

    // Then again, and no other is to be had for a while.
    const worker = page.workers()[0]!;
    await worker.evaluate(() => {
      const { gpu } = navigator;
      const requestAdapter = gpu.requestAdapter.bind(gpu);
      Object.assign(globalThis, { giveBack: () => gpu.requestAdapter = requestAdapter });
      gpu.requestAdapter = () => Promise.resolve(null);
    });
    await page.evaluate(() => (globalThis as unknown as Debug).dvn.loseDevice());
    await waitForText(
      page,
      "#train-status",
      /no WebGPU adapter.*"Resume" goes on from step 23\./,
    );
    await worker.evaluate(() => (globalThis as unknown as { giveBack(): void }).giveBack());
    await page.click("#go");
    await waitForText(page, "#train-status", /^Done/);
    assertEquals(await page.textContent("#t-epoch"), "2 of 2");
    const { bytes } = await downloaded(page, "#get-checkpoint");
    assertEquals(decodeSafeTensors(bytes).metadata.step, `${2 * 23}`);
    const { bytes: csv } = await downloaded(page, "#csv");
    const tested = new TextDecoder().decode(csv).split("\n").filter((row) =>
      row.startsWith("test")
    );
    assertEquals(tested.length, 2 * 9, "every epoch is tested once");
    // And once more, while nothing is trained.
    await page.evaluate(() => (globalThis as unknown as Debug).dvn.loseDevice());
    await page.click("#sample");
    await waitForText(page, "#use-status", /^Level 3, .* answered in/);
  },
  {
    async start(page) {
      // A hidden tab gets no frames.
      await page.addInitScript(() => globalThis.requestAnimationFrame = () => 0);
      await page.goto(`${server.url}?debug`);
    },
  },
);

interface Delays {
  delays: number[];
}

/** Whether the browser would ask. */
function asksBeforeLeaving(page: Page): Promise<boolean> {
  return page.evaluate(() => !dispatchEvent(new Event("beforeunload", { cancelable: true })));
}

/** The element that has the keyboard's focus, by its id, its words or its value. */
function focused(page: Page): Promise<string> {
  return page.evaluate(`((e) => {
    return e.id || e.getAttribute("aria-label") || e.textContent.trim() || e.value;
  })(document.activeElement)`);
}

/** What `?debug` offers. */
interface Debug {
  dvn: { loseDevice(): Promise<void> };
}

/** What the network reads, from the picture of it. */
function reads(page: Page): Promise<number[]> {
  return page.$eval("#reads", (element) => {
    const canvas = element as HTMLCanvasElement;
    const { data } = canvas.getContext("2d")!.getImageData(0, 0, canvas.width, canvas.height);
    return Array.from({ length: data.length / 4 }, (_, i) => data[4 * i]!);
  });
}

pageTest(
  "answers what is drawn, dropped or chosen at any budget, with the server's answer",
  async (page) => {
    await page.selectOption("#network", "run:made-up");
    await waitForText(page, "#network-status", /3 tasks, 9 networks/);
    assertEquals(await page.textContent("#l-accuracy"), "60.0 %"); // of the run's results
    assertEquals(await page.locator("#scatter .pick").count(), 9);
    await page.locator("#scatter .pick").nth(4).focus();
    assertMatch((await page.textContent("#scatter-note"))!, /^high, level 2: 70.0 % with 78.0 kB/);
    await page.keyboard.press("Enter");
    assertEquals(await page.textContent("#look-level-out"), "2 of 3");
    assertMatch(await focused(page), /^high, level 2/);
    assertMatch((await page.textContent("#scatter-note"))!, /^high, level 2/);
    await page.selectOption("#network", "run:empty");
    await waitForText(page, "#network-status", /^Server: empty cannot be used: /);
    assertEquals(await page.inputValue("#network"), "run:made-up");

    await page.setInputFiles("#picture-file", join(folder, "tests/fixtures/digits/3.png"));
    const same = await waitForText(page, "#difference", /Largest difference/);
    const [, difference] = /two: (none|[\d.e-]+)\./.exec(same)!;
    assert(difference === "none" || Number(difference) < 1e-4, same);
    assertMatch((await page.textContent("#use-status"))!, /^Level 3, 171 kB, answered in/);
    const format = { width: 8, height: 8, channels: 1, maximum: 16 };
    const picture = await Deno.readFile(join(folder, "tests/fixtures/digits/3.png"));
    const { bytes } = preparePicture(await decodePicture(picture), format, "auto");
    const shown = Array.from(bytes, (byte) => Math.round(255 * byte / 16));
    (await reads(page)).forEach((value, i) => assert(Math.abs(value - shown[i]!) <= 1));

    await page.fill("#budget", "0");
    await waitForText(
      page,
      "#use-status",
      /^No level fits .*: level 1, the smallest, needs 21.8 kB/,
    );
    await page.fill("#budget", "400");
    await waitForText(page, "#use-status", /^Level 1, 21.8 kB, answered in/);
    await waitForText(page, "#difference", /^Level 1 on the server/);
    await page.selectOption("#use-task", "low");
    await waitForText(page, "#use-status", /^Level 1, 21.4 kB/);
    assertEquals(await page.locator("#answer tbody tr").count(), 5);

    const broken = { name: "broken.png", mimeType: "image/png", buffer: Buffer.from("no picture") };
    // Anywhere else the browser would leave the page.
    for (const card of ["#train", "body", "#choice", "#use"]) {
      const taken = await page.evaluate(({ card, name, type, text }) => {
        const dataTransfer = new DataTransfer();
        dataTransfer.items.add(new File([text], name, { type }));
        const event = new DragEvent("drop", { dataTransfer, bubbles: true, cancelable: true });
        return !document.querySelector(card)!.dispatchEvent(event);
      }, { card, name: broken.name, type: broken.mimeType, text: broken.buffer.toString() });
      assert(taken, `a drop on ${card}`);
    }
    await waitForText(page, "#network-status", /not a whole safetensors file/);
    await waitForText(
      page,
      "#use-status",
      /^broken.png: it is not a picture that this browser can read/,
    );
    assertEquals(await page.locator("#answer tbody tr").count(), 0);
    await page.setInputFiles("#model-file", broken);
    await waitForText(page, "#network-status", /not a whole safetensors file/);
    assertEquals(await page.inputValue("#network"), "run:made-up");
    await page.setInputFiles("#model-file", join(runs, "made-up/model.safetensors"));
    await waitForText(page, "#network-status", /9 networks/);
    assertEquals(await page.inputValue("#network"), "file:model.safetensors");

    // With a pointer, then with the keyboard: a stroke down.
    await page.locator("#drawing").scrollIntoViewIfNeeded();
    const { x, y, width } = (await page.locator("#drawing").boundingBox())!;
    await page.mouse.move(x + width / 2, y + width / 5);
    await page.mouse.down();
    await page.mouse.move(x + width / 2, y + width * 0.8, { steps: 6 });
    await page.mouse.up();
    await waitForText(page, "#use-status", /^Level \d, .* answered/);
    const drawn = await reads(page);
    assert(drawn[8 * 4 + 3]! + drawn[8 * 4 + 4]! > 200, "ink in the middle");
    assertEquals(drawn[8 * 4], 0);
    await page.click("#clear");
    await waitForText(page, "#use-status", /^Nothing drawn/);
    await page.focus("#drawing");
    await page.keyboard.press("Space");
    for (let i = 0; i < 15; i++) await page.keyboard.press("ArrowDown");
    await waitForText(page, "#use-status", /^Level \d, .* answered/);
    assertMatch(
      (await page.textContent("#drawing-pen"))!,
      /^Pen down, 50 % across, 79 % down the sheet/,
    );
    const typed = await reads(page);
    assert(typed[8 * 4 + 3]! + typed[8 * 4 + 4]! > 200, "ink in the middle");
    await page.keyboard.press("Tab");
    assertEquals(await page.evaluate(() => document.activeElement!.id), "clear");
  },
);

pageTest(
  "fetches a network unit by unit: level 1 answers first, the others take over",
  async (page) => {
    // What the whole network says at each level.
    await page.selectOption("#network", "run:made-up");
    await waitForText(page, "#network-status", /9 networks/);
    await page.click("#sample");
    const wanted: string[] = [];
    for (const [i, budget] of [300, 800, 1000].entries()) {
      await page.fill("#budget", `${budget}`);
      await waitForText(page, "#use-status", new RegExp(`^Level ${i + 1}, .* answered in`));
      const [name, percent] = await page.locator("#answer tbody tr").first().locator(
        "th, .bar-text",
      )
        .allTextContents();
      wanted.push(`${name} (${percent})`);
    }

    assertEquals(await page.inputValue("#stream-run"), "made-up");
    await page.selectOption("#stream-task", "digits");
    await page.click("#stream-go");
    const told = await waitForText(page, "#stream-status", /^First answer after/);
    assertMatch(told, /It classified the picture above/);
    const answers = await page.locator("#stream-table tbody tr td:nth-child(4)").allTextContents();
    assertEquals(answers, wanted);
    const kilobytes = await page.locator("#stream-table tbody tr td:nth-child(2)")
      .allTextContents();
    const [first, second, third] = kilobytes.map(parseFloat) as [number, number, number];
    assert(first < second && second < third, kilobytes.join());
    const times = await page.locator("#stream-table tbody tr td:nth-child(3)").allTextContents();
    const unit: Record<string, number> = { ms: 1e-3, s: 1, min: 60 };
    const seconds = times.map((text) => parseFloat(text) * unit[text.split(" ")[1]!]!);
    assertEquals(seconds, seconds.toSorted((a, b) => a - b), "levels answer one after another");
    assertMatch(
      (await page.getAttribute("#arrival", "aria-label"))!,
      /Level 1 answered after .* Level 3/,
    );
  },
);

pageTest("a network that arrives can be stopped, and survives a lost device", async (page) => {
  const [worker] = page.workers();
  await worker!.evaluate(() => {
    const fetched = fetch;
    globalThis.fetch = (url, options) =>
      new Promise((resolve, reject) => {
        const timer = setTimeout(() => resolve(fetched(url, options)), 1000);
        options?.signal?.addEventListener("abort", () => {
          clearTimeout(timer);
          reject(options.signal!.reason);
        });
      });
  });
  await page.click("#stream-go");
  await waitForText(page, "#stream-go", /^Stop$/);
  await page.click("#stream-go");
  await waitForText(page, "#stream-status", /^Stopped\.$/);
  await page.click("#stream-go");
  await waitForText(page, "#stream-status", /^Level 1 answers/);
  await page.evaluate(() => (globalThis as unknown as Debug).dvn.loseDevice());
  const told = await waitForText(page, "#stream-status", /^First answer after/);
  assertMatch(told, /It classified a test picture/); // nothing was drawn
  const levels = await page.locator("#stream-table tbody tr th").allTextContents();
  assertEquals(levels, ["1", "2", "3"]);
});

pageTest("measures and tests a network, and holds the one in use alone", async (page) => {
  const [worker] = page.workers();
  await worker!.evaluate(() => {
    const world = globalThis as unknown as { held: number };
    world.held = 0;
    const { createBuffer } = GPUDevice.prototype;
    const { destroy } = GPUBuffer.prototype;
    GPUDevice.prototype.createBuffer = function (descriptor) {
      world.held += descriptor.size;
      return createBuffer.call(this, descriptor);
    };
    GPUBuffer.prototype.destroy = function () {
      world.held -= this.size;
      return destroy.call(this);
    };
  });
  const held = () => worker!.evaluate(() => (globalThis as unknown as { held: number }).held);
  await page.selectOption("#network", "run:made-up");
  await waitForText(page, "#network-status", /9 networks/);
  const { size } = await Deno.stat(join(runs, "made-up/model.safetensors"));
  const first = await held();
  assert(first < 2 * size, `${first} bytes for weights of ${size}: it will not be trained`);
  await page.setInputFiles("#model-file", join(runs, "made-up/model.safetensors"));
  await waitForText(page, "#l-accuracy", /^not tested$/); // a file has no results beside it
  assertEquals(await held(), first);

  await page.click("#measure");
  await waitForText(
    page,
    "#look-status",
    /^An image in a batch of 128, by .*: level 1 .* level 2 .* level 3 \d/,
  );
  assertMatch((await page.textContent("#l-time"))!, /\d (µs|ms)$/);
  assert(await held() < 2 * first, "what measuring took is given back");
  await page.click("#test");
  await waitForText(page, "#look-status", /^Tested on 359 pictures/);
  assertEquals(await page.locator("#scatter .pick").count(), 9);
  // Untrained, it guesses: one in ten, or five.
  assert(Number.parseFloat((await page.textContent("#l-accuracy"))!) < 35);
});

pageTest("what is pressed before the page is ready does nothing", async (page) => {
  await page.click("#clear");
  assertEquals(await page.textContent("#use-status"), "Nothing drawn yet.");
}, {
  async start(page) {
    const ready = Promise.withResolvers<void>();
    await page.route("**/runs", async (route) => {
      await ready.promise;
      await route.continue();
    });
    await page.goto(server.url);
    for (const control of ["#look-level", "#drawing", "#clear", "#sample", "#budget"]) {
      await page.locator(control).scrollIntoViewIfNeeded();
      const { x, y, width, height } = (await page.locator(control).boundingBox())!;
      await page.mouse.click(x + width / 2, y + height / 2);
    }
    await page.waitForTimeout(500); // a stroke counts a moment after it ends
    ready.resolve();
  },
});

pageTest("a worker that fails is told, and ends the training", async (page) => {
  await page.click("#go");
  await waitForText(page, "#train-status", /^(Preparing|Training)/);
  const [worker] = page.workers();
  await worker!.evaluate(() => {
    setTimeout(() => {
      throw new Error("made up");
    });
  });
  await waitForText(page, "#problem", /worker failed: .*made up.*Reload the page/);
  await waitForText(page, "#train-status", /worker failed/);
  assertEquals(await asksBeforeLeaving(page), false);
  await page.click("#sample");
  await waitForText(page, "#use-status", /worker failed/);
});

/** Elements that can be used now, each by its id or, where it has none, its words. */
const CONTROLS = `(() => {
  const name = (e) => e.id || e.getAttribute("aria-label") || e.textContent.trim() || e.value;
  const all = document.querySelectorAll(
    "a[href], button:enabled, select:enabled, input:enabled, summary, [tabindex='0']");
  return [...all].filter((e) => {
    if (e.tabIndex < 0 || !e.checkVisibility()) return false;
    if (e.type !== "radio") return true;
    return e.checked; // the Tab key goes to the chosen one, arrow keys to the others
  }).map(name);
})()`;

/** What has less contrast with the colour behind it than WCAG's AA asks: 4.5 for text, 3 for borders of fields. */
const FAINT = `(() => {
  const canvas = new OffscreenCanvas(1, 1).getContext("2d", { willReadFrequently: true });
  const luminance = (colour) => {
    canvas.clearRect(0, 0, 1, 1);
    canvas.fillStyle = colour;
    canvas.fillRect(0, 0, 1, 1);
    const [r, g, b] = [...canvas.getImageData(0, 0, 1, 1).data].map((byte) => {
      return byte <= 10 ? byte / 255 / 12.92 : ((byte / 255 + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const behind = (e) => {
    const { backgroundColor } = getComputedStyle(e);
    return backgroundColor === "rgba(0, 0, 0, 0)" ? behind(e.parentElement) : backgroundColor;
  };
  const wanted = [
    ...["h2", ".lead", ".soft", ".status", ".badge", ".sections a", ".tiles dt", ".tiles dd", "#clear",
      "#look-tasks span", ".chip", "footer p"].map((s) => [s, "color", 4.5]),
    ...["#epochs", "#use-task", "#clear"].map((s) => [s, "borderTopColor", 3]),
    ["#drawing-hint", "color", 4.5, "white"],
  ];
  return wanted.flatMap(([selector, property, least, ground]) => {
    const e = document.querySelector(selector);
    const [a, b] = [getComputedStyle(e)[property], ground ?? behind(e)].map(luminance);
    const contrast = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    return contrast < least ? [selector + " " + contrast.toFixed(1)] : [];
  });
})()`;

pageTest("every control can be reached by the keyboard", async (page) => {
  // As once a training has begun.
  await page.evaluate(() => document.querySelector<HTMLElement>("#train-results")!.hidden = false);
  const wanted = await page.evaluate(CONTROLS) as string[];
  assert(wanted.length > 25, `${wanted}`);
  // Chromium drops keys until a page has been painted.
  await page.evaluate(() => new Promise((done) => requestAnimationFrame(() => setTimeout(done))));
  const reached = new Set<string>();
  for (let i = 0; i < 4 * wanted.length && wanted.some((name) => !reached.has(name)); i++) {
    await page.keyboard.press("Tab");
    reached.add(await focused(page));
  }
  assertEquals(wanted.filter((name) => !reached.has(name)), []);
  await page.focus("#look-tasks input:checked");
  await page.keyboard.press("ArrowLeft");
  assertEquals(await page.textContent("#l-units"), "2");
  await page.focus("#look-level");
  await page.keyboard.press("ArrowRight");
  assertEquals(await page.textContent("#l-units"), "2, 1");
  await page.focus("#theme");
  for (const theme of ["light", "dark", "auto"]) {
    await page.keyboard.press("Enter");
    assertEquals(await page.textContent("#theme"), `Theme: ${theme}`);
    const scheme = await page.evaluate(() =>
      getComputedStyle(document.documentElement).colorScheme
    );
    assertEquals(scheme, theme === "auto" ? "light dark" : theme);
    assertEquals(await page.evaluate(FAINT), [], `too little contrast in ${theme}`);
  }
});

pageTest("a phone's width needs no scrolling sideways", async (page) => {
  await page.selectOption("#network", "run:made-up");
  await waitForText(page, "#network-status", /9 networks/);
  await page.click("#stream-go");
  await waitForText(page, "#stream-status", /^First answer after/);
  await page.click("#go");
  await waitForProgress(page, 0);
  await page.click("#stop");
  await page.click("#train-table summary");
  await page.locator("#train-table tbody tr").nth(8).waitFor();
  for (const width of [390, 320]) {
    await page.setViewportSize({ width, height: 844 });
    await page.waitForTimeout(500); // charts are drawn again
    const widest = await page.evaluate(() => document.documentElement.scrollWidth);
    assert(widest <= width, `${widest} pixels at a width of ${width}`);
  }
}, { options: { viewport: { width: 390, height: 844 }, hasTouch: true, isMobile: true } });

pageTest("without WebGPU and without a server it says so, and still looks inside", async (page) => {
  assertEquals(await page.textContent("#adapter"), "no WebGPU");
  assertMatch(
    (await page.textContent("#problem"))!,
    /secure pages only: open this page through https/,
  );
  assertEquals(await page.isDisabled("#go"), true);
  assertMatch((await page.textContent("#stream-status"))!, /^No server with trained runs/);
  assertEquals(await page.textContent("#l-parameters"), "5,446");
  await page.fill("#look-level", "3");
  assertEquals(await page.textContent("#l-parameters"), "42,790");
  await page.setInputFiles("#model-file", join(runs, "made-up/model.safetensors"));
  await waitForText(page, "#network-status", /9 networks/);
}, {
  allowed: /404/,
  // Plain files, at an address that is not secure.
  async start(page) {
    await page.route("http://plain.example/**", (route) => {
      const file = files.get(new URL(route.request().url()).pathname);
      if (!file) return route.fulfill({ status: 404 });
      return route.fulfill({ body: Buffer.from(file.content), contentType: file.type });
    });
    await page.goto("http://plain.example/");
  },
});

/** Changes the worker before it begins. */
async function openWith(page: Page, script: string): Promise<void> {
  const body = script + new TextDecoder().decode(files.get("/worker.js")!.content);
  await page.route("**/worker.js", (route) => {
    return route.fulfill({ body, contentType: "text/javascript" });
  });
  await page.goto(server.url);
}

pageTest(
  "a browser without WebGPU is told which have it; the server still answers",
  async (page) => {
    assertMatch(
      (await page.textContent("#problem"))!,
      /no WebGPU.* Chrome and Edge .* version 127 on/,
    );
    assertEquals(await page.isDisabled("#measure"), true);
    await page.selectOption("#network", "run:made-up");
    await waitForText(page, "#network-status", /9 networks/);
    await page.click("#sample");
    await waitForText(page, "#use-status", /^Level 3, answered by the server/);
    assertEquals(await page.locator("#answer tbody tr").count(), 5);
  },
  {
    async start(page) {
      await page.addInitScript(() => Reflect.deleteProperty(Navigator.prototype, "gpu"));
      await openWith(page, "delete WorkerNavigator.prototype.gpu;");
    },
  },
);

pageTest("a browser with an early WebGPU is told the same", async (page) => {
  assertMatch((await page.textContent("#problem"))!, /or an early one\. .* version 127 on/);
}, {
  async start(page) {
    await page.addInitScript(() => Reflect.deleteProperty(GPUAdapter.prototype, "info"));
    await openWith(page, "delete GPUAdapter.prototype.info;");
  },
});

pageTest("where there is no adapter it says what may help", async (page) => {
  assertMatch(
    (await page.textContent("#problem"))!,
    /no adapter could be opened \(.*no WebGPU adapter.*\)\. Turn on hardware acceleration/,
  );
}, {
  start: (page) => openWith(page, "GPU.prototype.requestAdapter = () => Promise.resolve(null);"),
});
