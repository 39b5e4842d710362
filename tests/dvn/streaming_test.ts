import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { networkCost } from "../../dvn/costs.ts";
import { DeepVirtualNetwork } from "../../dvn/network.ts";
import type { Scenario } from "../../dvn/scenario.ts";
import { digitsScenario } from "../../dvn/scenarios/digits.ts";
import {
  openStreaming,
  type StreamingOptions,
  type StreamingProgress,
} from "../../dvn/streaming.ts";
import { StreamingError } from "../../dvn/streaming_file.ts";
import {
  decodeSafeTensorsHeader,
  encodeSafeTensors,
  SafeTensorsError,
  safeTensorsHeaderEnd,
} from "../../nn/safetensors.ts";
import { testGpu } from "../gpu.ts";
import { serveFile, type ServerOptions } from "./streaming_server.ts";
import { tinyScenario, tinyTask } from "./tiny.ts";

/** Three tasks and three levels, and running statistics that are not those of a fresh network. */
async function network(change: Partial<Scenario> = {}) {
  const gpu = await testGpu();
  const scenario = { ...digitsScenario, ...change };
  const data = Object.fromEntries(
    scenario.tasks.map(({ name }, i) => [name, { ...tinyTask(i), height: 8, width: 8 }]),
  );
  const net = await DeepVirtualNetwork.create(gpu, scenario, data);
  for (const { name, length } of net.store.states.values()) {
    net.store.write(name, Float32Array.from({ length }, (_, i) => 0.5 + (i * 7 % 11) / 10));
  }
  return { gpu, net, weights: await net.weights() };
}

const images = Uint8Array.from({ length: 3 * 64 }, (_, i) => i * 37 % 256);

/** For tests of failures: tiny, and the retries do not keep anyone waiting. */
async function tinyWeights() {
  const gpu = await testGpu();
  const data = { a: tinyTask(1), b: tinyTask(3) };
  const net = await DeepVirtualNetwork.create(gpu, tinyScenario(), data);
  const weights = await net.weights();
  net.destroy();
  return { gpu, weights, options: { gpu, retryDelay: 1 } satisfies StreamingOptions };
}

for (
  const [name, change] of [
    ["private batch norm", {}],
    [
      "shared batch norm and stem",
      {
        batchNorm: { ...digitsScenario.batchNorm, affine: "shared", statistics: "shared" },
        stem: { ...digitsScenario.stem, sharing: "size" },
      },
    ],
    [
      "hidden layers, two units a level and a task with one level",
      {
        units: 5,
        levels: [2, 4, 5],
        tasks: digitsScenario.tasks.map((task, i) => ({
          ...task,
          hidden: [6],
          ...(i === 0 ? { levels: [2] } : {}),
        })),
      },
    ],
  ] as [string, Partial<Scenario>][]
) {
  Deno.test(`a network reads as many floats as its cost has parameters: ${name}`, async () => {
    const { net } = await network(change);
    for (const { task, level, parameters } of net.costs()) {
      const parts = net.parts(net.taskNames.indexOf(task), level);
      assertEquals(parts.reduce((sum, { length }) => sum + length, 0), parameters.total);
      assertEquals(new Set(parts.map(({ name, start }) => `${name} ${start}`)).size, parts.length);
    }
    net.destroy();
  });

  Deno.test(`each level answers with the bits of the whole network: ${name}`, async () => {
    const { gpu, net, weights } = await network(change);
    const whole = await DeepVirtualNetwork.load(gpu, weights);
    for (const task of whole.taskNames) {
      await using server = serveFile(weights);
      const streaming = await openStreaming(server.url, task, { gpu });
      for await (const { level, bytesLoaded } of streaming.upgrades()) {
        assertEquals(bytesLoaded, streaming.bytesNeeded(level));
        // A level that has arrived goes on giving the same while others arrive and after.
        for (const other of streaming.levels.filter((each) => each <= level)) {
          const got = await streaming.virtual(other).predict(images);
          assertEquals(got, await whole.virtual(task, { level: other }).predict(images));
        }
      }
      const best = whole.virtual(task, { budget: Infinity });
      assertEquals(await streaming.predict(images), {
        level: best.level,
        probabilities: await best.predict(images),
      });
      assertEquals(server.sent, streaming.bytesLoaded);
      streaming.destroy();
    }
    whole.destroy();
    net.destroy();
  });
}

