/**
 * A contender's process in Deno: reads requests from stdin and answers on stdout, a line each. What it
 * prints goes to stderr.
 *
 *     deno run -A --no-lock bench/serve.ts ours
 *
 * @module
 */
import { prepareAdapter } from "../cli/adapter.ts";
import { type Contender, type Facts, serve } from "./contender.ts";
import { lines } from "./lines.ts";

const FILES: Record<string, string> = {
  ours: "./contenders/ours.ts",
  "jax-js": "./contenders/jax_js.ts",
  "tensorflow.js": "./contenders/tensorflow_js.ts",
};

console.log = console.info = console.debug = console.error;
const answer = serve(async () => {
  await prepareAdapter();
  const { open } = await import(FILES[Deno.args[0]!]!);
  return await open() as Contender;
});
const encoder = new TextEncoder();
for await (const line of lines(Deno.stdin.readable)) {
  let reply: { value: unknown } | { error: string };
  try {
    const request = JSON.parse(line);
    const value = await answer(request);
    if (request.method === "facts" && value) {
      (globalThis as { gc?: () => void }).gc?.();
      (value as Facts).residentBytes = Deno.memoryUsage().rss;
    }
    reply = { value };
  } catch (error) {
    reply = { error: error instanceof Error ? error.message : String(error) };
  }
  await Deno.stdout.write(encoder.encode(`${JSON.stringify(reply)}\n`));
}
