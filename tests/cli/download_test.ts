import {
  assert,
  assertEquals,
  assertInstanceOf,
  assertMatch,
  assertRejects,
  assertStringIncludes,
} from "@std/assert";
import { download, DownloadError, type DownloadOptions } from "../../cli/download.ts";
import { type Answer, ArchiveServer, sampleBytes } from "./archive_server.ts";

const CONTENT = sampleBytes(100_000);

/** Downloads from a server with these manners, to a file that may have a beginning. */
async function attempt(
  answers: Answer[],
  { had, ...options }: DownloadOptions & { had?: Uint8Array } = {},
) {
  await using server = new ArchiveServer(CONTENT, answers);
  const path = await Deno.makeTempFile();
  try {
    if (had) await Deno.writeFile(path, had);
    const lines: string[] = [], progress: number[] = [];
    let error: Error | undefined;
    try {
      await download(server.url, CONTENT.length, path, {
        pauseMs: 1,
        log: (line) => lines.push(line),
        onProgress: (bytes) => progress.push(bytes),
        ...options,
      });
    } catch (thrown) {
      error = thrown as Error;
    }
    const file = await Deno.readFile(path);
    return { file, error, lines, progress, ranges: server.ranges };
  } finally {
    await Deno.remove(path);
  }
}

/** The message of the error that must have come. */
function messageOf({ error }: { error: Error | undefined }): string {
  assertInstanceOf(error, DownloadError);
  const { message } = error as Error;
  assertEquals(message.split("\n").length, 1);
  return message;
}

Deno.test("download() fetches a file and tells how far it is", async () => {
  const { file, error, lines, progress, ranges } = await attempt([]);
  assertEquals([error, lines, ranges], [undefined, [], [null]]);
  assertEquals(file, CONTENT);
  assertEquals([progress[0], progress.at(-1)], [0, CONTENT.length]);
  assertEquals(progress, progress.toSorted((a, b) => a - b));
});

Deno.test("download() fetches only what is missing", async () => {
  const { file, progress, ranges } = await attempt([], {
    had: CONTENT.subarray(0, 40_000),
  });
  assertEquals(ranges, ["bytes=40000-"]);
  assertEquals(file, CONTENT);
  assertEquals(progress[0], 40_000);
});

Deno.test("download() asks for nothing when the file is whole", async () => {
  const { file, ranges } = await attempt([], { had: CONTENT });
  assertEquals([file, ranges], [CONTENT, []]);
});

Deno.test("download() goes on after each broken connection", async () => {
  const { file, error, lines, ranges } = await attempt([
    { breakAfter: 10_000 },
    { breakAfter: 20_000 },
    { breakAfter: 1 },
  ]);
  assertEquals(error, undefined);
  assertEquals(ranges, [null, "bytes=10000-", "bytes=30000-", "bytes=30001-"]);
  assertEquals(lines.length, 3);
  for (const line of lines) {
    assertEquals(line, "the connection broke; trying again in 1 s");
  }
  assertEquals(file, CONTENT);
});

Deno.test("download() gives up when tries in a row bring nothing, and keeps what there is", async () => {
  const result = await attempt([
    { breakAfter: 10_000 },
    ...new Array<Answer>(9).fill({ breakAfter: 0 }),
  ], { tries: 3 });
  assertEquals(result.ranges.length, 3);
  assertEquals(result.file, CONTENT.subarray(0, 10_000));
  assertMatch(
    messageOf(result),
    /^http:.*: the connection broke; 10.0 kB of 100 kB are kept, and the same command goes on from there$/,
  );
});

Deno.test("download() begins again where the server ignores Range", async () => {
  const { file, progress, ranges } = await attempt([{ ignoreRange: true }], {
    had: new Uint8Array(60_000).fill(9),
  });
  assertEquals(ranges, ["bytes=60000-"]);
  assertEquals(progress[0], 0);
  assertEquals(file, CONTENT);
});

Deno.test("download() begins again where the server sends another part", async () => {
  const had = CONTENT.subarray(0, 5000);
  const other = { headers: { "content-range": "bytes 4000-99999/100000" } };
  for (
    const answer of [other, { response: new Response(null, { status: 416 }) }]
  ) {
    const { file, lines, ranges } = await attempt([answer], { had });
    assertEquals(ranges, ["bytes=5000-", null]);
    assertEquals(lines, [
      "the server does not go on where the file ends; trying again in 1 s",
    ]);
    assertEquals(file, CONTENT);
  }
});

Deno.test("download() begins again with a file that is too long", async () => {
  const { file, ranges } = await attempt([], { had: sampleBytes(100_001) });
  assertEquals([file, ranges], [CONTENT, [null]]);
});

