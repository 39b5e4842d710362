import { HttpError } from "./http_error.ts";
import type { Predictor } from "./predictor.ts";
import { readBody } from "./read_body.ts";
import { MODEL, runModel, type RunTask, type ServedRun } from "./run_files.ts";

/** What `POST /predict` answers. */
export interface PredictAnswer {
  run: string;
  task: string;
  level: number;
  /** What the level takes, in bytes of parameters. */
  bytes: number;
  /** All of the task's, the likeliest first. */
  classes: { name: string; probability: number }[];
  /** That the network took for the picture. */
  milliseconds: number;
}

/** What {@linkcode answerPredict} needs of the server. */
export interface PredictContext {
  runs: readonly ServedRun[];
  predictor: Predictor;
  /** Of a request's body, in bytes. */
  bodyLimit: number;
  /** In milliseconds. */
  bodyTimeout: number;
}

/**
 * Answers `POST /predict`.
 *
 * The body is JSON: `{run?, task, level | budget, image: {width, height, channels, data}}`, where `run`
 * may be left out if one is served, `task` if the run has one, `level` and `budget` (bytes of
 * parameters) for the highest level, and `data` are the picture's bytes, [height, width, channels], in
 * base64.
 *
 * @throws {HttpError} 400, 408, 413, 415 or 422 for a mistake of the client's, 404 if no run is served,
 *   503 if there is no adapter or too much to do.
 */
export async function answerPredict(
  request: Request,
  { runs, predictor, bodyLimit, bodyTimeout }: PredictContext,
): Promise<PredictAnswer> {
  const type = request.headers.get("content-type") ?? "";
  if (!/^application\/json\s*(;|$)/i.test(type)) {
    await request.body?.cancel().catch(() => {});
    const got = type ? `got ${type}` : "got none";
    throw new HttpError(415, "not_json", `content-type must be application/json, ${got}`);
  }
  const json = parse(await readBody(request, bodyLimit, bodyTimeout));
  checkFields("", json, ["run", "task", "level", "budget", "image"]);

  if (runs.length === 0) {
    throw new HttpError(
      404,
      "no_run",
      "the server offers no run; start it with: deno task serve RUN",
    );
  }
  const run = pick("run", json.run, runs);
  const { tasks, version } = await modelOf(run);
  const task = pick("task", json.task, tasks);
  const { level, bytes } = chooseLevel(json, task);
  const image = readImage(json.image, task);

  const weights = `${run.path}/${MODEL}`;
  const job = { weights, version, task: task.name, level, image };
  const { probabilities, milliseconds } = await predictor.predict(job);
  const classes = task.classes
    .map((name, i) => ({ name, probability: probabilities[i]! }))
    .sort((a, b) => b.probability - a.probability);
  return { run: run.name, task: task.name, level, bytes, classes, milliseconds };
}

type Fields = Record<string, unknown>;

function parse(body: Uint8Array): Fields {
  let json: unknown;
  try {
    json = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(body));
  } catch (error) {
    const message = `the body is not JSON: ${(error as Error).message}`;
    throw new HttpError(400, "bad_json", message);
  }
  if (!isObject(json)) throw new HttpError(400, "bad_json", "the body must be a JSON object");
  return json;
}

function isObject(value: unknown): value is Fields {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** A field that is missing or wrong. */
function wrong(code: string, message: string): HttpError {
  return new HttpError(422, code, message);
}

function checkFields(path: string, fields: Fields, known: readonly string[]): void {
  const unknown = Object.keys(fields).find((name) => !known.includes(name));
  if (unknown === undefined) return;
  const name = JSON.stringify(unknown.slice(0, 40));
  throw wrong("unknown_field", `${path}${name} is not a field; there are ${known.join(", ")}`);
}

/** The item of a name; without a name the only one. */
function pick<T extends { name: string }>(field: string, name: unknown, items: readonly T[]): T {
  const names = items.map(({ name }) => name).join(", ");
  if (name === undefined) {
    if (items.length === 1) return items[0]!;
    throw wrong("missing_field", `${field} is missing; there are ${names}`);
  }
  const item = items.find((each) => each.name === name);
  if (item) return item;
  throw wrong(`unknown_${field}`, `${field} must be one of ${names}, got ${shown(name)}`);
}

/** A value in few characters. */
function shown(value: unknown): string {
  const json = JSON.stringify(value);
  return json.length > 60 ? `${json.slice(0, 57)}...` : json;
}

async function modelOf(run: ServedRun) {
  try {
    return await runModel(run);
  } catch (error) {
    if (error instanceof HttpError && error.status !== 404) throw error;
    const message = `run ${run.name} cannot be used: ${(error as Error).message}`;
    throw new HttpError(503, "run_unusable", message, { "retry-after": "60" });
  }
}

function chooseLevel({ level, budget }: Fields, { name, levels }: RunTask) {
  if (level !== undefined && budget !== undefined) {
    throw wrong("wrong_field", "level and budget exclude each other");
  }
  if (level !== undefined) {
    const found = levels.find((each) => each.level === level);
    if (found) return found;
    const known = levels.map(({ level }) => level).join(", ");
    throw wrong(
      "unknown_level",
      `level must be one of task ${name}'s, ${known}; got ${shown(level)}`,
    );
  }
  if (budget === undefined) return levels.at(-1)!;
  if (typeof budget !== "number" || !(budget > 0)) {
    throw wrong("wrong_field", `budget must be a number of bytes above 0, got ${shown(budget)}`);
  }
  const fitting = levels.findLast(({ bytes }) => bytes <= budget);
  if (fitting) return fitting;
  const [{ level: least, bytes }] = levels as [RunTask["levels"][number]];
  throw wrong(
    "budget_too_small",
    `no level of task ${name} fits a budget of ${budget} bytes: level ${least}, the smallest, ` +
      `needs ${bytes}`,
  );
}

/** The picture's bytes. */
function readImage(image: unknown, task: RunTask): Uint8Array {
  if (image === undefined) throw wrong("missing_field", "image is missing");
  if (!isObject(image)) throw wrong("wrong_field", `image must be an object, got ${shown(image)}`);
  checkFields("image.", image, ["width", "height", "channels", "data"]);
  for (const field of ["width", "height", "channels"] as const) {
    const value = image[field];
    if (value === undefined) throw wrong("missing_field", `image.${field} is missing`);
    if (value === task[field]) continue;
    const { name, width, height, channels } = task;
    throw wrong(
      "wrong_image",
      `image.${field} must be ${task[field]}, got ${
        shown(value)
      }; task ${name} reads pictures of ` +
        `${width} x ${height} pixels and ${channels} ${channels === 1 ? "channel" : "channels"}`,
    );
  }
  if (image.data === undefined) throw wrong("missing_field", "image.data is missing");
  let bytes: Uint8Array;
  try {
    bytes = Uint8Array.fromBase64(image.data as string);
  } catch {
    throw wrong("wrong_image", `image.data must be bytes in base64, got ${shown(image.data)}`);
  }
  const size = task.width * task.height * task.channels;
  if (bytes.length !== size) {
    throw wrong(
      "wrong_image",
      `image.data must be ${task.height} x ${task.width} x ${task.channels} = ${size} bytes, got ` +
        `${bytes.length}`,
    );
  }
  const bright = bytes.findIndex((byte) => byte > task.maximum);
  if (bright >= 0) {
    throw wrong(
      "wrong_image",
      `image.data: byte ${bright} is ${bytes[bright]}, and this task's pictures hold ` +
        `${task.maximum} at most`,
    );
  }
  return bytes;
}
