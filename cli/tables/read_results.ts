/** Reading what `deno task experiment` has written. */
import { join } from "node:path";
import { SchemaError } from "../../dvn/schema.ts";
import { UsageError } from "../args.ts";
import type { CellResult } from "../experiment/cell.ts";
import { why } from "../run_folder.ts";
import { parseCell } from "./cell_reader.ts";

const RESULTS = "results.jsonl";

/**
 * The cells of every `results.jsonl` at or below a folder, in the order of the files' paths and of their
 * lines. A last line without its end, which a process leaves that is still writing, is not one. Files of
 * single training runs, which have the same name, are passed over.
 *
 * @returns Paths of the files, and their cells.
 * @throws {UsageError} If the folder cannot be read, or a line is no cell; it names file and line.
 */
export async function readResults(
  folder: string,
): Promise<{ files: string[]; cells: CellResult[] }> {
  const files: string[] = [];
  const cells: CellResult[] = [];
  for (const file of await findResults(folder)) {
    const lines = (await readText(file)).split("\n").slice(0, -1);
    if (isTrainingRun(lines[0])) continue;
    files.push(file);
    cells.push(...lines.map((line, i) => readCell(line, `${file}, line ${i + 1}`)));
  }
  return { files, cells };
}

async function findResults(folder: string): Promise<string[]> {
  const entries: Deno.DirEntry[] = [];
  try {
    for await (const entry of Deno.readDir(folder)) entries.push(entry);
  } catch (error) {
    throw new UsageError(`cannot read ${folder}: ${whyNoFolder(error)}`);
  }
  const found: string[] = [];
  for (const { name, isDirectory } of entries.sort((a, b) => a.name < b.name ? -1 : 1)) {
    const path = join(folder, name);
    if (isDirectory) found.push(...await findResults(path));
    else if (name === RESULTS) found.push(path);
  }
  return found;
}

function whyNoFolder(error: unknown): string {
  if (error instanceof Deno.errors.NotFound) return "no such folder";
  if (error instanceof Deno.errors.NotADirectory) return "it is not a folder";
  return why(error);
}

async function readText(file: string): Promise<string> {
  try {
    return await Deno.readTextFile(file);
  } catch (error) {
    throw new UsageError(`cannot read ${file}: ${why(error)}`);
  }
}

/** The first line of a run's file is its start; cells have no type. */
function isTrainingRun(line: string | undefined): boolean {
  try {
    return JSON.parse(line ?? "").type === "start";
  } catch {
    return false;
  }
}

/** @param place Of the line, for the error. */
function readCell(line: string, place: string): CellResult {
  try {
    return parseCell(JSON.parse(line));
  } catch (error) {
    throw new UsageError(
      `${place}, ${
        whyNoCell(error)
      }; delete the line and run the experiment again, which fills the gap`,
    );
  }
}

function whyNoCell(error: unknown): string {
  if (error instanceof SyntaxError) return "is not JSON";
  if (!(error instanceof SchemaError)) throw error;
  const [first, ...others] = error.problems;
  const more = others.length > 0 ? ` (and ${others.length} more)` : "";
  return `is not the result of an experiment: ${first}${more}`;
}