Deno.test("level 1 answers after header, stem, head, norm and its own blocks, not a byte more", async () => {
  const { gpu, net, weights } = await network();
  const header = safeTensorsHeaderEnd(weights);
  for (const [index, task] of net.taskNames.entries()) {
    const { bytes } = networkCost(net.scenario, index, 1, net.tasks[index]!);
    // The server has not a byte more to give, so that the answer can come of these alone.
    await using server = serveFile(weights, { limit: header + bytes, rate: 200_000 });
    const stop = new AbortController();
    const streaming = await openStreaming(server.url, task, { gpu, signal: stop.signal });
    assertEquals(streaming.bytesNeeded(1), header + bytes);
    const { level, probabilities } = await streaming.predict(images);
    assertEquals(level, 1);
    assertEquals(server.sent, header + bytes);
    assertEquals(probabilities, await net.virtual(task, { level: 1 }).predict(images));
    assert(server.most <= 6, `${server.most} requests at once`);
    // What level 1 has beyond the trunk lies together: one request; and one for each convolution.
    const asked = server.asked.filter(([first]) => first >= header).slice(0, 1 + 6);
    assertEquals(
      asked.reduce((sum, [first, last]) => sum + last + 1 - first, 0),
      bytes,
    );
    // The download ends, the level that is here stays.
    stop.abort(new Error("enough"));
    await assertRejects(() => streaming.ready(2), Error, "enough");
    assertEquals((await streaming.predict(images)).probabilities, probabilities);
    streaming.destroy();
  }
  net.destroy();
});

Deno.test("what a level or a budget does not need is not fetched", async () => {
  const { gpu, net, weights } = await network();
  const task = net.taskNames[1]!;
  const cost = (level: number) => net.virtual(task, { level }).cost.bytes;
  for (const choice of [{ level: 2 }, { budget: cost(3) - 1 }]) {
    await using server = serveFile(weights);
    const before = gpu.bytesHeld;
    const streaming = await openStreaming(server.url, task, { gpu, ...choice });
    assertEquals(streaming.levels, [1, 2]);
    // For inference alone: no gradients, no momentum.
    const { parameterBytes, stateBuffer } = streaming.net.store;
    assertEquals(streaming.net.store.pages.length, 1);
    assert(gpu.bytesHeld - before < 2 * (parameterBytes + stateBuffer.size));
    await streaming.ready(2);
    await new Promise((resolve) => setTimeout(resolve, 50));
    assertEquals(server.sent, streaming.bytesNeeded(2));
    assert(server.sent < cost(3));
    assertThrows(
      () => streaming.ready(3),
      RangeError,
      "level must be one of those that are fetched, 1, 2; got 3",
    );
    streaming.destroy();
  }
  net.destroy();
});

Deno.test("progress goes up to what is needed, and names the level", async () => {
  const { gpu, weights, options } = await tinyWeights();
  await using server = serveFile(weights, { rate: 100_000 });
  const seen: StreamingProgress[] = [];
  const onProgress = (progress: StreamingProgress) => seen.push(progress);
  const streaming = await openStreaming(server.url, "b", { ...options, gpu, onProgress });
  await streaming.ready(2);
  for (const [i, { level, bytesLoaded, bytesTotal, requests }] of seen.entries()) {
    const before = seen[Math.max(0, i - 1)]!;
    assert(level >= before.level && bytesLoaded >= before.bytesLoaded);
    assert(level === 0 || bytesLoaded >= streaming.bytesNeeded(level));
    assertEquals(bytesTotal, streaming.bytesNeeded());
    assert(requests <= server.asked.length);
  }
  assertEquals(seen[0]!.bytesLoaded, safeTensorsHeaderEnd(weights));
  assertEquals(seen.at(-1)!.bytesLoaded, streaming.bytesNeeded());
  const { milliseconds, ...last } = await streaming.ready(1);
  assertEquals(last, {
    level: 1,
    bytesLoaded: streaming.bytesNeeded(1),
    bytesTotal: streaming.bytesNeeded(2),
    requests: last.requests,
  });
  const due = 1000 * last.bytesLoaded / 100_000;
  assert(milliseconds > 0.9 * due, `${milliseconds} ms of at least ${due}`);
  streaming.destroy();
});

