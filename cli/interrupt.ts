/**
 * Turns the first Ctrl-C (or SIGTERM) into an abort and tells the user; the second quits at once,
 * with exit code 130, or by SIGKILL where the main thread is too busy for that.
 *
 * @returns Once it listens.
 */
export async function watchInterrupts(): Promise<{
  signal: AbortSignal;
  dispose: () => void;
}> {
  const controller = new AbortController();
  const url = new URL("./interrupt_worker.ts", import.meta.url);
  const worker = new Worker(url, { type: "module" });
  await new Promise<void>((listening) => {
    worker.onmessage = ({ data }) => {
      if (data === "ready") listening();
      else if (data === "stop") controller.abort();
      else Deno.exit(130);
    };
  });
  return { signal: controller.signal, dispose: () => worker.terminate() };
}
