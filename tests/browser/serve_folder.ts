import { extname, join, normalize } from "node:path";

const TYPES: Record<string, string> = {
  ".html": "text/html",
  ".js": "text/javascript",
  ".map": "application/json",
};

/**
 * Serves the files of a folder on loopback, as a plain web server would.
 *
 * @param requested Receives the path of each request.
 */
export function serveFolder(folder: string, requested: string[] = []) {
  return Deno.serve({ hostname: "127.0.0.1", port: 0, onListen: () => {} }, async ({ url }) => {
    const path = normalize(new URL(url).pathname);
    requested.push(path);
    try {
      const headers = { "content-type": TYPES[extname(path)] ?? "text/plain" };
      return new Response(await Deno.readFile(join(folder, path)), { headers });
    } catch {
      return new Response("not found", { status: 404 });
    }
  });
}