Deno.test("a larger first request saves one, and its bytes are used", async () => {
  const { weights, options } = await tinyWeights();
  const header = safeTensorsHeaderEnd(weights);
  for (const firstBytes of [100, header, header + 500, weights.length, 2 * weights.length]) {
    await using server = serveFile(weights);
    const streaming = await openStreaming(server.url, "a", { ...options, firstBytes });
    await streaming.ready(2);
    const ends = server.asked.map(([, last]) => last);
    assertEquals(ends[0], Math.min(firstBytes, weights.length) - 1);
    if (firstBytes < header) assertEquals(server.asked[1], [firstBytes, header - 1]);
    if (firstBytes >= weights.length) assertEquals(server.asked.length, 1);
    // No byte twice.
    const count = server.asked.reduce((sum, [first, last]) => sum + last + 1 - first, 0);
    assertEquals(server.sent, count);
    assert(server.asked.every(([first], i) => i === 0 || first >= firstBytes));
    streaming.destroy();
  }
});

Deno.test("a server without range requests gives the whole file at once", async () => {
  const { gpu, weights, options } = await tinyWeights();
  await using server = serveFile(weights, { noRanges: true });
  const streaming = await openStreaming(server.url, "a", options);
  const whole = await DeepVirtualNetwork.load(gpu, weights);
  await streaming.ready(2);
  assertEquals(server.asked.length, 1);
  assertEquals(streaming.bytesLoaded, weights.length);
  const image = images.subarray(0, 16);
  const { probabilities } = await streaming.predict(image);
  assertEquals(probabilities, await whole.virtual("a", { level: 2 }).predict(image));
  whole.destroy();
  streaming.destroy();
});

Deno.test("what breaks off or fails in passing is fetched again, from where it ended", async () => {
  const { gpu, weights, options } = await tinyWeights();
  const failures: Record<number, "short" | "broken" | 503> = {
    0: 503,
    2: "short",
    3: 503,
    6: "broken",
    7: "short",
    9: "broken",
  };
  await using server = serveFile(weights, {
    answer: (index, content, init) => {
      const failure = failures[index];
      if (failure === 503) return new Response("busy", { status: 503 });
      const part = content.subarray(0, content.length / 2);
      if (failure === "short") return new Response(part, init);
      if (failure !== "broken") return;
      // Says more than it sends.
      init.headers.set("content-length", `${content.length}`);
      const body = new ReadableStream<Uint8Array>({
        start: (controller) => controller.enqueue(part),
        pull: (controller) => controller.close(),
      });
      return new Response(body, init);
    },
  });
  const streaming = await openStreaming(server.url, "a", options);
  await streaming.ready(2);
  const whole = await DeepVirtualNetwork.load(gpu, weights);
  const { probabilities } = await streaming.predict(images.subarray(0, 16));
  assertEquals(
    probabilities,
    await whole.virtual("a", { level: 2 }).predict(images.subarray(0, 16)),
  );
  assertEquals(server.asked[0], server.asked[1]);
  assertEquals(server.asked[3]![1], server.asked[2]![1]);
  assert(server.asked[3]![0] > server.asked[2]![0]);
  whole.destroy();
  streaming.destroy();
});

Deno.test("a request that stalls is made again", async () => {
  const { weights, options } = await tinyWeights();
  const over = Promise.withResolvers<void>();
  await using server = serveFile(weights, {
    answer: (index, content, init) => {
      if (index === 1) return over.promise.then(() => new Response()); // not even a status
      if (index !== 4) return;
      const body = new ReadableStream<Uint8Array>({
        start: (controller) => controller.enqueue(content.subarray(0, 4)),
        pull: () => over.promise,
      });
      return new Response(body, init);
    },
  });
  using _ = { [Symbol.dispose]: () => over.resolve() }; // or the server would wait for it
  const streaming = await openStreaming(server.url, "a", { ...options, stallTimeout: 3000 });
  await streaming.ready(2);
  assertEquals(server.asked[2], server.asked[1]);
  const again = server.asked.filter(([, last]) => last === server.asked[4]![1]);
  assertEquals(again.at(-1)![0], again[0]![0] + 4);
  streaming.destroy();
});

// deno-lint-ignore no-explicit-any
type ErrorClass = new (...args: any[]) => Error;

/** What becomes of level 1 from a server that misbehaves. */
async function failure(server: ServerOptions, file?: Uint8Array<ArrayBuffer>, task = "a") {
  const { weights, options } = await tinyWeights();
  await using serving = serveFile(file ?? weights, server);
  try {
    const streaming = await openStreaming(serving.url, task, options);
    try {
      await streaming.ready();
    } finally {
      streaming.destroy();
    }
  } catch (error) {
    return { error: error as Error, asked: serving.asked, url: serving.url };
  }
  throw new Error("it succeeded");
}

