import type { Scenario } from "../dvn/scenario.ts";
import type { CheckpointFiles } from "../dvn/trainer.ts";
import type { RunLine } from "./run_record.ts";
import { UsageError } from "./args.ts";

const MODEL = "model.safetensors";
const SCENARIO = "scenario.json";
const RESULTS = "results.jsonl";
const REPORT = "report.html";
const STATE = /^training_state\.[0-9a-f]{16}\.safetensors$/;

/**
 * The folder of one run:
 *
 * - `model.safetensors`: weights and what is needed to use them;
 * - `training_state.<hash>.safetensors`: momentum and counters, the hash being that of the model it
 *   belongs to. The pair is replaced by one rename, that of the model, so a crash at any moment
 *   leaves a model with its own state;
 * - `scenario.json`: what was asked for;
 * - `results.jsonl`: one {@linkcode RunLine} a line;
 * - `report.html`: the same for people.
 */
export class RunFolder {
  readonly path: string;

  private constructor(path: string) {
    this.path = path;
  }

  /**
   * Makes a new folder `parent/name`, or, where that exists, `parent/name-2`, `-3` and so on.
   *
   * @param exact Take `name` or nothing.
   * @throws {UsageError} If the folder exists (with `exact`) or cannot be made.
   */
  static async create(
    parent: string,
    name: string,
    exact: boolean,
  ): Promise<RunFolder> {
    for (let i = 1;; i++) {
      const path = `${parent}/${i === 1 ? name : `${name}-${i}`}`;
      try {
        await Deno.mkdir(parent, { recursive: true });
        await Deno.mkdir(path);
        return new RunFolder(path);
      } catch (error) {
        if (!(error instanceof Deno.errors.AlreadyExists)) {
          throw new UsageError(`cannot make the folder ${path}: ${why(error)}`);
        }
        if (!await isFolder(parent)) {
          throw new UsageError(`--out ${parent} is not a folder`);
        }
        if (exact) {
          throw new UsageError(
            `${path} exists; choose another --name, or continue it with --resume ${path}`,
          );
        }
      }
    }
  }

  /** @throws {UsageError} If `path` is not the folder of a run. */
  static async open(path: string): Promise<RunFolder> {
    const folder = path.replace(/(?<=.)[/\\]+$/, "");
    if (!await isFolder(folder)) {
      throw new UsageError(
        `${path} is not the folder of a run: no such folder`,
      );
    }
    for (const file of [SCENARIO, RESULTS]) {
      if (!await exists(`${folder}/${file}`)) {
        throw new UsageError(
          `${path} is not the folder of a run: it holds no ${file}`,
        );
      }
    }
    return new RunFolder(folder);
  }

  /** The folder of a run that has left a checkpoint; undefined if there is none at `path`. */
  static async find(path: string): Promise<RunFolder | undefined> {
    const files = await Promise.all(
      [SCENARIO, RESULTS, MODEL].map((file) => exists(`${path}/${file}`)),
    );
    return files.every((there) => there) ? new RunFolder(path) : undefined;
  }

  get name(): string {
    return this.path.split(/[/\\]/).at(-1)!;
  }

  get reportPath(): string {
    return `${this.path}/${REPORT}`;
  }

  /** The scenario file as parsed JSON, not yet checked. */
  async readScenario(): Promise<unknown> {
    return await readJson(`${this.path}/${SCENARIO}`);
  }

  async writeScenario(scenario: Scenario): Promise<void> {
    const json = JSON.stringify(scenario, null, 2) + "\n";
    await writeAtomically(`${this.path}/${SCENARIO}`, json);
  }

  async writeReport(html: string): Promise<void> {
    await writeAtomically(this.reportPath, html);
  }

  /** @throws {UsageError} If there is no model yet. */
  async readModel(): Promise<Uint8Array> {
    try {
      return await Deno.readFile(`${this.path}/${MODEL}`);
    } catch (error) {
      throw new UsageError(
        error instanceof Deno.errors.NotFound
          ? `${this.path} holds no ${MODEL}: it was stopped before its first checkpoint`
          : `cannot read ${this.path}/${MODEL}: ${why(error)}`,
      );
    }
  }

