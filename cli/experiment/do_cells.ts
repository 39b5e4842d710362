import type { CellResult } from "./cell.ts";
import { type ExperimentFolder, resultOf } from "./experiment_folder.ts";
import type { Cell } from "./grid.ts";

/** How an experiment ended. */
export interface Outcome {
  /** Cells that other processes are still at. */
  elsewhere: Cell[];
  interrupted: boolean;
}

/**
 * Does the cells that are neither done nor being done by another process. Those that another has given
 * up by the time this one has finished a cell are taken over.
 *
 * @param work Is told which cells are done; returns undefined if it was interrupted.
 * @param onDone Told of each cell done here, and how many of the cells are done by now.
 */
export async function doCells(
  cells: readonly Cell[],
  folder: ExperimentFolder,
  work: (cell: Cell, done: Cell[]) => Promise<CellResult | undefined>,
  onDone: (result: CellResult, done: number) => void,
): Promise<Outcome> {
  const findDone = async () => {
    const results = await folder.results();
    return cells.filter((cell) => resultOf(cell, results));
  };
  while (true) {
    const elsewhere: Cell[] = [];
    let worked = false;
    for (const cell of cells) {
      const claim = await folder.claim(cell, async () => {
        const done = await findDone(); // only now: another may have just done it
        if (done.includes(cell)) return { interrupted: false };
        worked = true;
        const result = await work(cell, done);
        if (!result) return { interrupted: true };
        await folder.append(cell, result);
        onDone(result, (await findDone()).length);
        return { interrupted: false };
      });
      if (!claim) elsewhere.push(cell);
      else if (claim.result.interrupted) return { elsewhere, interrupted: true };
    }
    if (!worked || elsewhere.length === 0) return { elsewhere, interrupted: false };
  }
}
