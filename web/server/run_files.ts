import {
  decodeSafeTensorsHeader,
  describeWeights,
  networkCost,
  safeTensorsHeaderEnd,
  taskLevels,
} from "../../mod.ts";
import { join } from "node:path";
import { hasVersion, requestedRange } from "./conditional.ts";
import { HttpError, notFound } from "./http_error.ts";

/** A run that is served. */
export interface ServedRun {
  /** In addresses. */
  name: string;
  /** Its folder. */
  path: string;
}

/** What `GET /runs` tells of a run. */
export interface RunSummary {
  name: string;
  tasks: RunTask[];
  /** Of the weights file. */
  bytes: number;
  /** Those that can be fetched. */
  files: string[];
  /** Why there are no tasks, if there are none. */
  problem?: string;
}

/** A task of a run, and what its levels cost. */
export interface RunTask {
  name: string;
  classes: string[];
  width: number;
  height: number;
  channels: number;
  /** The largest byte value a picture can hold. */
  maximum: number;
  levels: { level: number; bytes: number; parameters: number; macs: number }[];
}

export const MODEL = "model.safetensors";

/** The files of a run that are served, and no others. */
const TYPES: Readonly<Record<string, string>> = {
  [MODEL]: "application/octet-stream",
  "results.jsonl": "application/x-ndjson; charset=utf-8",
  "report.html": "text/html; charset=utf-8",
};

/** Reports hold their own styles, and need nothing else. */
const REPORT_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; " +
  "base-uri 'none'; form-action 'none'; frame-ancestors 'self'; sandbox allow-popups";

/** Bytes read at a time. */
const CHUNK = 1 << 16;

/** A file of a run, open, with the version that it has at this moment. */
interface OpenFile extends Disposable {
  file: Deno.FsFile;
  size: number;
  etag: string;
  modified: Date | null;
}

/** Opens a file that is really in the run's folder. @throws {HttpError} 404 if it is not. */
async function openFile({ name, path }: ServedRun, fileName: string): Promise<OpenFile> {
  let file: Deno.FsFile | undefined;
  try {
    // No links: one might lead out of the folder.
    const [folder, real] = await Promise.all([
      Deno.realPath(path),
      Deno.realPath(join(path, fileName)),
    ]);
    if (join(folder, fileName) !== real) throw new Deno.errors.NotFound();
    file = await Deno.open(real);
    const { isFile, size, mtime, ino } = await file.stat();
    if (!isFile) throw new Deno.errors.NotFound();
    // A checkpoint is replaced by renaming, so that a new one is a new inode.
    const etag = `"${
      [size, mtime?.getTime() ?? 0, ino ?? 0].map((n) => n.toString(36)).join("-")
    }"`;
    const opened = file;
    return { file, size, etag, modified: mtime, [Symbol.dispose]: () => opened.close() };
  } catch (error) {
    file?.close();
    const gone = [Deno.errors.NotFound, Deno.errors.IsADirectory, Deno.errors.NotADirectory];
    if (!gone.some((kind) => error instanceof kind)) throw error;
    throw notFound(`run ${name} has no ${fileName}`);
  }
}

/**
 * Answers a GET or HEAD for a file of a run, or a part of it.
 *
 * @throws {HttpError} 404 if the run has no such file or it is not served, 416 if the part is beyond
 *   its end.
 */
