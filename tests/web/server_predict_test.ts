import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import { HttpError } from "../../web/server/http_error.ts";
import {
  GpuPredictor,
  type GpuPredictorOptions,
  type Predictor,
} from "../../web/server/predictor.ts";
import { WorkQueue } from "../../web/server/work_queue.ts";
import { testGpu } from "../gpu.ts";
import { image, makeRun, picture, post, raw, serve, type TestRun } from "./server_setup.ts";

/** What the server should answer. */
async function expected({ net }: TestRun, task: string, level: number, seed: number) {
  const virtual = net.virtual(task, { level });
  const probabilities = await virtual.predict(picture(seed));
  return {
    ...{ run: "made", task, level, bytes: virtual.cost.bytes },
    classes: virtual.classes
      .map((name, i) => ({ name, probability: probabilities[i]! }))
      .sort((a, b) => b.probability - a.probability),
  };
}

/** The server's answer without the time. */
async function answer(response: Response) {
  const { milliseconds, ...rest } = await response.json();
  assertEquals(response.status, 200, JSON.stringify(rest));
  assert(milliseconds > 0 && milliseconds < 60_000);
  return rest;
}

Deno.test("POST /predict answers as the network itself does, by level and by budget", async () => {
  await using made = await makeRun();
  const { net, run } = made;
  await using server = serve([run]);
  const top = net.virtual("digits", { level: 3 }).cost.bytes;
  const cases: [Record<string, unknown>, string, number][] = [
    [{ run: "made", task: "low", level: 1 }, "low", 1],
    [{ task: "high", level: 2 }, "high", 2],
    [{ task: "digits" }, "digits", 3],
    [{ task: "digits", budget: top }, "digits", 3],
    [{ task: "digits", budget: top - 1 }, "digits", 2],
    [{ task: "digits", budget: 22_000.5 }, "digits", 1],
  ];
  for (const [i, [choice, task, level]] of cases.entries()) {
    const response = await post(server.url, { ...choice, image: image(picture(i)) });
    assertEquals(response.headers.get("cache-control"), "no-store");
    assertEquals(await answer(response), await expected(made, task, level, i));
  }
});

Deno.test("a run that is trained on is read anew", async () => {
  await using made = await makeRun();
  const { net, run } = made;
  await using server = serve([run]);
  const ask = async () => {
    const body = { task: "low", level: 2, image: image(picture(1)) };
    return await answer(await post(server.url, body));
  };
  const before = await ask();
  const { name, length } = net.store.params.get("low.level2.head.bias")!;
  net.store.write(name, Float32Array.from({ length }, (_, i) => i));
  await Deno.writeFile(`${run.path}/new`, await net.weights());
  await Deno.rename(`${run.path}/new`, `${run.path}/model.safetensors`);
  const after = await ask();
  assertEquals(after, await expected(made, "low", 2, 1));
  assert(JSON.stringify(after) !== JSON.stringify(before));
});

/** Not needed where requests are refused before. */
const unused: Predictor = {
  predict: () => Promise.reject(new Error("nothing should be predicted")),
  close: () => {},
};

