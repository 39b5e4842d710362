/**
 * Hears Ctrl-C while the main thread is busy: in Deno, waiting for the GPU blocks it, for seconds on
 * a software adapter. Part of interrupt.ts.
 */

/**
 * `deno task` passes Ctrl-C on to a command that the terminal has told already: two signals this
 * close together are one key.
 */
const SAME_KEY_MS = 1000;
/** The time that the main thread has to end the process in good order. */
const KILL_AFTER_MS = 1000;

let first: number | undefined;

function onSignal() {
  const now = performance.now();
  if (first === undefined) {
    first = now;
    const clear = Deno.stderr.isTerminal() ? "\r\x1b[K" : "";
    console.error(
      `${clear}Stopping after this step to save a checkpoint; Ctrl-C again quits at once.`,
    );
    self.postMessage("stop");
  } else if (now - first > SAME_KEY_MS) {
    self.postMessage("quit");
    setTimeout(() => Deno.kill(Deno.pid, "SIGKILL"), KILL_AFTER_MS);
  }
}

const signals: Deno.Signal[] = Deno.build.os === "windows"
  ? ["SIGINT", "SIGBREAK"]
  : ["SIGINT", "SIGTERM"];
for (const signal of signals) Deno.addSignalListener(signal, onSignal);
self.postMessage("ready");