export async function serveRunFile(
  request: Request,
  run: ServedRun,
  fileName: string,
): Promise<Response> {
  const type = Object.hasOwn(TYPES, fileName) ? TYPES[fileName]! : undefined;
  if (!type) {
    throw notFound(`of a run's files only ${Object.keys(TYPES).join(", ")} are served`);
  }
  const opened = await openFile(run, fileName);
  const { file, size, etag, modified } = opened;
  const headers = new Headers({
    "accept-ranges": "bytes",
    "cache-control": "no-cache, no-transform",
    etag,
  });
  if (modified) headers.set("last-modified", modified.toUTCString());
  if (hasVersion(request, etag)) {
    file.close();
    return new Response(null, { status: 304, headers });
  }
  const range = requestedRange(request, size, etag);
  if (range === "none") {
    file.close();
    const message = `${fileName} has ${size} bytes, and the range asked for is beyond them`;
    throw new HttpError(416, "no_such_range", message, { "content-range": `bytes */${size}` });
  }
  const { start, end } = range === "whole" ? { start: 0, end: size } : range;
  headers.set("content-type", type);
  headers.set("content-length", `${end - start}`);
  if (type.startsWith("text/html")) headers.set("content-security-policy", REPORT_POLICY);
  if (range !== "whole") headers.set("content-range", `bytes ${start}-${end - 1}/${size}`);
  const status = range === "whole" ? 200 : 206;
  if (request.method === "HEAD" || start === end) {
    file.close();
    return new Response(null, { status, headers });
  }
  return new Response(filePart(file, start, end), { status, headers });
}

/** Reads bytes `[start, end)` as they are wanted, and closes the file. */
function filePart(file: Deno.FsFile, start: number, end: number): ReadableStream<Uint8Array> {
  let at = start;
  return new ReadableStream({
    async start() {
      await file.seek(start, Deno.SeekMode.Start);
    },
    async pull(controller) {
      try {
        const chunk = new Uint8Array(Math.min(CHUNK, end - at));
        const count = await file.read(chunk);
        if (count === null) throw new Error("the file became shorter");
        controller.enqueue(chunk.subarray(0, count));
        at += count;
        if (at < end) return;
        file.close();
        controller.close();
      } catch (error) {
        file.close();
        throw error;
      }
    },
    cancel() {
      file.close();
    },
  }, { highWaterMark: 0 });
}

/** What is known of a run's networks, as of one version of its weights file. */
export interface RunModel {
  version: string;
  bytes: number;
  tasks: RunTask[];
}

const models = new WeakMap<ServedRun, RunModel>();

/**
 * Reads the header of a run's weights file, or remembers it while the file is the same.
 *
 * @throws {HttpError} 404 if there is none.
 * @throws {SafeTensorsError} If it is not a weights file.
 * @throws {RangeError} If it is not a deep virtual network's.
 */
export async function runModel(run: ServedRun): Promise<RunModel> {
  using opened = await openFile(run, MODEL);
  const { file, size, etag } = opened;
  const known = models.get(run);
  if (known?.version === etag) return known;
  const start = await readStart(file, Math.min(size, 8));
  const header = await readStart(file, safeTensorsHeaderEnd(start, size));
  const { scenario, tasks } = describeWeights(decodeSafeTensorsHeader(header, size).metadata);
  const model = {
    version: etag,
    bytes: size,
    tasks: tasks.map((task, index): RunTask => {
      const { name, classes, width, height, channels, maximum } = task;
      const levels = taskLevels(scenario, index).map((level) => {
        const { bytes, parameters, macs } = networkCost(scenario, index, level, task);
        return { level, bytes, parameters: parameters.total, macs };
      });
      return { name, classes, width, height, channels, maximum, levels };
    }),
  };
  models.set(run, model);
  return model;
}

/** The first so many bytes. */
async function readStart(file: Deno.FsFile, count: number): Promise<Uint8Array> {
  await file.seek(0, Deno.SeekMode.Start);
  const bytes = new Uint8Array(count);
  for (let done = 0; done < count;) {
    const read = await file.read(bytes.subarray(done));
    if (read === null) return bytes.subarray(0, done);
    done += read;
  }
  return bytes;
}

/** What `GET /runs` tells of a run, whatever state its folder is in. */
export async function summarizeRun(run: ServedRun): Promise<RunSummary> {
  const there = await Promise.all(
    Object.keys(TYPES).map(async (fileName) => {
      try {
        (await openFile(run, fileName)).file.close();
        return [fileName];
      } catch {
        return [];
      }
    }),
  );
  const files = there.flat();
  try {
    const { tasks, bytes } = await runModel(run);
    return { name: run.name, tasks, bytes, files };
  } catch (error) {
    return { name: run.name, tasks: [], bytes: 0, files, problem: (error as Error).message };
  }
}
