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

/** Of a request or an answer: the end of what comes before the body. */
const END = "\r\n\r\n";

export class ArchiveServer implements AsyncDisposable {
  /** The Range header of each request so far. */
  readonly ranges: (string | null)[] = [];
  readonly #listener = Deno.listen({ port: 0, hostname: "127.0.0.1" });
  readonly #over = Promise.withResolvers<void>();
  readonly #connections: Promise<void>[] = [];

  /** @param answers For the first requests, in order; later ones are answered as by a good server. */
  constructor(
    readonly content: Uint8Array<ArrayBuffer>,
    readonly answers: Answer[] = [],
  ) {
    this.#accept();
  }

  get url(): string {
    return `http://127.0.0.1:${this.#listener.addr.port}/archive`;
  }

  async [Symbol.asyncDispose]() {
    this.#listener.close();
    this.#over.resolve();
    await Promise.all(this.#connections);
  }

  async #accept(): Promise<void> {
    for await (const connection of this.#listener) {
      const serving = this.#serve(connection)
        .catch(() => {}) // the client has hung up
        .finally(() => connection.close());
      this.#connections.push(serving);
    }
  }

  /** Answers one request; by sockets, since only they tell that all that was sent has gone out. */
  async #serve(connection: Deno.TcpConn): Promise<void> {
    const decoder = new TextDecoder();
    const chunk = new Uint8Array(1 << 12);
    let request = "";
    while (!request.includes(END)) {
      const count = await connection.read(chunk);
      if (count === null) return;
      request += decoder.decode(chunk.subarray(0, count));
    }
    const range = /^range: *(.*)\r$/im.exec(request)?.[1] ?? null;
    this.ranges.push(range);
    const answer = this.answers.shift() ?? {};
    const { status, statusText, headers, body } = this.#answer(range, answer);
    const lines = [...headers].map(([name, value]) => `${name}: ${value}\r\n`).join("");
    const head = `HTTP/1.1 ${status} ${statusText}\r\n${lines}connection: close${END}`;
    const sent = body.subarray(0, answer.breakAfter ?? answer.hangAfter);
    await sendAll(connection, new TextEncoder().encode(head));
    await sendAll(connection, sent);
    if (answer.hangAfter !== undefined) await this.#over.promise;
    // Not a reset, which would throw away what has not been read yet: the end comes after it.
    await connection.closeWrite();
    while (await connection.read(chunk) !== null);
  }

  #answer(range: string | null, answer: Answer) {
    const { response } = answer;
    if (response) {
      const { status, statusText, headers } = response;
      return { status, statusText, headers, body: new Uint8Array(0) };
    }
    const content = answer.content ?? this.content;
    const start = range && !answer.ignoreRange ? Number(/^bytes=(\d+)-$/.exec(range)![1]) : 0;
    const body = content.subarray(start);
    const headers = new Headers({ "content-length": `${body.length}` });
    if (start > 0 && start >= content.length) {
      return { status: 416, statusText: "Range Not Satisfiable", headers, body };
    }
    if (start > 0) {
      const last = content.length - 1;
      headers.set("content-range", `bytes ${start}-${last}/${content.length}`);
    }
    for (const [name, value] of Object.entries(answer.headers ?? {})) {
      if (value === null) headers.delete(name);
      else headers.set(name, value);
    }
    return start > 0
      ? { status: 206, statusText: "Partial Content", headers, body }
      : { status: 200, statusText: "OK", headers, body };
  }
}

async function sendAll(connection: Deno.Conn, bytes: Uint8Array): Promise<void> {
  for (let done = 0; done < bytes.length;) done += await connection.write(bytes.subarray(done));
}

/** Bytes that do not compress. */
export function sampleBytes(length: number): Uint8Array<ArrayBuffer> {
  let state = 1;
  return Uint8Array.from({ length }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state >>> 24;
  });
}
