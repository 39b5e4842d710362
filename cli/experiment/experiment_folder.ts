import { UsageError } from "../args.ts";
import { withFreeLock, withLock } from "../file_lock.ts";
import { readJson, why, writeAtomically } from "../run_folder.ts";
import { checkScenario } from "../scenario_choice.ts";
import type { CellResult } from "./cell.ts";
import { type Cell, describeCell } from "./grid.ts";

const ABOUT = "experiment.json";
const RESULTS = "results.jsonl";

/** What all cells of an experiment have in common; each has a seed of its own. */
export type ExperimentAbout = Pick<CellResult, "scenario" | "scale" | "settings" | "tasks">;

/**
 * The folder of an experiment, which several processes may work on:
 *
 * - `experiment.json`: an {@linkcode ExperimentAbout};
 * - `results.jsonl`: one {@linkcode CellResult} a line, whole at any time;
 * - `<method>/seed<N>/<run>/`: a run's folder;
 * - `<method>/seed<N>.lock`: held by the process that is at that cell.
 */
export class ExperimentFolder {
  constructor(readonly path: string) {}

  /**
   * Makes the folder, or goes on with the one that is there.
   *
   * @throws {UsageError} If it cannot be made, or was begun with other settings or other images.
   */
  async begin(about: ExperimentAbout): Promise<void> {
    try {
      await Deno.mkdir(this.path, { recursive: true });
    } catch (error) {
      throw new UsageError(`cannot make the folder ${this.path}: ${why(error)}`);
    }
    const path = `${this.path}/${ABOUT}`;
    await withLock(`${path}.lock`, () => {}, async () => {
      await this.check(about);
      if (!await exists(path)) await writeAtomically(path, JSON.stringify(about, null, 2) + "\n");
    });
  }

  /**
   * Compares with what the folder was begun with, if it was.
   *
   * @param about All of it or a part.
   * @throws {UsageError} If they differ.
   */
  async check(about: Partial<ExperimentAbout>): Promise<void> {
    const path = `${this.path}/${ABOUT}`;
    if (!await exists(path)) return;
    const there = await readJson(path) as ExperimentAbout;
    // An older version's lack what has come since; each field means by default what was done before.
    if (there.settings) there.settings = checkScenario(there.settings, path);
    for (const key of Object.keys(about) as (keyof ExperimentAbout)[]) {
      const difference = firstDifference(there[key], about[key], key);
      if (!difference) continue;
      throw new UsageError(
        `${path} has ${difference}; results of different settings do not mix: choose another --out`,
      );
    }
  }

  /** Where a run of a cell is. */
  runPath(cell: Cell, run: string): string {
    return `${this.#cellPath(cell)}/${run}`;
  }

  /**
   * Does a cell's work, unless another process is at it.
   *
   * @returns What the work returns, in an object; undefined if another is at the cell.
   */
  async claim<T>(cell: Cell, work: () => Promise<T>): Promise<{ result: T } | undefined> {
    await Deno.mkdir(`${this.path}/${cell.method.name}`, { recursive: true });
    return await withFreeLock(`${this.#cellPath(cell)}.lock`, work);
  }

  /** Whether a process is at a cell. */
  async isClaimed(cell: Cell): Promise<boolean> {
    const lock = `${this.#cellPath(cell)}.lock`;
    return await exists(lock) && !await withFreeLock(lock, () => Promise.resolve());
  }

  /** @throws {UsageError} If a line is not JSON. */
  async results(): Promise<CellResult[]> {
    const path = `${this.path}/${RESULTS}`;
    if (!await exists(path)) return [];
    const lines = (await Deno.readTextFile(path)).split("\n");
    return lines.filter((line) => line !== "").map((line, i) => {
      try {
        return JSON.parse(line);
      } catch {
        throw new UsageError(`${path}, line ${i + 1}, is not JSON`);
      }
    });
  }

  /**
   * Adds a line. When this has returned, it outlives a power cut.
   *
   * @throws {Error} If the cell has one.
   */
  async append(cell: Cell, result: CellResult): Promise<void> {
    const path = `${this.path}/${RESULTS}`;
    await withLock(`${path}.lock`, () => {}, async () => {
      const results = await this.results();
      if (resultOf(cell, results)) throw new Error(`${path} has ${describeCell(cell)} already`);
      const lines = [...results, result].map((each) => JSON.stringify(each) + "\n");
      await writeAtomically(path, lines.join(""));
    });
  }

  #cellPath({ method, seed }: Cell): string {
    return `${this.path}/${method.name}/seed${seed}`;
  }
}

/** The result of a cell, if it is done. */
export function resultOf(cell: Cell, results: readonly CellResult[]): CellResult | undefined {
  return results.find(({ method, seed }) => method === cell.method.name && seed === cell.seed);
}

/** Each cell has its own seed; what a scenario is called does not change it. */
const IGNORED = ["settings.seed", "settings.description"];

/** Where two JSON values differ, such as "training.epochs 2, not 4"; undefined if they do not. */
function firstDifference(there: unknown, here: unknown, path: string): string | undefined {
  if (IGNORED.includes(path)) return;
  if (!isComposite(there) || !isComposite(here)) {
    if (JSON.stringify(there) === JSON.stringify(here)) return;
    const [old, now] = [there, here].map((value) => JSON.stringify(value) ?? "left out");
    return `${path} ${old}, not ${now}`;
  }
  for (const key of new Set([...Object.keys(there), ...Object.keys(here)])) {
    const inner = Array.isArray(there) ? `${path}[${key}]` : `${path}.${key}`;
    const difference = firstDifference(there[key], here[key], inner);
    if (difference) return difference;
  }
}

function isComposite(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null;
}

async function exists(path: string): Promise<boolean> {
  return await Deno.stat(path).then(() => true, () => false);
}
