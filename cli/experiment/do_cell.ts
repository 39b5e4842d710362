import { basename, dirname } from "node:path";
import type { Run, Scenario } from "../../mod.ts";
import { methodRuns } from "../method_choice.ts";
import { RunFolder } from "../run_folder.ts";
import { bytesHeld, isComplete, type RunLine, type RunRecord, sortLines } from "../run_record.ts";
import type { EarlierPart } from "../train_run.ts";
import type { CellResult } from "./cell.ts";
import type { ExperimentAbout, ExperimentFolder } from "./experiment_folder.ts";
import type { Cell } from "./grid.ts";

/** One of a cell's runs, to be begun or to be gone on with. */
export interface RunOfCell {
  cell: Cell;
  run: Run;
  /** Its place among the cell's runs, from 0. */
  index: number;
  folder: RunFolder;
  earlier?: EarlierPart;
}

/**
 * Does what is left of a cell's runs, one after another.
 *
 * @param trainOne Trains a run to its end, or as far as it gets until it is interrupted.
 * @returns Undefined if it was interrupted.
 */
export async function doCell(
  cell: Cell,
  about: ExperimentAbout,
  experiment: ExperimentFolder,
  trainOne: (run: RunOfCell) => Promise<RunRecord>,
): Promise<CellResult | undefined> {
  const settings = { ...about.settings, seed: cell.seed };
  const runs = methodRuns(cell.method, settings);
  const records: RunRecord[] = [];
  for (const [index, run] of runs.entries()) {
    const { folder, lines } = await openRun(experiment.runPath(cell, run.name), settings);
    let record = lines && sortLines(lines);
    if (!record || !isComplete(record)) {
      const earlier = lines && { lines, checkpoint: await folder.readCheckpoint() };
      record = await trainOne({ cell, run, index, folder, earlier });
    }
    if (!isComplete(record)) return undefined;
    records.push(record);
  }
  const last = records.at(-1)!;
  return {
    scenario: about.scenario,
    scale: about.scale,
    method: cell.method.name,
    seed: cell.seed,
    settings,
    time: last.end!.time,
    seconds: records.reduce((sum, { end }) => sum + end!.seconds, 0),
    adapter: last.resumes.at(-1)?.adapter ?? last.start.adapter,
    tasks: about.tasks,
    networks: records.flatMap(({ start, results }) =>
      results.map((row) => ({ run: start.run, ...row }))
    ),
    bytesHeld: Math.max(...records.map(bytesHeld)),
  };
}

/** The run at `path` as far as it has come, with its lines; or a new folder. */
async function openRun(
  path: string,
  settings: Scenario,
): Promise<{ folder: RunFolder; lines?: RunLine[] }> {
  const found = await RunFolder.find(path);
  const lines = await found?.readLines();
  if (found && lines?.[0]?.type === "start") return { folder: found, lines };
  try {
    await Deno.remove(path, { recursive: true }); // stopped before its first checkpoint
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
  const folder = await RunFolder.create(dirname(path), basename(path), true);
  await folder.writeScenario(settings);
  return { folder };
}
