/** A server for downloads that can be as bad as servers are. */

/** How one request is answered; by default as a good server would. */
export interface Answer {
  /** Instead of the part that was asked for. */
  response?: Response;
  /** Bytes of the body before the connection breaks. */
  breakAfter?: number;
  /** Bytes of the body before nothing more comes. */
  hangAfter?: number;
  ignoreRange?: boolean;
  /** Instead of the true ones; null leaves one out. */
  headers?: Record<string, string | null>;
  /** Instead of the true content. */
  content?: Uint8Array<ArrayBuffer>;
}

export class ArchiveServer implements AsyncDisposable {
  /** The Range header of each request so far. */
  readonly ranges: (string | null)[] = [];
  readonly #server: Deno.HttpServer<Deno.NetAddr>;
  readonly #hanging = new Set<() => void>();

  /** @param answers For the first requests, in order; later ones are answered as by a good server. */
  constructor(
    readonly content: Uint8Array<ArrayBuffer>,
    readonly answers: Answer[] = [],
  ) {
    this.#server = Deno.serve(
      { port: 0, hostname: "127.0.0.1", onListen: () => {} },
      (request) => this.#answer(request, answers.shift() ?? {}),
    );
  }

  get url(): string {
    return `http://127.0.0.1:${this.#server.addr.port}/archive`;
  }

  async [Symbol.asyncDispose]() {
    for (const end of this.#hanging) end();
    await this.#server.shutdown();
  }

  #answer(request: Request, answer: Answer): Response {
    const range = request.headers.get("range");
    this.ranges.push(range);
    if (answer.response) return answer.response;
    const content = answer.content ?? this.content;
    const start = range && !answer.ignoreRange ? Number(/^bytes=(\d+)-$/.exec(range)![1]) : 0;
    if (start > 0 && start >= content.length) {
      return new Response(null, { status: 416 });
    }
    const body = content.subarray(start);
    const headers = new Headers({ "content-length": `${body.length}` });
    if (start > 0) {
      const last = content.length - 1;
      headers.set("content-range", `bytes ${start}-${last}/${content.length}`);
    }
    for (const [name, value] of Object.entries(answer.headers ?? {})) {
      if (value === null) headers.delete(name);
      else headers.set(name, value);
    }
    return new Response(this.#stream(body, answer), {
      status: start > 0 ? 206 : 200,
      headers,
    });
  }

  #stream(
    body: Uint8Array<ArrayBuffer>,
    { breakAfter, hangAfter }: Answer,
  ): ReadableStream<Uint8Array<ArrayBuffer>> {
    const end = breakAfter ?? hangAfter ?? body.length;
    return new ReadableStream({
      start: async (controller) => {
        if (end > 0) controller.enqueue(body.subarray(0, end));
        if (hangAfter !== undefined) {
          await new Promise<void>((end) => this.#hanging.add(end));
        } else if (breakAfter !== undefined) {
          // Once what was sent has arrived, which a reset would throw away.
          await new Promise((resolve) => setTimeout(resolve, 50));
        }
        try {
          controller.close(); // short of its content-length, it breaks the connection
        } catch { /* the client has gone */ }
      },
    });
  }
}

/** Bytes that do not compress. */
export function sampleBytes(length: number): Uint8Array<ArrayBuffer> {
  let state = 1;
  return Uint8Array.from({ length }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state >>> 24;
  });
}
