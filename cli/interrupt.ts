/**
 * `deno task` passes Ctrl-C on to a command that the terminal has told already: two signals this
 * close together are one key.
 */
const SAME_KEY_MS = 500;

/**
 * Turns the first Ctrl-C (or SIGTERM) into an abort; the second quits at once, with exit code 130.
 *
 * @param onFirst Called at the first.
 */
export function watchInterrupts(onFirst: () => void): {
  signal: AbortSignal;
  dispose: () => void;
} {
  const controller = new AbortController();
  let first: number | undefined;
  const listener = () => {
    const now = performance.now();
    if (first === undefined) {
      first = now;
      controller.abort();
      onFirst();
    } else if (now - first > SAME_KEY_MS) {
      Deno.exit(130);
    }
  };
  const signals: Deno.Signal[] = Deno.build.os === "windows"
    ? ["SIGINT", "SIGBREAK"]
    : ["SIGINT", "SIGTERM"];
  for (const name of signals) Deno.addSignalListener(name, listener);
  return {
    signal: controller.signal,
    dispose: () => {
      for (const name of signals) Deno.removeSignalListener(name, listener);
    },
  };
}
