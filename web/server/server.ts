import { hasVersion } from "./conditional.ts";
import { HttpError, notFound } from "./http_error.ts";
import type { PageFile } from "./page_bundle.ts";
import { answerPredict } from "./predict.ts";
import type { Predictor } from "./predictor.ts";
import { type ServedRun, serveRunFile, summarizeRun } from "./run_files.ts";

/** What is served, and how patiently. */
export interface ServerOptions {
  /** By path, such as "/main.js". */
  page: ReadonlyMap<string, PageFile>;
  runs: readonly ServedRun[];
  predictor: Predictor;
  /** Of the body of a request, in bytes (1 MB). */
  bodyLimit?: number;
  /** That a body may take to arrive, in milliseconds (10,000). */
  bodyTimeout?: number;
  /** Names by which the server may be addressed; default: any. */
  hosts?: readonly string[];
  /** Told of faults of the server's own. */
  log?: (line: string) => void;
}

/** The names of this machine to itself. */
export const LOOPBACK: readonly string[] = ["localhost", "127.0.0.1", "[::1]"];

/** What this machine reaches itself by where all its addresses are listened at. */
const OWN_NAMES: Readonly<Record<string, string>> = { "0.0.0.0": "127.0.0.1", "::": "::1" };

/** For all answers. The page runs its own scripts and workers, and asks this server alone. */
const SECURITY = {
  "content-security-policy": "default-src 'none'; script-src 'self'; worker-src 'self'; " +
    "style-src 'self'; img-src data:; connect-src 'self'; base-uri 'none'; form-action 'none'; " +
    "frame-ancestors 'self'",
  "cross-origin-resource-policy": "same-origin",
  "referrer-policy": "no-referrer",
  "x-content-type-options": "nosniff",
};

/** Answers every request, whatever it holds: mistakes of the client's and faults alike. */
export function makeHandler(options: ServerOptions): (request: Request) => Promise<Response> {
  const { log = (line) => console.error(line) } = options;
  return async (request) => {
    let response: Response;
    try {
      response = await route(request, options);
    } catch (error) {
      if (error instanceof HttpError) response = error.toResponse();
      else {
        log(`${request.method} ${request.url}: ${error instanceof Error ? error.stack : error}`);
        response = new HttpError(500, "internal", "the server failed; its output says how")
          .toResponse();
      }
    }
    for (const [name, value] of Object.entries(SECURITY)) {
      if (!response.headers.has(name)) response.headers.set(name, value);
    }
    return response;
  };
}

async function route(request: Request, options: ServerOptions): Promise<Response> {
  const { page, runs, predictor, hosts } = options;
  const { pathname, hostname } = addressOf(request);
  // A page of another site can have its own name lead here, and then read what it finds.
  if (hosts && !hosts.includes(hostname)) {
    const message =
      `this server answers to ${hosts.join(", ")}, not to ${hostname}; start it with ` +
      "--host to serve others";
    throw new HttpError(403, "wrong_host", message);
  }
  if (pathname === "/predict") {
    allow(request, "POST");
    const { bodyLimit = 1_000_000, bodyTimeout = 10_000 } = options;
    return Response.json(
      await answerPredict(request, { runs, predictor, bodyLimit, bodyTimeout }),
      { headers: { "cache-control": "no-store" } },
    );
  }
  allow(request, "GET", "HEAD");
  if (pathname === "/runs") {
    return Response.json(await Promise.all(runs.map(summarizeRun)), {
      headers: { "cache-control": "no-cache" },
    });
  }
  // Names are compared with what there is; no path is ever made of them.
  const [, first, name, fileName, ...more] = pathname.split("/").map(decode);
  if (first === "runs" && name !== undefined) {
    const run = runs.find((run) => run.name === name);
    if (!run) throw notFound("there is no such run; GET /runs lists them");
    if (fileName === undefined || more.length > 0) {
      throw notFound("a run's files have the address /runs/<run>/<file>");
    }
    return await serveRunFile(request, run, fileName);
  }
  const file = page.get(pathname);
  if (!file) throw notFound("there is no such file");
  const { content, type, etag } = file;
  const headers = { "cache-control": "no-cache", "content-type": type, etag };
  if (hasVersion(request, etag)) return new Response(null, { status: 304, headers });
  return new Response(request.method === "HEAD" ? null : content, {
    headers: { ...headers, "content-length": `${content.length}` },
  });
}

/** @throws {HttpError} 400 if the request, its Host above all, names no address. */
function addressOf({ url }: Request): URL {
  const address = URL.parse(url);
  if (address) return address;
  throw new HttpError(400, "bad_address", "the request's Host and path are no address");
}

/** @throws {HttpError} 405 if the request's method is none of these. */
function allow({ method }: Request, ...methods: string[]): void {
  if (methods.includes(method)) return;
  const message = `${methods.join(" and ")} ${methods.length > 1 ? "are" : "is"} answered here`;
  throw new HttpError(405, "wrong_method", message, { allow: methods.join(", ") });
}

/** A part of a path; one that is not well formed names nothing. */
function decode(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return "";
  }
}

/** A server that listens. */
export interface RunningServer {
  /** Such as "http://127.0.0.1:8000/": as a browser on this machine opens it. */
  url: string;
  /** Lets requests under way end, for so many milliseconds at most. */
  close(grace?: number): Promise<void>;
}

/**
 * Listens.
 *
 * @param port 0 for any that is free.
 * @throws {Deno.errors.AddrInUse} If something else listens there, and other errors of the system.
 */
export function startServer(
  options: ServerOptions,
  { hostname, port }: { hostname: string; port: number },
): RunningServer {
  const abort = new AbortController();
  const handle = makeHandler(options);
  const server = Deno.serve(
    { hostname, port, signal: abort.signal, onListen: () => {} },
    (request) => handle(request),
  );
  const { addr } = server;
  const name = OWN_NAMES[addr.hostname] ?? addr.hostname;
  const host = name.includes(":") ? `[${name}]` : name;
  return {
    url: `http://${host}:${addr.port}/`,
    async close(grace = 2000) {
      const ended = server.shutdown().then(() => true);
      let timer: ReturnType<typeof setTimeout>;
      const late = new Promise<false>((resolve) => {
        timer = setTimeout(() => resolve(false), grace);
      });
      const inTime = await Promise.race([ended, late]);
      clearTimeout(timer!);
      options.predictor.close();
      if (!inTime) abort.abort(); // breaks off what is left
      await ended.catch(() => {});
    },
  };
}
