/** A contender's page: answers requests through `ask()`. Which contender, its address says. */
import { type Contender, type Request, serve } from "./contender.ts";
import { open as openOurs } from "./contenders/ours.ts";
import { open as openJaxJs } from "./contenders/jax_js.ts";
import { open as openTensorFlow } from "./contenders/tensorflow_js.ts";

/** What a request is answered with. */
export type Reply = { value: unknown } | { error: string };

declare global {
  /** Called by the driver. */
  var ask: (request: Request) => Promise<Reply>;
}

const CONTENDERS: Record<string, () => Promise<Contender>> = {
  ours: openOurs,
  "jax-js": openJaxJs,
  "tensorflow.js": openTensorFlow,
};

const answer = serve(CONTENDERS[new URL(import.meta.url).search.slice(1)]!);
globalThis.ask = async (request) => {
  try {
    return { value: await answer(request) };
  } catch (error) {
    return { error: error instanceof Error ? error.message : String(error) };
  }
};
