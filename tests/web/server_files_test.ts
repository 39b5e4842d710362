import { assert, assertEquals, assertMatch } from "@std/assert";
import { join } from "node:path";
import { networkCost } from "../../dvn/costs.ts";
import { openStreaming } from "../../dvn/streaming.ts";
import { LOOPBACK } from "../../web/server/server.ts";
import { testGpu } from "../gpu.ts";
import { makeRun, page, picture, raw, SECRET, serve } from "./server_setup.ts";

Deno.test("the page's files: types, ETags, HEAD, and nothing else", async () => {
  await using server = serve([]);
  for (const [path, { content, type, etag }] of page) {
    const url = server.url.slice(0, -1) + path;
    const response = await fetch(url);
    assertEquals(response.status, 200);
    assertEquals(response.headers.get("content-type"), type);
    assertEquals(response.headers.get("etag"), etag);
    assertEquals(response.headers.get("x-content-type-options"), "nosniff");
    const policy = response.headers.get("content-security-policy")!;
    assertMatch(policy, /^default-src 'none'; script-src 'self'; .*style-src 'self';/);
    assert(!policy.includes("unsafe"), policy);
    assertEquals(await response.bytes(), content);

    const head = await fetch(url, { method: "HEAD" });
    assertEquals(head.headers.get("content-length"), `${content.length}`);
    assertEquals((await head.bytes()).length, 0);

    for (const tags of [etag, `W/${etag}`, `"other", ${etag}`, "*"]) {
      const known = await fetch(url, { headers: { "if-none-match": tags } });
      assertEquals([known.status, await known.text()], [304, ""], tags);
    }
    const other = await fetch(url, { headers: { "if-none-match": '"other"' } });
    assertEquals(await other.bytes(), content);
  }
  const missing = await fetch(`${server.url}main.ts`);
  assertEquals(missing.status, 404);
  assertEquals(await missing.json(), {
    error: { code: "not_found", message: "there is no such file" },
  });
  const wrong: [string, string, string][] = [
    ["", "POST", "GET, HEAD"],
    ["runs", "DELETE", "GET, HEAD"],
    ["predict", "GET", "POST"],
    ["predict", "OPTIONS", "POST"],
  ];
  for (const [path, method, allowed] of wrong) {
    const response = await fetch(server.url + path, { method });
    assertEquals(response.status, 405);
    assertEquals(response.headers.get("allow"), allowed);
    assertEquals((await response.json()).error.code, "wrong_method");
  }
});

Deno.test("GET /runs tells what each level costs, also of a run that is changed or cannot be used", async () => {
  await using made = await makeRun();
  const { run, net, weights, folder } = made;
  const empty = join(folder, "empty");
  await Deno.mkdir(empty);
  const broken = join(folder, "broken");
  await Deno.mkdir(broken);
  await Deno.writeTextFile(join(broken, "model.safetensors"), "no weights");
  await using server = serve([
    run,
    { name: "empty", path: empty },
    { name: "broken one", path: broken },
  ]);
  const read = async () => await (await fetch(`${server.url}runs`)).json();
  const [first, second, third] = await read();
  assertEquals(first.name, "made");
  assertEquals(first.bytes, weights.length);
  assertEquals(first.files, ["model.safetensors", "results.jsonl", "report.html"]);
  for (const [index, task] of first.tasks.entries()) {
    const info = net.tasks[index]!;
    assertEquals([task.name, task.classes], [info.name, info.classes]);
    assertEquals([task.width, task.height, task.channels, task.maximum], [8, 8, 1, 255]);
    const levels = [1, 2, 3].map((level) => {
      const { bytes, parameters, macs } = networkCost(net.scenario, index, level, info);
      return { level, bytes, parameters: parameters.total, macs };
    });
    assertEquals(task.levels, levels);
  }
  assertEquals(second, {
    ...{ name: "empty", tasks: [], bytes: 0, files: [] },
    problem: "run empty has no model.safetensors",
  });
  assertEquals(third.files, ["model.safetensors"]);
  assertMatch(third.problem, /^not a whole safetensors file/);

  await Deno.writeFile(join(broken, "new"), weights);
  await Deno.rename(join(broken, "new"), join(broken, "model.safetensors"));
  assertEquals((await read())[2].tasks, first.tasks);
});

