/** `deno task serve` from end to end, in a process of its own; and the bundle that it makes. */
import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import { dirname, join } from "node:path";
import { newestRuns } from "../../cli/serve.ts";
import { bundlePage } from "../../web/server/page_bundle.ts";
import { pressCtrlC } from "../cli/press_ctrl_c.ts";
import { image, makeRun, picture, post, raw } from "./server_setup.ts";

const SCRIPT = join(import.meta.dirname!, "../../cli/serve.ts");

function command(args: string[], cwd?: string): Deno.Command {
  return new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--no-check", SCRIPT, ...args],
    cwd,
    stdout: "piped",
    stderr: "piped",
  });
}

/** Starts the command, waits until it serves, and stops it when the test is done with it. */
async function serving(
  args: string[],
  cwd: string | undefined,
  test: (url: string, printed: string, port: number) => Promise<void>,
): Promise<{ code: number; err: string }> {
  const child = command(["--port", "0", ...args], cwd).spawn();
  const err = new Response(child.stderr).text();
  let printed = "";
  const reader = child.stdout.pipeThrough(new TextDecoderStream()).getReader();
  try {
    let url: string | undefined;
    while (!url) {
      const { done, value } = await reader.read();
      if (done) throw new Error(`it ended: ${printed}${await err}`);
      printed += value;
      url = /^(http:[^\s,]+).*\n/m.exec(printed)?.[1];
    }
    await test(url, printed, Number(new URL(url).port));
  } finally {
    pressCtrlC(child);
  }
  const { code } = await child.status;
  await reader.cancel();
  return { code, err: await err };
}