Deno.test("a download that cannot succeed ends with an error that says why", async () => {
  const cases: [Partial<StreamingError>, string, number, ServerOptions][] = [
    [{ problem: "refused", status: 404 }, "the server answered 404", 1, {
      answer: () => new Response("no", { status: 404 }),
    }],
    [{ problem: "refused", status: 503 }, "the server answered 503", 4, {
      answer: () => new Response("no", { status: 503 }),
    }],
    [{ problem: "truncated" }, "ended at byte 4, before byte 8", 4, {
      answer: (_, content, init) => new Response(content.subarray(0, 4), init),
    }],
    [{ problem: "refused" }, "asked for bytes from 8 on, got those from 0 on", 2, {
      answer: (index, content, { status, headers }) => {
        if (index === 0) return;
        headers.set("content-range", "bytes 0-100/2000");
        return new Response(content, { status, headers });
      },
    }],
    [{ problem: "refused" }, "sent more than bytes 8 to", 2, {
      answer: (index, content, init) => {
        if (index === 1) return new Response(new Uint8Array(content.length + 1), init);
      },
    }],
    [{ problem: "changed", status: 206 }, "changed while it was fetched; begin again", 2, {
      answer: (index, content, { status, headers }) => {
        if (index === 0) return;
        headers.set("etag", '"2"');
        return new Response(content, { status, headers });
      },
    }],
    [{ problem: "changed", status: 206 }, "changed while it was fetched; begin again", 2, {
      answer: (index, content, { status, headers }) => {
        if (index === 0) return;
        headers.set("content-range", "bytes 8-10/99999");
        return new Response(content, { status, headers });
      },
    }],
    [{ problem: "changed", status: 200 }, "changed while it was fetched; begin again", 2, {
      answer: (index, content) => {
        if (index > 0) return new Response(content);
      },
    }],
    [{ problem: "changed", status: 416 }, "changed while it was fetched; begin again", 2, {
      answer: (index) => {
        if (index > 0) return new Response("", { status: 416 });
      },
    }],
  ];
  for (const [fields, message, requests, options] of cases) {
    const { error, asked, url } = await failure(options);
    assert(error instanceof StreamingError, `${error}`);
    const { problem, status, message: told } = error as StreamingError;
    assert(told.startsWith(`${url}: ${message}`), told);
    assertEquals(problem, fields.problem);
    if (fields.status) assertEquals(status, fields.status);
    assertEquals(asked.length, requests, message);
  }
});

Deno.test("a file that changes between two levels: the level that is here goes on answering", async () => {
  const { weights, options } = await tinyWeights();
  let changed = false;
  await using server = serveFile(weights, {
    answer: (_, content, { status, headers }) => {
      if (changed) headers.set("etag", '"2"');
      return new Response(content, { status, headers });
    },
  });
  const streaming = await openStreaming(server.url, "a", {
    ...options,
    onProgress: ({ level }) => changed ||= level === 1,
  });
  const reached: number[] = [];
  const error = await assertRejects(async () => {
    for await (const { level } of streaming.upgrades()) reached.push(level);
  }, StreamingError);
  assertEquals(error.problem, "changed");
  assertEquals(reached, [1]);
  assertEquals((await streaming.predict(images.subarray(0, 16))).level, 1);
  streaming.destroy();
});

Deno.test("after one request that fails for good the others are ended", async () => {
  const { weights, options } = await tinyWeights();
  const stalled: ReadableStreamDefaultController<Uint8Array>[] = [];
  const ended = Promise.withResolvers<void>();
  await using server = serveFile(weights, {
    answer: (index, content, init) => {
      if (index < 2) return; // the header
      if (index === 3) return new Response("no", { status: 404 });
      const body = new ReadableStream<Uint8Array>({
        start: (controller) => {
          stalled.push(controller);
          controller.enqueue(content.subarray(0, 4));
        },
        cancel: () => ended.resolve(),
      });
      return new Response(body, init);
    },
  });
  const streaming = await openStreaming(server.url, "a", options);
  await assertRejects(() => streaming.ready(), StreamingError, "the server answered 404");
  await ended.promise;
  const { length } = server.asked;
  await new Promise((resolve) => setTimeout(resolve, 50));
  assertEquals(server.asked.length, length, "none is made again");
  streaming.destroy();
});

Deno.test("no server, no address", async () => {
  const { options } = await tinyWeights();
  const server = serveFile(new Uint8Array(8));
  await server[Symbol.asyncDispose]();
  const error = await assertRejects(
    () => openStreaming(server.url, "a", options),
    StreamingError,
    "cannot be reached",
  );
  assertEquals(error.problem, "unreachable");
  await assertRejects(() => openStreaming("model.safetensors", "a", options), TypeError);
});

