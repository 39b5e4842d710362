/** A run's folder with a real network, and a server for it. */
import { join } from "node:path";
import { DeepVirtualNetwork } from "../../dvn/network.ts";
import { digitsScenario } from "../../dvn/scenarios/digits.ts";
import type { PageFile } from "../../web/server/page_bundle.ts";
import { GpuPredictor } from "../../web/server/predictor.ts";
import type { ServedRun } from "../../web/server/run_files.ts";
import { type ServerOptions, startServer } from "../../web/server/server.ts";
import { tinyTask } from "../dvn/tiny.ts";
import { testGpu } from "../gpu.ts";

/** Words in files that must never be served. */
export const SECRET = "nobody shall read this";

export interface TestRun extends AsyncDisposable {
  run: ServedRun;
  /** The network that the run's weights are of. */
  net: DeepVirtualNetwork;
  weights: Uint8Array<ArrayBuffer>;
  /** The folder that the run's folder lies in, with a file beside it that is not to be served. */
  folder: string;
}

/** Makes the folder of a run of the digits' tasks: pictures of 8 x 8 grey values up to 255. */
export async function makeRun(): Promise<TestRun> {
  const folder = await Deno.makeTempDir();
  const path = join(folder, "made");
  await Deno.mkdir(path);
  const data = Object.fromEntries(
    digitsScenario.tasks.map(({ name }, i) => [name, tinyTask(i, { side: 8 })]),
  );
  const net = await DeepVirtualNetwork.create(await testGpu(), digitsScenario, data);
  const weights = await net.weights();
  await Promise.all([
    Deno.writeFile(join(path, "model.safetensors"), weights),
    Deno.writeTextFile(join(path, "results.jsonl"), '{"type":"end"}\n'),
    Deno.writeTextFile(join(path, "report.html"), "<!DOCTYPE html><title>Report</title>"),
    Deno.writeTextFile(join(path, "scenario.json"), JSON.stringify({ note: SECRET })),
    Deno.writeTextFile(join(folder, "secret.txt"), SECRET),
  ]);
  return {
    run: { name: "made", path },
    net,
    weights,
    folder,
    async [Symbol.asyncDispose]() {
      net.destroy();
      await Deno.remove(folder, { recursive: true });
    },
  };
}

export const page: ReadonlyMap<string, PageFile> = new Map([
  ["/", "text/html; charset=utf-8", "<!DOCTYPE html><title>Page</title>"],
  ["/main.js", "text/javascript; charset=utf-8", "export {};"],
].map(([path, type, text]) => {
  const content = new TextEncoder().encode(text);
  return [path!, { content, type: type!, etag: `"${content.length}"` }];
}));

export interface TestServer extends AsyncDisposable {
  url: string;
  port: number;
}

/** Serves at any free port; what goes wrong in the server itself fails the test. */
export function serve(runs: ServedRun[], options: Partial<ServerOptions> = {}): TestServer {
  const faults: string[] = [];
  const log = (line: string) => faults.push(line);
  const predictor = options.predictor ?? new GpuPredictor({ prepareAdapter: testGpu, log });
  const server = startServer({ page, runs, log, ...options, predictor }, {
    hostname: "127.0.0.1",
    port: 0,
  });
  return {
    url: server.url,
    port: Number(new URL(server.url).port),
    async [Symbol.asyncDispose]() {
      await server.close(10_000); // nothing is left open on purpose
      if (faults.length > 0) throw new Error(`the server failed:\n${faults.join("\n")}`);
    },
  };
}

/**
 * Sends bytes as they are, and reads until the answer is complete or the server hangs up.
 *
 * @throws {Error} If neither happens in time.
 */
export async function raw(
  port: number,
  request: string | Uint8Array<ArrayBuffer>,
  { milliseconds = 60_000, hostname = "127.0.0.1" } = {},
): Promise<string> {
  const connection = await Deno.connect({ hostname, port });
  const timer = setTimeout(() => connection.close(), milliseconds);
  const bytes = typeof request === "string" ? new TextEncoder().encode(request) : request;
  // The answer may come, and the server hang up, before all is sent.
  const sent = sendAll(connection, bytes).catch(() => {});
  try {
    let text = "";
    const decoder = new TextDecoder();
    const chunk = new Uint8Array(1 << 16);
    for (let count; (count = await connection.read(chunk)) !== null;) {
      text += decoder.decode(chunk.subarray(0, count), { stream: true });
      const [, length, body] = /\r\ncontent-length: (\d+)\r\n[^]*?\r\n\r\n([^]*)$/i.exec(text) ??
        [];
      if (length !== undefined && body!.length >= Number(length)) break;
    }
    return text;
  } catch (error) {
    if (error instanceof Deno.errors.BadResource || error instanceof Deno.errors.Interrupted) {
      throw new Error(`no end of the answer within ${milliseconds} ms`);
    }
    throw error;
  } finally {
    clearTimeout(timer);
    try {
      connection.close();
    } catch { /* closed already */ }
    await sent;
  }
}

/** Writes all of it; one call may take a part alone, where buffers are small. */
async function sendAll(connection: Deno.Conn, bytes: Uint8Array): Promise<void> {
  for (let done = 0; done < bytes.length;) done += await connection.write(bytes.subarray(done));
}

export interface PredictRequest {
  run?: string;
  task?: string;
  level?: number;
  budget?: number;
  image?: Record<string, unknown>;
}

/** A picture as a request holds it. */
export function image(bytes: Uint8Array): Record<string, unknown> {
  return { width: 8, height: 8, channels: 1, data: bytes.toBase64() };
}

/** Made-up grey values. */
export function picture(seed: number): Uint8Array {
  return Uint8Array.from({ length: 64 }, (_, i) => (seed * 31 + i * 37) % 256);
}

export function post(url: string, body: unknown, headers: Record<string, string> = {}) {
  return fetch(`${url}predict`, {
    method: "POST",
    headers: { "content-type": "application/json", ...headers },
    body: typeof body === "string" || body instanceof ReadableStream ? body : JSON.stringify(body),
  });
}
