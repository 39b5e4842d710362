/** Sends what Ctrl-C does; one that has ended by itself is left for its exit code to tell. */
export function pressCtrlC(child: Deno.ChildProcess): void {
  try {
    child.kill("SIGINT");
  } catch { /* there is nothing to end */ }
}