Deno.test("what is wrong with a request is named, with a status for each kind", async () => {
  await using made = await makeRun();
  const other = { name: "other", path: made.run.path };
  await using server = serve([made.run], { predictor: unused });
  await using two = serve([made.run, other], { predictor: unused });
  await using none = serve([], { predictor: unused });
  await using empty = serve([{ name: "empty", path: made.folder }], { predictor: unused });
  const good = { task: "low", level: 1, image: image(picture(1)) };
  const { data } = good.image;
  const long = (size: number) => new Uint8Array(size).toBase64();
  const cases: [string, unknown, number, string, string][] = [
    [server.url, "", 400, "bad_json", "the body is not JSON"],
    [server.url, "{", 400, "bad_json", "the body is not JSON"],
    [server.url, "[]", 400, "bad_json", "the body must be a JSON object"],
    [server.url, "null", 400, "bad_json", "the body must be a JSON object"],
    [server.url, "3", 400, "bad_json", "the body must be a JSON object"],
    [server.url, `{"a":`.repeat(100_000), 400, "bad_json", "the body is not JSON"],
    [server.url, "[".repeat(500_000), 400, "bad_json", "the body is not JSON"],
    [
      server.url,
      { ...good, levels: 1 },
      422,
      "unknown_field",
      '"levels" is not a field; there are',
    ],
    [server.url, { level: 1, image: good.image }, 422, "missing_field", "task is missing; there"],
    [
      server.url,
      { ...good, task: "none" },
      422,
      "unknown_task",
      "task must be one of low, high, dig",
    ],
    [
      server.url,
      { ...good, task: 3 },
      422,
      "unknown_task",
      "task must be one of low, high, digits",
    ],
    [server.url, { ...good, run: "none" }, 422, "unknown_run", "run must be one of made, got"],
    [server.url, { ...good, run: "../made" }, 422, "unknown_run", "run must be one of made, got"],
    [two.url, good, 422, "missing_field", "run is missing; there are made, other"],
    [none.url, good, 404, "no_run", "the server offers no run"],
    [empty.url, good, 503, "run_unusable", "run empty cannot be used: run empty has no model"],
    [
      server.url,
      { ...good, level: 4 },
      422,
      "unknown_level",
      "level must be one of task low's, 1, 2,",
    ],
    [server.url, { ...good, level: "1" }, 422, "unknown_level", "level must be one of task low's"],
    [
      server.url,
      { ...good, budget: 9e9 },
      422,
      "wrong_field",
      "level and budget exclude each other",
    ],
    [
      server.url,
      { ...good, level: undefined, budget: 21_000 },
      422,
      "budget_too_small",
      "no level of task low fits a budget of 21000 bytes: level 1, the smallest, needs 21308",
    ],
    ...["9", -1, 0, null, {}].map((budget) =>
      [
        server.url,
        { ...good, level: undefined, budget },
        422,
        "wrong_field",
        `budget must be a number of bytes above 0, got ${JSON.stringify(budget)}`,
      ] as [string, unknown, number, string, string]
    ),
    [server.url, { ...good, image: undefined }, 422, "missing_field", "image is missing"],
    [server.url, { ...good, image: "x" }, 422, "wrong_field", 'image must be an object, got "x"'],
    [server.url, { ...good, image: {} }, 422, "missing_field", "image.width is missing"],
    [
      server.url,
      { ...good, image: { ...good.image, width: 9 } },
      422,
      "wrong_image",
      "image.width must be 8, got 9; task low reads pictures of 8 x 8 pixels and 1 channel",
    ],
    [
      server.url,
      { ...good, image: { ...good.image, channels: 3, data: long(192) } },
      422,
      "wrong_image",
      "image.channels must be 1, got 3",
    ],
    [
      server.url,
      { ...good, image: { ...good.image, pixels: 3 } },
      422,
      "unknown_field",
      'image."pixels" is not a field',
    ],
    [
      server.url,
      { ...good, image: { width: 8, height: 8, channels: 1 } },
      422,
      "missing_field",
      "image.data is missing",
    ],
    ...[3, null, [1, 2], "%%%", `${data}?`].map((data) =>
      [
        server.url,
        { ...good, image: { ...good.image, data } },
        422,
        "wrong_image",
        "image.data must be bytes in base64, got",
      ] as [string, unknown, number, string, string]
    ),
    [
      server.url,
      { ...good, image: { ...good.image, data: long(63) } },
      422,
      "wrong_image",
      "image.data must be 8 x 8 x 1 = 64 bytes, got 63",
    ],
  ];
  for (const [url, body, status, code, message] of cases) {
    const response = await post(url, body);
    const { error } = await response.json();
    assertEquals([response.status, error.code], [status, code], `${error.message}`);
    assert(error.message.startsWith(message), `${error.message}, instead of ${message}`);
    assert(error.message.length < 300);
  }
  for (const type of ["text/plain", "application/jsonp", "multipart/form-data; boundary=x"]) {
    const response = await post(server.url, good, { "content-type": type });
    assertEquals([response.status, (await response.json()).error.code], [415, "not_json"]);
  }
});

