import type { Scenario } from "../../dvn/scenario.ts";
import type { ResultRow, TaskSummary } from "../run_record.ts";

/** One line of an experiment's `results.jsonl`: a method trained with a seed. */
export interface CellResult {
  /** What was asked for: the name of the paper's scenario, such as "J1", or of the file's. */
  scenario: string;
  /** "paper" or a smaller one, such as "ci"; "own" for a file. */
  scale: string;
  method: string;
  seed: number;
  /** What was asked for, before the method changed it: each choice that the paper leaves open, and all sizes. */
  settings: Scenario;
  /** ISO 8601, of the end. */
  time: string;
  /** Of training, all runs of the cell together, evaluation included. */
  seconds: number;
  /** In one line. */
  adapter: string;
  tasks: CellTask[];
  /** Every network of every run of the cell. */
  networks: CellNetwork[];
  /** GPU memory held while training, bytes; the most of the runs. */
  bytesHeld: number;
}

/** A task's images, with the number of its classes in place of their names. */
export type CellTask = Omit<TaskSummary, "classes"> & { classes: number };

/** A row of a run's final table. */
export interface CellNetwork extends ResultRow {
  /** Name of the run: a task's, or "all". */
  run: string;
}
