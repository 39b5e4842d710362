import type { Gpu, Method } from "../../mod.ts";
import type { Dataset } from "../../datasets/image_set.ts";
import { watchInterrupts } from "../interrupt.ts";
import { methodRuns } from "../method_choice.ts";
import { Progress, STDERR } from "../progress.ts";
import type { RunRecord } from "../run_record.ts";
import { createNetwork, describeInterrupt, holdOut, trainRun } from "../train_run.ts";
import type { CellResult } from "./cell.ts";
import { doCell, type RunOfCell } from "./do_cell.ts";
import { doCells, type Outcome } from "./do_cells.ts";
import type { ExperimentAbout, ExperimentFolder } from "./experiment_folder.ts";
import { type Cell, describeCell } from "./grid.ts";
import { GridProgress } from "./grid_progress.ts";
import { trainingWork } from "./work.ts";

/** Epochs between checkpoints. */
const CHECKPOINT_EVERY = 1;

export interface TrainCellsOptions {
  cells: readonly Cell[];
  about: ExperimentAbout;
  /** Of each task. */
  data: Readonly<Record<string, Dataset>>;
  folder: ExperimentFolder;
  gpu: Gpu;
  /** What to type to go on with the experiment if it breaks off. */
  command: string;
  /** Told of each cell done, and of how many are done by now. */
  onDone: (result: CellResult, done: number) => void;
}

/** Trains the cells that are left, on one device, and shows how that goes on. */
export async function trainCells(options: TrainCellsOptions): Promise<Outcome> {
  const { cells, about, data, folder, gpu, command, onDone } = options;
  const work = new Map<Method, number[]>();
  for (const { method } of cells) {
    if (work.has(method)) continue;
    const runs = methodRuns(method, about.settings);
    work.set(method, runs.map((run) => trainingWork(run, data)));
  }
  const workOf = (cells: readonly Cell[]) =>
    cells.flatMap(({ method }) => work.get(method)!).reduce((sum, each) => sum + each, 0);
  const progress = new GridProgress(cells.length, workOf(cells));
  const interrupts = await watchInterrupts();

  const trainOne = async (
    { cell, run, index, folder, earlier }: RunOfCell,
    done: readonly Cell[],
  ): Promise<RunRecord> => {
    const ofRuns = work.get(cell.method)!;
    const label = describeCell(cell) + (ofRuns.length > 1 ? `, ${run.name}` : "");
    progress.enter({
      label,
      cellsDone: done.length,
      done: workOf(done) + ofRuns.slice(0, index).reduce((sum, each) => sum + each, 0),
      work: ofRuns[index]!,
    });
    const shown = new Progress(STDERR, progress);
    const moveOn = () => shown.moveOn(); // there is a message where it was
    interrupts.signal.addEventListener("abort", moveOn);
    const held = holdOut(data, run.scenario);
    const net = await createNetwork(gpu, run, held);
    try {
      const record = await trainRun(net, run, held, folder, {
        title: `${about.settings.name}, ${label}`,
        earlier,
        checkpointEvery: CHECKPOINT_EVERY,
        progress: shown,
        signal: interrupts.signal,
        command,
      });
      if (record.end!.interrupted) console.log(describeInterrupt(record, folder, command));
      return record;
    } finally {
      net.destroy();
      interrupts.signal.removeEventListener("abort", moveOn);
    }
  };

  const outcome = await doCells(
    cells,
    folder,
    (cell, done) => doCell(cell, about, folder, (run) => trainOne(run, done)),
    onDone,
  );
  interrupts.dispose();
  return outcome;
}