Deno.test("byte values that a task's pictures cannot hold are refused", async () => {
  await using made = await makeRun();
  // As a file says it of the digits.
  const text = new TextDecoder("latin1").decode(made.weights);
  const changed = Uint8Array.from(
    text.replaceAll('\\"maximum\\":255', '\\"maximum\\": 16'),
    (char) => char.charCodeAt(0),
  );
  assertEquals(changed.length, made.weights.length);
  await Deno.writeFile(`${made.run.path}/model.safetensors`, changed);
  await using server = serve([made.run], { predictor: unused });
  const bytes = new Uint8Array(64).fill(16);
  bytes[9] = 17;
  const response = await post(server.url, { task: "low", image: image(bytes) });
  assertEquals(await response.json(), {
    error: {
      code: "wrong_image",
      message: "image.data: byte 9 is 17, and this task's pictures hold 16 at most",
    },
  });
});

/** Files below a folder that this process has open, where the system tells. */
async function openFiles(folder: string): Promise<number> {
  const real = await Deno.realPath(folder);
  let count = 0;
  try {
    for await (const { name } of Deno.readDir("/proc/self/fd")) {
      const target = await Deno.readLink(`/proc/self/fd/${name}`).catch(() => ""); // closed since
      if (target.startsWith(real)) count++;
    }
  } catch { /* no such folder on this system */ }
  return count;
}