Deno.test("files that are something else are refused, with what is wrong", async () => {
  const { weights } = await tinyWeights();
  const { tensors, metadata } = decodeSafeTensorsHeader(weights);
  const made = (change: Record<string, string>, count = tensors.size) =>
    encodeSafeTensors({
      tensors: new Map(
        [...tensors].slice(0, count).map(([name, { shape, start, end }]) => {
          return [name, { shape, data: new Float32Array((end - start) / 4) }];
        }),
      ),
      metadata: { ...metadata, ...change },
    });
  const text = (content: string) => new TextEncoder().encode(content);
  const cases: [Uint8Array<ArrayBuffer>, ErrorClass, string][] = [
    [
      text("<!doctype html><title>Not found</title>"),
      SafeTensorsError,
      "it may be another kind of file",
    ],
    [text("short"), SafeTensorsError, "5 bytes, less than the 8"],
    [new Uint8Array(64), SafeTensorsError, "its header is not JSON"],
    [weights.slice(0, -8), SafeTensorsError, "should lie in bytes"],
    [made({ format: "other/1" }), RangeError, "got format other/1; use a run's model.safetensors"],
    [made({ scenario: "{" }), RangeError, "the file's scenario cannot be used"],
    [made({ scenario: "{}" }), RangeError, "name must be"],
    [made({ tasks: "[1]" }), RangeError, "the file's tasks cannot be used: tasks[0] must be"],
    [
      made({ tasks: metadata.tasks!.replace('"a"', '"z"') }),
      RangeError,
      "the file's scenario has tasks a,b, but it describes z,b",
    ],
    [made({}, 5), RangeError, "the file has none; it belongs to another scenario"],
  ];
  for (const [file, kind, message] of cases) {
    for (const noRanges of [false, true]) {
      const { error } = await failure({ noRanges }, file);
      assert(error instanceof kind, `${error.name}: ${error.message}, instead of ${message}`);
      assert(error.message.includes(message), `${error.message}, instead of ${message}`);
    }
  }
  const { error } = await failure({}, weights, "c");
  assertEquals(error.message, "no task is named c; there are a, b");
});

Deno.test("the task may be left out only if there is one; a wrong level is refused", async () => {
  const { weights, options } = await tinyWeights();
  await using server = serveFile(weights);
  await assertRejects(
    () => openStreaming(server.url, undefined, options),
    RangeError,
    "say which task; there are a, b",
  );
  await assertRejects(
    () => openStreaming(server.url, "a", { ...options, level: 0 }),
    RangeError,
    "task a has levels 1, 2, got 0",
  );
  await assertRejects(
    () => openStreaming(server.url, "a", { ...options, budget: 1 }),
    RangeError,
    "no level of task a fits a budget of 1 bytes",
  );
});

Deno.test("abort and destroy() end the download, and all memory comes back", async () => {
  const { gpu, weights, options } = await tinyWeights();
  const before = gpu.bytesHeld;
  const header = safeTensorsHeaderEnd(weights);
  await using server = serveFile(weights, { limit: header });

  const early = new AbortController();
  const opening = openStreaming(server.url, "a", { ...options, signal: AbortSignal.abort("no") });
  assertEquals(await opening.catch((reason) => reason), "no");

  const streaming = await openStreaming(server.url, "a", { ...options, signal: early.signal });
  const answer = streaming.predict(images.subarray(0, 16));
  early.abort("enough");
  assertEquals(await answer.catch((reason) => reason), "enough");
  streaming.destroy();
  streaming.destroy();

  await using other = serveFile(weights, { limit: header });
  const second = await openStreaming(other.url, "a", options);
  const waiting = second.ready(2);
  second.destroy();
  for (const late of [() => waiting, () => second.predict(images.subarray(0, 16))]) {
    const error = await assertRejects(late, DOMException, "was destroyed");
    assertEquals(error.name, "AbortError");
  }
  // Plans that were being compiled are freed once they are there.
  for (let tries = 0; gpu.bytesHeld > before && tries < 1000; tries++) {
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  assert(gpu.bytesHeld <= before, `${gpu.bytesHeld} bytes, ${before} before`); // or less, by earlier tests
});

Deno.test("without a Gpu one is opened, and goes with the network", async () => {
  const { weights } = await tinyWeights();
  await using server = serveFile(weights);
  const streaming = await openStreaming(server.url, "a");
  await streaming.predict(images.subarray(0, 16));
  await streaming.ready(2);
  const { device } = streaming.net.gpu;
  streaming.destroy();
  assertEquals((await device.lost).reason, "destroyed");
});