Deno.test("serve: the page, a run and a prediction; Ctrl-C ends it with exit code 0", async () => {
  await using made = await makeRun();
  const { run, net } = made;
  const { code, err } = await serving([`${run.path}/`], undefined, async (url, printed, port) => {
    assertEquals(printed, `Serving the page and made. Ctrl-C stops.\nhttp://127.0.0.1:${port}/\n`);
    const html = await (await fetch(url)).text();
    // All that the page names is there.
    const named = [...html.matchAll(/(?:src|href)="([^"#:]+)"/g)].map(([, path]) => path!);
    assert(named.includes("main.js") && named.includes("style.css"), named.join());
    for (const path of ["index.html", "worker.js", "main.js.map", ...named]) {
      const response = await fetch(url + path);
      assertEquals(response.status, 200, path);
      await response.body!.cancel();
    }
    const [{ name, tasks }] = await (await fetch(`${url}runs`)).json();
    assertEquals([name, tasks.length], ["made", 3]);
    const response = await post(url, { task: "low", level: 2, image: image(picture(5)) });
    const { classes } = await response.json();
    const want = await net.virtual("low", { level: 2 }).predict(picture(5));
    assertEquals(
      classes.map(({ probability }: { probability: number }) => probability),
      [...want].sort((a, b) => b - a),
    );
    // A download that nobody reads does not keep it from ending.
    const open = await Deno.connect({ hostname: "127.0.0.1", port });
    await open.write(
      new TextEncoder().encode("POST /predict HTTP/1.1\r\nContent-Length: 9\r\n\r\n"),
    );

    const taken = await command(["--port", `${port}`, run.path]).output();
    assertEquals(taken.code, 2);
    assertEquals(
      new TextDecoder().decode(taken.stderr),
      `error: port ${port} is taken; name another with --port, or 0 for any that is free\n`,
    );
    open.close();
  });
  assertEquals([code, err], [0, ""]);
});

Deno.test("serve: without a RUN the newest in runs/, or the page alone", async () => {
  await using made = await makeRun();
  const { folder, run } = made;
  const first = await serving([], folder, async (_, printed) => {
    assertMatch(printed, /^Serving the page alone: runs\/ holds no run with a checkpoint/);
    await Promise.resolve();
  });
  assertEquals(first.code, 0);
  // Twelve, of which the oldest two are left out; and one without a checkpoint.
  for (let i = 1; i <= 12; i++) {
    const path = join(folder, "runs", `run${i}`);
    await Deno.mkdir(path, { recursive: true });
    for (const file of ["scenario.json", "results.jsonl", "model.safetensors"]) {
      await Deno.copyFile(join(run.path, file), join(path, file));
    }
    await Deno.utime(join(path, "model.safetensors"), 1e9, 1e9 + (i === 12 ? 0 : i));
  }
  await Deno.mkdir(join(folder, "runs", "begun"));
  const second = await serving(["--host", "0.0.0.0"], folder, async (url, printed) => {
    const names = Array.from({ length: 10 }, (_, i) => `run${11 - i}`);
    assertMatch(
      printed,
      new RegExp(`^Serving the page and the newest of runs/: ${names.join(", ")}\\. Ctrl-C stops`),
    );
    // Where a browser on this machine opens it, with WebGPU; and what others lack.
    assertMatch(
      printed,
      /\nEveryone .* WebGPU through https alone\.\nhttp:\/\/127\.0\.0\.1:\d+\/\n$/,
    );
    const runs = await (await fetch(`${url}runs`)).json();
    assertEquals(runs.map(({ name }: { name: string }) => name), names);
  });
  assertEquals(second.code, 0);
});

Deno.test("serve: a run that goes while the runs are listed hides no other", async () => {
  const folder = await Deno.makeTempDir();
  for (const name of ["a", "b", "c"]) {
    await Deno.mkdir(join(folder, name));
    for (const file of ["scenario.json", "results.jsonl", "model.safetensors"]) {
      await Deno.writeTextFile(join(folder, name, file), "");
    }
  }
  const { stat } = Deno;
  const seen = new Set<string>();
  let gone: string | undefined;
  // The first model that is looked at twice is gone the second time.
  Deno.stat = (path) => {
    const model = `${path}`;
    if (model.endsWith("model.safetensors") && seen.has(model)) gone ??= model;
    seen.add(model);
    return model === gone ? Promise.reject(new Deno.errors.NotFound()) : stat(path);
  };
  try {
    const names = (await newestRuns(folder)).map(({ name }) => name);
    assertEquals(names.sort(), ["a", "b", "c"].filter((name) => !gone!.includes(`/${name}/`)));
  } finally {
    Deno.stat = stat;
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("serve: another address of this machine alone answers to its own name as well", {
  ignore: Deno.build.os === "darwin", // which has 127.0.0.1 alone
}, async () => {
  const { code } = await serving(["--host", "127.0.0.2"], undefined, async (url, printed, port) => {
    assertEquals(printed.split("\n").slice(1), [`http://127.0.0.2:${port}/`, ""]);
    const ask = async (host: string) => {
      const request = `GET / HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`;
      return Number((await raw(port, request, { hostname: "127.0.0.2" })).split(" ")[1]);
    };
    assertEquals(await ask(new URL(url).host), 200);
    assertEquals(await ask("localhost"), 200);
    assertEquals(await ask("evil.example"), 403);
  });
  assertEquals(code, 0);
});

Deno.test("serve: a wrong flag, folder or port is one line and exit code 2; --help helps", async () => {
  await using made = await makeRun();
  const { run, folder } = made;
  const other = join(folder, "else", "made");
  await Deno.mkdir(other, { recursive: true });
  for (const file of ["scenario.json", "results.jsonl"]) {
    await Deno.copyFile(join(run.path, file), join(other, file));
  }
  const cases: [string[], string][] = [
    [["--prot", "1"], "--prot is not a flag of this command; did you mean --port?"],
    [["--port", "x"], '--port must be a whole number, 0 or more; got "x"'],
    [["--port", "65536"], '--port must be 65535 or less; got "65536"'],
    [[folder], `${folder} is not the folder of a run: it holds no scenario.json`],
    [[`${folder}/none`], `${folder}/none is not the folder of a run: no such folder`],
    [[run.path, other], "two runs are named made; serve one of them"],
    [
      ["--port", "0", "--host", "no.such.host.invalid"],
      "cannot listen at no.such.host.invalid, port 0",
    ],
  ];
  for (const [args, message] of cases) {
    const { code, stdout, stderr } = await command(args).output();
    const [out, err] = [stdout, stderr].map((bytes) => new TextDecoder().decode(bytes));
    assertEquals([code, out], [2, ""], err);
    assert(err!.startsWith(`error: ${message}`), err);
    assertEquals(err!.trimEnd().split("\n").length, 1);
  }
  const { code, stdout } = await command(["--help"]).output();
  const help = new TextDecoder().decode(stdout);
  assertEquals(code, 0);
  for (
    const word of [
      "--host NAME",
      "https proxy",
      "--port N",
      "POST /predict",
      "deno task serve [RUN ...]",
    ]
  ) {
    assert(help.includes(word), word);
  }
});

/** Makes a folder of files, and bundles it. */
async function bundle(files: Record<string, string>) {
  const folder = await Deno.makeTempDir();
  try {
    for (const [path, text] of Object.entries(files)) {
      await Deno.mkdir(dirname(join(folder, path)), { recursive: true });
      await Deno.writeTextFile(join(folder, path), text);
    }
    return await bundlePage(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

const SMALL_PAGE = {
  "index.html": "<!DOCTYPE html>",
  "style.css": "a{}",
  "main.ts": `export const answer: number = 6 * 7; export const late = () => import("./late.ts");`,
  "worker.ts": `postMessage("ready");`,
  "late.ts": `export const late = "late";`,
  "static/icons/dot.svg": "<svg/>",
};

Deno.test("bundlePage(): entries, what is imported late, source maps and static files", async () => {
  const files = await bundle(SMALL_PAGE);
  const types = Object.fromEntries([...files].map(([path, { type }]) => [path, type]));
  assertEquals(
    Object.keys(types).filter((path) => !/^\/(late|chunk)-\w+\.js/.test(path)).sort(),
    [
      ...["/", "/index.html", "/main.js", "/main.js.map", "/static/icons/dot.svg", "/style.css"],
      ...["/worker.js", "/worker.js.map"],
    ],
  );
  assertEquals(types["/static/icons/dot.svg"], "image/svg+xml");
  assertEquals(types["/main.js"], "text/javascript; charset=utf-8");
  const text = (path: string) => new TextDecoder().decode(files.get(path)!.content);
  assertMatch(text("/main.js"), /sourceMappingURL=main\.js\.map/);
  assertMatch(text("/main.js.map"), /export const answer: number/);
  assert(files.get("/")!.etag !== files.get("/style.css")!.etag);
});

Deno.test("bundlePage(): an error in the sources is told with its place", async () => {
  const error = await assertRejects(
    () => bundle({ ...SMALL_PAGE, "late.ts": "const = 1;" }),
    Error,
  );
  assertMatch(error.message, /late\.ts:1:6: ERROR: Expected identifier but found "="/);
});

Deno.test("bundlePage(): the page imports no package", async () => {
  const error = await assertRejects(
    () => bundle({ ...SMALL_PAGE, "late.ts": `import "npm:wgpu-matrix@3.4.2";` }),
    Error,
  );
  assertMatch(error.message, /late\.ts:1:7: ERROR: Could not resolve "npm:wgpu-matrix@3.4.2"/);
});