  /** Replaces the checkpoint. When this has returned, it outlives a power cut. */
  async writeCheckpoint(
    weights: Uint8Array,
    state: Uint8Array,
  ): Promise<void> {
    const name = await stateName(weights);
    await writeAtomically(`${this.path}/${name}`, state);
    await writeAtomically(`${this.path}/${MODEL}`, weights);
    for await (const file of Deno.readDir(this.path)) {
      if (STATE.test(file.name) && file.name !== name) {
        await Deno.remove(`${this.path}/${file.name}`);
      }
    }
  }

  /** @throws {UsageError} If there is no checkpoint, or a part of it is missing. */
  async readCheckpoint(): Promise<CheckpointFiles> {
    const weights = await this.readModel();
    const name = await stateName(weights);
    try {
      return { weights, state: await Deno.readFile(`${this.path}/${name}`) };
    } catch (error) {
      throw new UsageError(
        error instanceof Deno.errors.NotFound
          ? `cannot resume ${this.path}: ${name}, the training state of its ${MODEL}, is missing`
          : `cannot read ${this.path}/${name}: ${why(error)}`,
      );
    }
  }

  /**
   * The lines written so far. A last line without its end, which a crash may leave, is not one.
   *
   * @throws {UsageError} If another line is not JSON.
   */
  async readLines(): Promise<RunLine[]> {
    const text = await Deno.readTextFile(`${this.path}/${RESULTS}`);
    return text.split("\n").slice(0, -1).map((line, i) => {
      try {
        return JSON.parse(line);
      } catch {
        throw new UsageError(
          `${this.path}/${RESULTS}, line ${i + 1}, is not JSON`,
        );
      }
    });
  }

  async replaceLines(lines: readonly RunLine[]): Promise<void> {
    await writeAtomically(
      `${this.path}/${RESULTS}`,
      lines.map((line) => JSON.stringify(line) + "\n").join(""),
    );
  }

  async appendLine(line: RunLine): Promise<void> {
    const path = `${this.path}/${RESULTS}`;
    await Deno.writeTextFile(path, JSON.stringify(line) + "\n", {
      append: true,
    });
  }
}

/**
 * Writes a temporary file beside `path`, forces it to the disk and renames it: a reader, or the
 * next run after a crash, finds the old content or the new, never a part.
 */
export async function writeAtomically(
  path: string,
  content: Uint8Array | string,
): Promise<void> {
  const bytes = typeof content === "string" ? new TextEncoder().encode(content) : content;
  const temporary = `${path}.tmp`;
  const file = await Deno.open(temporary, {
    write: true,
    create: true,
    truncate: true,
  });
  try {
    for (let done = 0; done < bytes.length;) {
      done += await file.write(bytes.subarray(done));
    }
    await file.syncData();
  } finally {
    file.close();
  }
  await Deno.rename(temporary, path);
  if (Deno.build.os === "windows") return; // it opens no folder as a file
  const folder = await Deno.open(path.replace(/[^/]*$/, "") || ".");
  try {
    await folder.sync(); // the rename itself
  } finally {
    folder.close();
  }
}

/** @throws {UsageError} If the file cannot be read or is not JSON. */
export async function readJson(path: string): Promise<unknown> {
  let text;
  try {
    text = await Deno.readTextFile(path);
  } catch (error) {
    throw new UsageError(`cannot read ${path}: ${why(error)}`);
  }
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new UsageError(`${path} is not JSON: ${why(error)}`);
  }
}

/** An error's reason, without the number and path that Deno appends. */
export function why(error: unknown): string {
  if (error instanceof Deno.errors.NotFound) return "no such file";
  if (error instanceof Deno.errors.IsADirectory) return "it is a folder";
  const message = error instanceof Error ? error.message : String(error);
  return message.split("\n")[0]!.replace(/ \(os error \d+\).*$/, "");
}

async function stateName(weights: Uint8Array): Promise<string> {
  const bytes = weights as Uint8Array<ArrayBuffer>; // shared memory never gets here
  const hash = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
  return `training_state.${hash.toHex().slice(0, 16)}.safetensors`;
}

async function exists(path: string): Promise<boolean> {
  try {
    await Deno.stat(path);
    return true;
  } catch {
    return false;
  }
}

async function isFolder(path: string): Promise<boolean> {
  try {
    return (await Deno.stat(path)).isDirectory;
  } catch {
    return false;
  }
}
