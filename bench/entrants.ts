/**
 * Who takes part, and how each is started.
 *
 * @module
 */
import { join } from "node:path";
import { UsageError } from "../cli/args.ts";
import { findChromium } from "../tests/browser/chromium.ts";
import { startPage } from "./chromium.ts";
import type { Runtime } from "./record.ts";
import { type Channel, startProcess } from "./remote.ts";

export interface Entrant {
  runtime: Runtime;
  contender: string;
  /** @param env Added to the environment; a browser does not get it. */
  start(env?: Record<string, string>): Promise<Channel>;
}

const PEERS = ["jax-js", "tensorflow.js"];

/**
 * All that were asked for, this project first in each runtime.
 *
 * @throws {UsageError} If there is no Chromium, or no Python with PyTorch.
 */
export async function findEntrants(
  { deno, peers, browser, torch }: {
    deno: boolean;
    peers: boolean;
    browser: boolean;
    torch: boolean;
  },
): Promise<Entrant[]> {
  const contenders = ["ours", ...peers ? PEERS : []];
  const entrants: Entrant[] = [];
  if (deno) entrants.push(...contenders.map(denoEntrant));
  if (torch) entrants.push(...await torchEntrants());
  if (browser) {
    const executable = await findChromium();
    if (!executable) {
      throw new UsageError("--browser needs Chromium, and there is none; set CHROMIUM_PATH");
    }
    entrants.push(...contenders.map((contender): Entrant => ({
      runtime: "chromium",
      contender,
      start: () => startPage(executable, contender),
    })));
  }
  return entrants;
}

function denoEntrant(contender: string): Entrant {
  const script = join(import.meta.dirname!, "serve.ts");
  return {
    runtime: "deno",
    contender,
    // Without the lock, to which the peers' packages would be added. The heap is swept before memory is
    // told.
    start: (env) => {
      const flags = ["--allow-all", "--quiet", "--no-lock", "--v8-flags=--expose-gc"];
      const args = ["run", ...flags, script, contender];
      return Promise.resolve(startProcess(Deno.execPath(), args, env));
    },
  };
}

/** PyTorch, and where it has CUDA once more with TF32. */
async function torchEntrants(): Promise<Entrant[]> {
  const script = join(import.meta.dirname!, "contenders", "pytorch.py");
  const named = Deno.env.get("PYTHON");
  for (const python of named ? [named] : ["python3", "/usr/bin/python3"]) {
    const probe = "import torch; print(torch.cuda.is_available())";
    const { success, stdout } = await new Deno.Command(python, {
      args: ["-c", probe],
      stderr: "null",
    }).output().catch(() => ({ success: false, stdout: new Uint8Array() }));
    if (!success) continue;
    const entrant = (contender: string, ...flags: string[]): Entrant => ({
      runtime: "python",
      contender,
      start: (env) => Promise.resolve(startProcess(python, [script, ...flags], env)),
    });
    const cuda = new TextDecoder().decode(stdout).trim() === "True";
    return [entrant("torch"), ...cuda ? [entrant("torch TF32", "--tf32")] : []];
  }
  throw new UsageError(
    "--torch needs a Python with PyTorch, and there is none; install it (Debian and Ubuntu: apt-get " +
      "install python3-torch) or name another Python in PYTHON",
  );
}
