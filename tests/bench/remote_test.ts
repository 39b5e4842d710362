import { assertEquals, assertRejects } from "@std/assert";
import { type Contender, type Request, serve } from "../../bench/contender.ts";
import { lines } from "../../bench/lines.ts";
import { ContenderError, Remote, startProcess } from "../../bench/remote.ts";

const ABOUT = { contender: "fake", version: "1", adapter: "made up", software: true };

/** A contender whose jobs count their runs. */
function fakeContender(): Contender & { released: number } {
  let runs = 0;
  return {
    about: ABOUT,
    released: 0,
    prepare({ op }) {
      if (op === "copy") return Promise.resolve(undefined);
      return Promise.resolve({
        run: () => void runs++,
        settle: () => Promise.resolve(),
        check: () => Promise.resolve(op === "fma" ? NaN : runs),
        release: () => void this.released++,
      });
    },
  };
}

function connect(contender: Contender): Promise<Remote> {
  const answer = serve(() => Promise.resolve(contender));
  return Remote.connect({
    // As over a pipe.
    async ask(request: Request) {
      try {
        return JSON.parse(JSON.stringify(await answer(JSON.parse(JSON.stringify(request)))));
      } catch (error) {
        throw new ContenderError((error as Error).message);
      }
    },
    close: () => Promise.resolve(),
  }, 1);
}

Deno.test("a remote job does what it is asked, as often", async () => {
  const contender = fakeContender();
  const remote = await connect(contender);
  assertEquals(remote.about, ABOUT);
  const job = (await remote.prepare({ op: "matmul", size: 8 }))!;
  const ms = await job.run(5);
  assertEquals(ms >= 0, true);
  assertEquals(await job.check(), 5);
  assertEquals(await job.loss(), null);
  assertEquals(await job.facts(), null);
  await job.release();
  assertEquals(contender.released, 1);
  await assertRejects(() => job.run(1), ContenderError, "no job");
});

Deno.test("a remote contender says what it cannot do, and what is no number", async () => {
  const remote = await connect(fakeContender());
  assertEquals(await remote.prepare({ op: "copy", by: "queue" }), undefined);
  const job = (await remote.prepare({ op: "fma", lanes: 1, each: 1 }))!;
  await assertRejects(() => job.check(), ContenderError, "its check is NaN");
  assertEquals(remote.lost, false);
});

Deno.test("a remote contender that does not answer is given up", async () => {
  const remote = await Remote.connect({
    ask: ({ method }) =>
      method === "about" ? Promise.resolve(ABOUT) : new Promise<unknown>(() => {}),
    close: () => Promise.resolve(),
  }, 0.05);
  await assertRejects(
    () => remote.prepare({ op: "fma", lanes: 1, each: 1 }),
    Error,
    "no answer after 0.05 s",
  );
  assertEquals(remote.lost, true);
  await assertRejects(() => remote.prepare({ op: "fma", lanes: 1, each: 1 }), Error, "given up");
});

/** A process that answers requests by `reply`, an expression of `line`. */
function startEcho(reply: string) {
  const script = `
    import { lines } from ${JSON.stringify(new URL("../../bench/lines.ts", import.meta.url).href)};
    for await (const line of lines(Deno.stdin.readable)) console.log(JSON.stringify(${reply}));`;
  return startProcess(Deno.execPath(), ["eval", "--quiet", script]);
}

Deno.test("startProcess() passes requests and replies, errors among them", async () => {
  const channel = startEcho(
    `line.includes("about") ? { value: JSON.parse(line) } : { error: "no such op" }`,
  );
  assertEquals(await channel.ask({ method: "about" }), { method: "about" });
  await assertRejects(() => channel.ask({ method: "check", job: 1 }), ContenderError, "no such op");
  assertEquals(await channel.ask({ method: "about" }), { method: "about" });
  await channel.close();
});

Deno.test("startProcess() tells the last words of a process that dies", async () => {
  const channel = startEcho(`(() => { throw new Error("out of luck"); })()`);
  const error = await assertRejects(() => channel.ask({ method: "about" }), Error, "out of luck");
  assertEquals(error instanceof ContenderError, false);
  await channel.close();
});

Deno.test("lines() joins what chunks cut apart", async () => {
  const chunks = ["a", "b\nc", "\n\nd"].map((text) => new TextEncoder().encode(text));
  const found = await Array.fromAsync(lines(ReadableStream.from(chunks)));
  assertEquals(found, ["ab", "c", "", "d"]);
});