Deno.test("huge, slow and broken requests are ended, and good ones are answered meanwhile", async () => {
  await using made = await makeRun();
  await using server = serve([made.run], { bodyTimeout: 5000 });
  const { port, url } = server;
  const good = { task: "digits", level: 2, image: image(picture(3)) };
  const want = await expected(made, "digits", 2, 3);
  assertEquals(await answer(await post(url, good)), want); // the network is loaded

  const head = "POST /predict HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n";
  const chunked = `${head}Transfer-Encoding: chunked\r\n\r\n`;
  const chunk = `${(65_536).toString(16)}\r\n${" ".repeat(65_536)}\r\n`;
  const abuse = [
    // Says that it is huge, and sends nothing.
    raw(port, `${head}Content-Length: 1000001\r\n\r\n`).then((text) => {
      assertMatch(text, /^HTTP\/1.1 413 [^]*"code":"too_large"[^]*may hold 1000000 bytes at most/);
    }),
    raw(port, `${head}Content-Length: 99999999999999\r\n\r\n`).then((text) => {
      assertMatch(text, /^HTTP\/1.1 413 /);
    }),
    // Is huge, and does not say so.
    raw(port, chunked + chunk.repeat(17)).then((text) => assertMatch(text, /^HTTP\/1.1 413 /)),
    // Sends a part, and nothing more.
    ...Array.from(
      { length: 20 },
      () =>
        raw(port, `${head}Content-Length: 500\r\n\r\n{"task":`).then((text) => {
          assertMatch(text, /^HTTP\/1.1 408 [^]*"code":"too_slow"[^]*within 5 s/);
        }),
    ),
    raw(port, `${chunked}5\r\n{"tas\r\n`).then((text) => assertMatch(text, /^HTTP\/1.1 408 /)),
    // No chunks, though it says so.
    raw(port, `${chunked}xyz\r\n{}\r\n`).then((text) => assertMatch(text, /^$|^HTTP\/1.1 400 /)),
    // Negative and contradictory lengths.
    raw(port, `${head}Content-Length: -5\r\n\r\n{}`).then((text) => {
      assertMatch(text, /^HTTP\/1.1 400 /);
    }),
  ];
  const ended = Promise.allSettled(abuse);
  // Connections that say nothing, or hang up in the middle of an answer or of a request.
  const idle = await Promise.all(
    Array.from({ length: 50 }, () => Deno.connect({ hostname: "127.0.0.1", port })),
  );
  for (const [i, connection] of idle.entries()) {
    const requests = [
      "GET /runs/made/model.safetensors HTTP/1.1\r\nHost: x\r\n\r\n",
      `${head}Content-Length: 500\r\n\r\n{"task":`,
      "GET /runs/ma",
      "",
    ];
    await connection.write(new TextEncoder().encode(requests[i % 4]));
  }

  for (let i = 0; i < 5; i++) assertEquals(await answer(await post(url, good)), want);
  assertEquals((await fetch(`${url}runs`).then((response) => response.json())).length, 1);

  for (const connection of idle) connection.close();
  for (const result of await ended) {
    if (result.status === "rejected") throw result.reason;
  }
  assertEquals(await answer(await post(url, good)), want);
  // The files of downloads that were given up are closed.
  for (let tries = 0; await openFiles(made.folder) > 0 && tries < 400; tries++) {
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  assertEquals(await openFiles(made.folder), 0);
});

Deno.test("good requests do not wait for slow ones", async () => {
  await using made = await makeRun();
  await using server = serve([made.run], { bodyTimeout: 1e9 });
  // A hundred that never end.
  const slow = await Promise.all(Array.from({ length: 100 }, async () => {
    const connection = await Deno.connect({ hostname: "127.0.0.1", port: server.port });
    await connection.write(new TextEncoder().encode(
      "POST /predict HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n" +
        "Content-Length: 9\r\n\r\n{",
    ));
    return connection;
  }));
  const body = { task: "low", level: 1, image: image(picture(1)) };
  const want = await expected(made, "low", 1, 1);
  for (let i = 0; i < 3; i++) assertEquals(await answer(await post(server.url, body)), want);
  for (const connection of slow) connection.close();
});

Deno.test("parallel requests are all answered, each with its own answer", async () => {
  await using made = await makeRun();
  await using server = serve([made.run]);
  const requests = Array.from({ length: 48 }, async (_, i) => {
    const task = ["low", "high", "digits"][i % 3]!;
    const level = 1 + i % 2;
    const got = await answer(await post(server.url, { task, level, image: image(picture(i)) }));
    return [got, task, level] as const;
  });
  for (const [i, [got, task, level]] of (await Promise.all(requests)).entries()) {
    assertEquals(got, await expected(made, task, level, i));
  }
});

Deno.test("beyond what may wait, requests are told to come again, and the others are answered", async () => {
  await using made = await makeRun();
  // The first picture waits until all others have come, however long that takes.
  const come = Promise.withResolvers<void>();
  const predictor = new GpuPredictor({
    prepareAdapter: () => come.promise.then(() => testGpu()),
    queueLimit: 3,
  });
  await using server = serve([made.run], { predictor });
  const timer = setTimeout(() => come.reject(new Error("fewer than 9 were refused")), 60_000);
  const body = (i: number) => ({ task: "low", level: 1, image: image(picture(i)) });
  let refused = 0;
  const responses = await Promise.all(Array.from({ length: 12 }, async (_, i) => {
    const response = await post(server.url, body(i));
    if (response.status === 503 && ++refused === 9) come.resolve();
    return response;
  }));
  clearTimeout(timer);
  let answered = 0;
  for (const [i, response] of responses.entries()) {
    if (response.status === 200) {
      answered++;
      assertEquals(await answer(response), await expected(made, "low", 1, i));
      continue;
    }
    assertEquals([response.status, response.headers.get("retry-after")], [503, "1"]);
    assertEquals((await response.json()).error, {
      code: "busy",
      message: "3 requests wait already; try again",
    });
  }
  assertEquals(answered, 3);
  assertEquals(await answer(await post(server.url, body(9))), await expected(made, "low", 1, 9));
});

Deno.test("WorkQueue does one thing at a time, in order, whatever fails", async () => {
  const queue = new WorkQueue(3);
  const done: string[] = [];
  const work = (name: string, fails = false) => async () => {
    done.push(`${name} begins`);
    await new Promise((resolve) => setTimeout(resolve, 5));
    done.push(`${name} ends`);
    if (fails) throw new Error(name);
    return name;
  };
  const results = await Promise.allSettled([
    queue.run(work("a")),
    queue.run(work("b", true)),
    queue.run(work("c")),
    queue.run(work("d")),
  ]);
  assertEquals(
    results.map((result) => result.status === "fulfilled" ? result.value : `${result.reason}`),
    ["a", "Error: b", "c", "QueueFullError: 3 requests wait already"],
  );
  assertEquals(done, ["a", "b", "c"].flatMap((name) => [`${name} begins`, `${name} ends`]));
  assertEquals(queue.length, 0);
});

Deno.test("without an adapter all else is served; the next picture looks for one again", async () => {
  await using made = await makeRun();
  let there = false;
  const predictor = new GpuPredictor({
    prepareAdapter: async () => {
      await Promise.resolve();
      if (!there) throw new Error("no WebGPU adapter; install one");
    },
  });
  await using server = serve([made.run], { predictor });
  const body = { task: "low", level: 1, image: image(picture(1)) };
  const refused = await post(server.url, body);
  assertEquals([refused.status, refused.headers.get("retry-after")], [503, "60"]);
  assertEquals((await refused.json()).error, {
    code: "no_adapter",
    message: "no WebGPU adapter; install one",
  });
  assertEquals((await fetch(server.url).then((response) => response.bytes())).length, 34);
  there = true;
  assertEquals(await answer(await post(server.url, body)), await expected(made, "low", 1, 1));
});

Deno.test("a worker that hangs, spins, crashes or loses the device is replaced", async () => {
  const log: string[] = [];
  const options: GpuPredictorOptions = {
    prepareAdapter: () => Promise.resolve(),
    worker: new URL("./fake_predict_worker.ts", import.meta.url),
    log: (line) => log.push(line),
  };
  const predictor = new GpuPredictor(options);
  const ask = async (task: string) => {
    const job = { weights: "", version: "", task, level: 1, image: new Uint8Array() };
    return (await predictor.predict(job)).probabilities[0];
  };
  const fails = async (task: string, code: string, message: string) => {
    const error = await assertRejects(() => ask(task), HttpError, message);
    assertEquals([error.status, error.code], [503, code]);
  };
  assertEquals(await ask("lost once"), 2); // asked again
  assertEquals(await ask("good"), 3);
  await fails("lost", "device_lost", "the device is gone");
  await fails("memory", "out_of_memory", "too large");
  for (const task of ["hang", "spin"]) {
    options.timeout = 500;
    await fails(task, "worker_failed", "no answer within 0.5 s");
    delete options.timeout;
    assertEquals(await ask("good"), 1); // another worker
  }
  const [crash, good] = await Promise.allSettled([ask("crash"), ask("good")]);
  assertMatch(`${(crash as PromiseRejectedResult).reason}`, /the worker broke/);
  assertEquals(good, { status: "fulfilled", value: 1 });
  assertEquals(log.length, 3);
  const waiting = ask("hang");
  await new Promise((resolve) => setTimeout(resolve, 50));
  predictor.close();
  await assertRejects(() => waiting, HttpError, "the server is closing");
  await fails("good", "closing", "the server is closing");
});

Deno.test("a picture whose device is lost is answered by another one, and the next after two losses", async () => {
  await using made = await makeRun();
  const withLosses = (losses: number) =>
    new GpuPredictor({
      prepareAdapter: testGpu,
      worker: new URL(`./losing_predict_worker.ts?losses=${losses}`, import.meta.url),
    });
  const body = { task: "low", level: 2, image: image(picture(4)) };
  const want = await expected(made, "low", 2, 4);
  {
    await using server = serve([made.run], { predictor: withLosses(1) });
    assertEquals(await answer(await post(server.url, body)), want);
  }
  await using server = serve([made.run], { predictor: withLosses(2) });
  const refused = await post(server.url, body);
  assertEquals([refused.status, refused.headers.get("retry-after")], [503, "5"]);
  const { error } = await refused.json();
  assertEquals(error.code, "device_lost");
  assertMatch(error.message, /^device: lost \(destroyed\)/);
  assertEquals(await answer(await post(server.url, body)), want);
});