Deno.test("a run's files in parts: 206, 416, If-Range, HEAD", async () => {
  await using made = await makeRun();
  const { run, weights } = made;
  await using server = serve([run]);
  const url = `${server.url}runs/made/model.safetensors`;
  const size = weights.length;
  const whole = await fetch(url);
  assertEquals(await whole.bytes(), weights);
  assertEquals(whole.headers.get("accept-ranges"), "bytes");
  assertEquals(whole.headers.get("content-type"), "application/octet-stream");
  const etag = whole.headers.get("etag")!;
  assertMatch(etag, /^"[^"]+"$/);

  const parts: [string, number, number][] = [
    ["bytes=0-7", 0, 8],
    ["bytes=0-0", 0, 1],
    ["bytes=100-200000", 100, Math.min(200_001, size)],
    [`bytes=${size - 5}-`, size - 5, size],
    ["bytes=-9", size - 9, size],
    [`bytes=-${2 * size}`, 0, size],
    ["bytes=5-99999999999999999999", 5, size],
  ];
  for (const [range, start, end] of parts) {
    const headers = { range, "if-range": etag };
    const response = await fetch(url, { headers });
    assertEquals(response.status, 206, range);
    assertEquals(response.headers.get("content-range"), `bytes ${start}-${end - 1}/${size}`);
    assertEquals(response.headers.get("content-length"), `${end - start}`);
    assertEquals(await response.bytes(), weights.subarray(start, end));
  }
  for (const range of [`bytes=${size}-`, `bytes=${size + 5}-${size + 9}`, "bytes=-0"]) {
    const response = await fetch(url, { headers: { range } });
    assertEquals(response.status, 416, range);
    assertEquals(response.headers.get("content-range"), `bytes */${size}`);
    assertEquals((await response.json()).error.code, "no_such_range");
  }
  const passedOver: Record<string, string>[] = [
    { range: "bytes=0-7,20-30" },
    { range: "bytes=9-2" },
    { range: "bytes=" },
    { range: "bytes=-" },
    { range: "bytes=a-b" },
    { range: "lines=0-7" },
    { range: "bytes=0-7", "if-range": '"another"' },
    { range: "bytes=0-7", "if-range": `W/${etag}` },
  ];
  for (const headers of passedOver) {
    const response = await fetch(url, { headers });
    assertEquals(response.status, 200, JSON.stringify(headers));
    assertEquals((await response.bytes()).length, size);
  }
  const known = await fetch(url, { headers: { "if-none-match": etag, range: "bytes=0-7" } });
  assertEquals([known.status, await known.text()], [304, ""]);
  const head = await fetch(url, { method: "HEAD", headers: { range: "bytes=0-7" } });
  assertEquals([head.status, head.headers.get("content-length")], [200, `${size}`]);
  assertEquals(head.headers.get("etag"), etag);

  // Another version has another tag, be it of the same length.
  await Deno.writeFile(`${run.path}/new`, weights);
  await Deno.rename(`${run.path}/new`, `${run.path}/model.safetensors`);
  const changed = await fetch(url, { headers: { range: "bytes=0-7", "if-range": etag } });
  assertEquals(changed.status, 200);
  assert(changed.headers.get("etag") !== etag);
  await changed.body!.cancel();

  const report = await fetch(`${server.url}runs/made/report.html`);
  assertMatch(report.headers.get("content-security-policy")!, /default-src 'none'.*sandbox/);
  assertEquals(report.headers.get("content-type"), "text/html; charset=utf-8");
  await report.body!.cancel();
});

Deno.test("a network streams from the server, with the bits of the whole one", async () => {
  await using made = await makeRun();
  await using server = serve([made.run]);
  const url = `${server.url}runs/made/model.safetensors`;
  const streaming = await openStreaming(url, "digits", { gpu: await testGpu() });
  for await (const { level } of streaming.upgrades()) {
    const got = await streaming.virtual(level).predict(picture(level));
    assertEquals(got, await made.net.virtual("digits", { level }).predict(picture(level)));
  }
  streaming.destroy();
});

