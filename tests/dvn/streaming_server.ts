/** A web server for one file that counts its bytes and can be made to misbehave. */
export interface FileServer extends AsyncDisposable {
  url: string;
  /** Bytes of the file sent so far. */
  sent: number;
  /** Ranges asked for, `[first, last]`; a whole file is `[0, its length - 1]`. */
  asked: [number, number][];
  /** Most requests that were under way at once. */
  most: number;
}

/** How a {@linkcode serveFile} misbehaves. */
export interface ServerOptions {
  /** Answers range requests with the whole file. */
  noRanges?: boolean;
  /** Bytes after which the server sends nothing more. */
  limit?: number;
  /** Bytes a second, of all requests together. */
  rate?: number;
  /** Changes an answer, or answers in its place. @param index Of the request, from 0. */
  answer?: (
    index: number,
    content: Uint8Array<ArrayBuffer>,
    init: { status: number; headers: Headers },
  ) => Response | Promise<Response> | undefined;
}

/** Bytes sent at a time. */
const CHUNK = 2048;

export function serveFile(
  file: Uint8Array<ArrayBuffer>,
  options: ServerOptions = {},
): FileServer {
  let under = 0;
  let clock = performance.now();
  const server = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen: () => {} },
    (request, { completed }) => {
      const [, from, to] = /^bytes=(\d+)-(\d+)$/.exec(request.headers.get("range") ?? "") ?? [];
      const ranged = from !== undefined && !options.noRanges;
      const first = ranged ? Number(from) : 0;
      const last = ranged ? Math.min(Number(to), file.length - 1) : file.length - 1;
      const index = result.asked.push([first, last]) - 1;
      const headers = new Headers({ etag: '"1"' });
      if (ranged) headers.set("content-range", `bytes ${first}-${last}/${file.length}`);
      const init = { status: ranged ? 206 : 200, headers };
      const content = file.slice(first, last + 1);
      const own = options.answer?.(index, content, init);
      if (own) return own;
      result.most = Math.max(result.most, ++under);
      let at = 0;
      const body = new ReadableStream<Uint8Array>({
        async pull(controller) {
          const chunk = content.subarray(at, at + CHUNK);
          if (result.sent + chunk.length > (options.limit ?? Infinity)) {
            return await completed.catch(() => {}); // until the other side hangs up
          }
          result.sent += chunk.length;
          at += chunk.length;
          if (options.rate) {
            clock = Math.max(clock, performance.now()) + 1000 * chunk.length / options.rate;
            await new Promise((resolve) => setTimeout(resolve, clock - performance.now()));
          }
          controller.enqueue(chunk);
          if (at < content.length) return;
          under--;
          controller.close();
        },
      }, { highWaterMark: 0 });
      return new Response(body, init);
    },
  );
  const result: FileServer = {
    url: `http://127.0.0.1:${server.addr.port}/model.safetensors`,
    sent: 0,
    asked: [],
    most: 0,
    [Symbol.asyncDispose]: () => server.shutdown(),
  };
  return result;
}
