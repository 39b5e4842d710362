/**
 * Contenders in processes of their own, over a pipe or in a page of a browser.
 *
 * @module
 */
import type { About, Facts, Request } from "./contender.ts";
import { lines } from "./lines.ts";
import type { Work } from "./workloads.ts";

/** Answers a request, or throws the contender's error. */
export interface Channel {
  ask(request: Request): Promise<unknown>;
  close(): Promise<void>;
}

/** A job in a contender's process. */
export interface RemoteJob {
  /** Does the work so many times over. @returns Milliseconds, of all together. */
  run(times: number): Promise<number>;
  /** Root mean square of what the work makes; null where it cannot be told. */
  check(): Promise<number | null>;
  /** Does one training step and gives its loss; null of other work. */
  loss(): Promise<number | null>;
  facts(): Promise<Facts | null>;
  release(): Promise<void>;
}

/** A contender as seen from here. */
export class Remote {
  #jobs = 0;
  #lost: Error | undefined;

  private constructor(readonly channel: Channel, readonly about: About, readonly limit: number) {}

  /** @param limit Seconds that an answer may take. */
  static async connect(channel: Channel, limit: number): Promise<Remote> {
    const asked = channel.ask({ method: "about" });
    try {
      return new Remote(channel, await withLimit(asked, limit) as About, limit);
    } catch (error) {
      await channel.close();
      throw error;
    }
  }

  /** Whether the process has died or was given up. */
  get lost(): boolean {
    return this.#lost !== undefined;
  }

  async #ask(request: Request): Promise<unknown> {
    if (this.#lost) throw this.#lost;
    try {
      return await withLimit(this.channel.ask(request), this.limit);
    } catch (error) {
      if (error instanceof ContenderError) throw error;
      this.#lost = error as Error;
      await this.channel.close();
      throw error;
    }
  }

  /** @returns undefined if the contender has no such op. */
  async prepare(work: Work): Promise<RemoteJob | undefined> {
    const job = ++this.#jobs;
    if (!await this.#ask({ method: "prepare", job, work })) return undefined;
    return {
      run: async (times) => await this.#ask({ method: "run", job, times }) as number,
      check: async () => await this.#ask({ method: "check", job }) as number | null,
      loss: async () => await this.#ask({ method: "loss", job }) as number | null,
      facts: async () => await this.#ask({ method: "facts", job }) as Facts | null,
      release: async () => {
        if (!this.#lost) await this.#ask({ method: "release", job });
      },
    };
  }

  async close(): Promise<void> {
    if (this.#lost) return;
    this.#lost = new Error(`${this.about.contender} is closed`);
    await this.channel.close();
  }
}

/** What a contender could not do; its process goes on. */
export class ContenderError extends Error {
  override name = "ContenderError";
}

async function withLimit<T>(work: Promise<T>, seconds: number): Promise<T> {
  const { promise, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(
    () => reject(new Error(`no answer after ${seconds} s, and given up`)),
    1000 * seconds,
  );
  try {
    return await Promise.race([work, promise]);
  } finally {
    clearTimeout(timer);
  }
}

/** Starts a command that answers on stdout what it is asked on stdin, one at a time. */
export function startProcess(
  command: string,
  args: string[],
  env: Record<string, string> = {},
): Channel {
  const child = new Deno.Command(command, {
    args,
    env,
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const writer = child.stdin.getWriter();
  const replies = lines(child.stdout);
  let complaints = "";
  const heard = (async () => {
    for await (const line of lines(child.stderr)) {
      complaints = `${complaints}${line}\n`.slice(-4000);
    }
  })();
  return {
    async ask(request) {
      await writer.write(new TextEncoder().encode(`${JSON.stringify(request)}\n`)).catch(() => {});
      const { value, done } = await replies.next();
      if (done) {
        await heard;
        throw new Error(`${command} ${args.join(" ")} has ended:\n${complaints}`);
      }
      const reply = JSON.parse(value) as { value: unknown } | { error: string };
      if ("error" in reply) throw new ContenderError(reply.error);
      return reply.value;
    },
    async close() {
      try {
        child.kill();
      } catch {
        // It has ended by itself.
      }
      await child.status;
    },
  };
}