Deno.test("no path leads out of the page and the runs' three files", async () => {
  await using made = await makeRun();
  const { run, folder } = made;
  await Deno.remove(join(run.path, "report.html"));
  await Deno.symlink(join(folder, "secret.txt"), join(run.path, "report.html"));
  await Deno.remove(join(run.path, "results.jsonl"));
  await Deno.mkdir(join(run.path, "results.jsonl"));
  await using server = serve([run]);
  const targets = [
    "/../secret.txt",
    "/runs/../secret.txt",
    "/runs/made/../secret.txt",
    "/runs/made/../../secret.txt",
    "/runs/made/%2e%2e/secret.txt",
    "/runs/made/..%2fsecret.txt",
    "/runs/made/..%5csecret.txt",
    "/runs/made/..\\secret.txt",
    "/runs/made/%252e%252e%252fsecret.txt",
    "/runs/..%2fmade/model.safetensors",
    "/runs/made/./scenario.json",
    "/runs/made/scenario.json",
    "/runs/made/scenario.json%00model.safetensors",
    "/runs/made/model.safetensors%00",
    "/runs/made/model.safetensors/",
    "/runs/made/model.safetensors/x",
    "/runs/made/MODEL.safetensors",
    "/runs/made/",
    "/runs/made",
    "/runs/",
    "/runs/%",
    "/runs/%ff/model.safetensors",
    "/runs/made/constructor",
    "/runs/__proto__/model.safetensors",
    `/${folder}/secret.txt`,
    `//${folder}/secret.txt`,
    `/runs/made/${encodeURIComponent(join(folder, "secret.txt"))}`,
    `/${encodeURIComponent(join(folder, "secret.txt"))}`,
    `file://${folder}/secret.txt`,
    "http://127.0.0.1/../secret.txt",
    // A link that leads out of the folder, and a folder in a file's place.
    "/runs/made/report.html",
    "/runs/made/results.jsonl",
    "/\u0001",
    "*",
    "x".repeat(20_000),
    `/${"x/".repeat(20_000)}`,
  ];
  for (const target of targets) {
    const request = `GET ${target} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n`;
    const answer = await raw(server.port, request);
    assertMatch(answer, /^HTTP\/1.1 4\d\d /, target.slice(0, 80));
    assert(!answer.includes(SECRET), target);
  }
  // What is no HTTP at all.
  for (
    const garbage of ["\r\n\r\n", "GET\r\n\r\n", "\x16\x03\x01\x02\x00", "{}\n", "\0".repeat(9)]
  ) {
    const answer = await raw(server.port, garbage, { milliseconds: 500 }).catch(() => "");
    assert(answer === "" || answer.startsWith("HTTP/1.1 400"), answer);
  }
  const [{ files }] = await (await fetch(`${server.url}runs`)).json();
  assertEquals(files, ["model.safetensors"]);
});

Deno.test("other names than this machine's own are refused, unless it serves others", async () => {
  const ask = (port: number, host: string) =>
    raw(port, `GET / HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`);
  await using local = serve([], { hosts: LOOPBACK });
  for (const host of ["localhost:8000", "127.0.0.1", `[::1]:${local.port}`]) {
    assertMatch(await ask(local.port, host), /^HTTP\/1.1 200 /, host);
  }
  const refused = await ask(local.port, "evil.example");
  assertMatch(refused, /^HTTP\/1.1 403 /);
  assertMatch(refused, /not to evil.example; start it with --host to serve others/);
  await using open = serve([]);
  assertMatch(await ask(open.port, "name.example"), /^HTTP\/1.1 200 /);
  for (const { port } of [local, open]) {
    for (const host of ["[", "a b", "127.0.0.1:99999", "x:y", "%", "<>"]) {
      assertMatch(await ask(port, host), /^HTTP\/1.1 400 [^]*"code":"bad_address"/, host);
    }
  }
});
