import { assert, assertAlmostEquals, assertEquals } from "@std/assert";
import { dirname, extname, join } from "node:path";
import { prepareAdapter } from "../cli/adapter.ts";

/** What a user writes who has nothing but an address. */
const program = (origin: string) => `
  import {
    DeepVirtualNetwork, digitsScenario, Gpu, parseScenario, train,
  } from "${origin}mod.ts";
  import { loadDigits, selectClasses } from "${origin}datasets.ts";
  import { builtInScenario } from "${origin}paper.ts";
  import { cutOut } from "${origin}files.ts";
  import { tuningKey } from "${origin}tuning.ts";

  const scenario = parseScenario({
    ...digitsScenario,
    name: "halves",
    backbone: { kind: "custom", widths: [4, 8], blocks: 1 },
    stem: { kernel: 3, channels: 4, outputSize: 8 },
    units: 2,
    levels: [1, 2],
    tasks: [
      { name: "low", dataset: "digits", classes: [0, 1, 2, 3, 4] },
      { name: "high", dataset: "digits", classes: [5, 6, 7, 8, 9] },
    ],
    training: { ...digitsScenario.training, epochs: 1 },
  });
  const digits = await loadDigits();
  const tasks = {
    low: selectClasses(digits, [0, 1, 2, 3, 4]),
    high: selectClasses(digits, [5, 6, 7, 8, 9]),
  };
  const gpu = await Gpu.open();
  const net = await DeepVirtualNetwork.create(gpu, scenario, tasks);
  const events = [];
  for await (const { type } of train(net, tasks)) events.push(type);

  const budget = net.virtual("high", { level: 2 }).cost.bytes - 1;
  const network = net.virtual("high", { budget });
  const images = new Uint8Array(3 * 8 * 8);
  tasks.high.test.read(Uint32Array.of(0, 1, 2), images, new Uint32Array(3));
  const { level, classes } = network;
  const probabilities = [...await network.predict(images)];
  const { length } = await cutOut(network);
  const key = tuningKey(gpu);
  gpu.destroy();
  const { name } = builtInScenario("J1");
  console.log(JSON.stringify({ events, level, classes, probabilities, name, key, length }));
`;

/** Of the program, in milliseconds: it takes 3 s with lavapipe. */
const TIME_LIMIT = 600_000;

const TYPES: Record<string, string> = {
  ".ts": "application/typescript",
  ".wgsl": "text/plain",
};

/** Serves the library as a plain web server would, and notes what was asked for. */
function serveLibrary(requested: string[]) {
  const root = join(import.meta.dirname!, "..");
  return Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen: () => {} },
    async ({ url }) => {
      const path = new URL(url).pathname;
      requested.push(path);
      try {
        const headers = { "content-type": TYPES[extname(path)]! };
        return new Response(await Deno.readFile(join(root, path)), { headers });
      } catch {
        return new Response("not found", { status: 404 });
      }
    },
  );
}

Deno.test("mod.ts and its neighbours work from a URL, without an import map or a package", async () => {
  await prepareAdapter();
  const swiftShader = Deno.env.get("VK_DRIVER_FILES");
  const requested: string[] = [];
  const server = serveLibrary(requested);
  const host = `127.0.0.1:${server.addr.port}`;
  const origin = `http://${host}/`;
  const folder = await Deno.makeTempDir();
  try {
    await Deno.writeTextFile(
      join(folder, "main.ts"),
      program(origin),
    );
    const { stdout, stderr, signal } = await new Deno.Command(Deno.execPath(), {
      // With leave to import from the server, and no other permission.
      args: [
        "run",
        "--quiet",
        "--check",
        "--no-lock",
        "--no-npm",
        `--reload=${origin}`,
        `--allow-import=${host}`,
        "main.ts",
      ],
      cwd: folder,
      signal: AbortSignal.timeout(TIME_LIMIT),
      // Where the driver is not the system's, a program must be told where its loader is.
      env: swiftShader ? { LD_LIBRARY_PATH: dirname(swiftShader) } : {},
    }).output();
    assert(
      signal === null,
      `killed by ${signal} after at most ${TIME_LIMIT / 1000} s`,
    );
    const [output, errors] = [stdout, stderr].map((bytes) => new TextDecoder().decode(bytes));
    assert(output, errors);
    const { events, level, classes, probabilities, name, key, length } = JSON.parse(output!);
    assertEquals(name, "J1");
    assert(length > 1000);
    assert(/; kernels [0-9a-f]{8}$/.test(key), key);
    assertEquals([events.at(0), events.at(-1)], ["start", "end"]);
    for (const type of ["step", "evaluation", "epoch", "checkpoint"]) {
      assert(events.includes(type), `no ${type} among ${events}`);
    }
    assertEquals(level, 1);
    assertEquals(classes, ["5", "6", "7", "8", "9"]);
    assertEquals(probabilities.length, 3 * classes.length);
    for (let image = 0; image < 3; image++) {
      const row: number[] = probabilities.slice(image * 5, image * 5 + 5);
      assertAlmostEquals(row.reduce((sum, p) => sum + p), 1, 1e-5);
    }
    const strays = requested.filter((path) =>
      !/^\/((mod|datasets|files|paper|tuning)\.ts|(shaders|nn|dvn|datasets)\/)/.test(path)
    );
    assertEquals(strays, []);
  } finally {
    await server.shutdown();
    await Deno.remove(folder, { recursive: true });
  }
});