Deno.test("download() takes no file of another size", async () => {
  const had = CONTENT.subarray(0, 500);
  const wrong = "not the 100000 of the file as it was published";
  const longer = sampleBytes(100_001);
  const cases: [Answer, Uint8Array | undefined, string, number][] = [
    [{ content: longer }, undefined, "offers 100001 bytes", 0],
    [{ content: sampleBytes(99_999) }, undefined, "offers 99999 bytes", 0],
    [{ content: longer }, had, "offers 100001 bytes", 500],
    [
      { content: longer, headers: { "content-length": null } },
      undefined,
      "offers more bytes",
      100_000,
    ],
  ];
  for (const [answer, had, message, mostKept] of cases) {
    const result = await attempt([answer], { had });
    assertStringIncludes(messageOf(result), message);
    assertStringIncludes(messageOf(result), wrong);
    assertEquals(result.ranges.length, 1);
    assert(result.file.length <= mostKept);
  }
});

Deno.test("download() goes on where a body of unknown length ends early", async () => {
  const answer = {
    content: CONTENT.subarray(0, 30_000),
    headers: { "content-length": null },
  };
  const { file, ranges } = await attempt([answer]);
  assertEquals(ranges, [null, "bytes=30000-"]);
  assertEquals(file, CONTENT);
});

Deno.test("download() tries a busy server again, and a wrong address once", async () => {
  const status = (status: number, statusText: string) => ({
    response: new Response(null, { status, statusText }),
  });
  const busy = await attempt([
    status(503, "Service Unavailable"),
    status(429, ""),
  ]);
  assertEquals([busy.error, busy.ranges.length], [undefined, 3]);
  assertStringIncludes(busy.lines[0]!, "the server answers 503");
  assertEquals(busy.file, CONTENT);

  const wrong = await attempt([status(404, "Not Found")]);
  assertEquals(wrong.ranges.length, 1);
  assertStringIncludes(
    messageOf(wrong),
    "the server answers 404 Not Found; see whether the file has moved",
  );
});

Deno.test("download() leaves a connection on which nothing comes", async () => {
  const { file, lines, ranges } = await attempt([{ hangAfter: 20_000 }], {
    stallMs: 1000,
  });
  assertEquals(ranges, [null, "bytes=20000-"]);
  assertEquals(lines, ["nothing came for 1 s; trying again in 1 s"]);
  assertEquals(file, CONTENT);
});

Deno.test("download() does not take a thread that was kept from running for a connection that was", async () => {
  const block = () => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1500);
  const answer: Answer = {
    get headers() { // while the request waits for its answer
      block();
      return {};
    },
  };
  const { file, lines, ranges } = await attempt([answer], { stallMs: 1000 });
  assertEquals([lines, ranges], [[], [null]]);
  assertEquals(file, CONTENT);
});

Deno.test("download() stops when asked, and keeps what there is", async () => {
  const controller = new AbortController();
  const { file, error } = await attempt([{ hangAfter: 20_000 }], {
    signal: controller.signal,
    onProgress: (bytes) => {
      if (bytes === 20_000) controller.abort(new Error("stop"));
    },
  });
  assertEquals(error?.message, "stop");
  assertEquals(file, CONTENT.subarray(0, 20_000));

  const waiting = new AbortController();
  const between = await attempt([{ breakAfter: 20_000 }], {
    signal: waiting.signal,
    pauseMs: 60_000,
    log: () => setTimeout(() => waiting.abort(new Error("stop")), 10),
  });
  assertEquals(between.error?.message, "stop");
  assertEquals(between.file, CONTENT.subarray(0, 20_000));
});

Deno.test("download() takes the file as it is where the server calls it compressed", async () => {
  const { file, error } = await attempt([
    { headers: { "content-encoding": "gzip" } },
  ]);
  assertEquals(error, undefined);
  assertEquals(file, CONTENT);
});

Deno.test("download() says in one line why there is no connection", async () => {
  const listener = Deno.listen({ port: 0, hostname: "127.0.0.1" });
  const { port } = listener.addr;
  listener.close();
  const path = await Deno.makeTempFile();
  try {
    const error = await assertRejects(
      () => download(`http://127.0.0.1:${port}/a`, 1, path, { tries: 1 }),
      DownloadError,
    ) as Error;
    assertMatch(
      error.message,
      /^http:.*\/a: [^\n]*[Cc]onnection refused[^\n]*; 0 B of 1 B are kept/,
    );
  } finally {
    await Deno.remove(path);
  }
});
