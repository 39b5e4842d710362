import type { TrainEvent } from "../dvn/events.ts";
import type { Progress } from "./progress.ts";
import { renderReport } from "./report.ts";
import type { RunFolder } from "./run_folder.ts";
import {
  linesUpTo,
  type ResultRow,
  type RunLine,
  type RunRecord,
  sortLines,
  type TaskSummary,
} from "./run_record.ts";

/** Writes what a run yields into its folder, and shows it. */
export class RunRecorder {
  readonly #folder: RunFolder;
  readonly #about: { title: string; tasks: TaskSummary[] };
  readonly #progress: Progress;
  /** Whether the folder holds a checkpoint of this run. */
  hasCheckpoint: boolean;
  #lines: RunLine[];
  /** Seconds that earlier parts of a resumed run took. */
  #secondsBefore = 0;

  /**
   * @param about Heads the report; and the images of each task.
   * @param lines What an earlier part of the run has written; none for a new run.
   */
  constructor(
    folder: RunFolder,
    about: { title: string; tasks: TaskSummary[] },
    progress: Progress,
    lines: readonly RunLine[] = [],
  ) {
    this.#folder = folder;
    this.#about = about;
    this.#progress = progress;
    this.#lines = [...lines];
    this.hasCheckpoint = lines.length > 0;
  }

  /** All lines so far, sorted by kind. */
  get record(): RunRecord {
    return sortLines(this.#lines);
  }

  /** Consumes the whole run. Its last line is written by {@linkcode finish}. */
  async follow(
    events: AsyncIterable<TrainEvent>,
    onStart: (record: RunRecord) => void,
  ): Promise<Extract<TrainEvent, { type: "end" }>> {
    for await (const event of events) {
      if (event.type === "start") {
        await this.#begin(event);
        onStart(this.record);
      } else if (event.type === "checkpoint") {
        await this.#folder.writeCheckpoint(event.weights, event.state);
        this.hasCheckpoint = true;
        await this.#writeReport();
      } else if (event.type === "end") {
        return { ...event, seconds: this.#secondsBefore + event.seconds };
      } else if (event.type === "phase") {
        // A resumed run tells again the phase that it is in.
        if (event.index !== this.record.phases.at(-1)?.index) await this.#append(event);
      } else if (event.type !== "epoch") {
        await this.#append({
          ...event,
          seconds: this.#secondsBefore + event.seconds,
        });
        if (event.type === "evaluation") await this.#writeReport();
      }
      this.#progress.show(event);
    }
    throw new Error("the training ended without its end event");
  }

  /** Writes the table, the last line and the report. */
  async finish(
    end: Extract<TrainEvent, { type: "end" }>,
    rows: readonly ResultRow[],
  ): Promise<void> {
    for (const row of rows) {
      await this.#append({ type: "result", step: end.step, ...row });
    }
    await this.#append({ ...end, time: new Date().toISOString() });
    await this.#writeReport();
  }

  async #begin(start: Extract<TrainEvent, { type: "start" }>): Promise<void> {
    const time = new Date().toISOString();
    if (this.#lines.length === 0) {
      await this.#append({ ...start, time, ...this.#about });
      await this.#writeReport();
      return;
    }
    this.#lines = linesUpTo(start.firstStep, this.#lines);
    await this.#folder.replaceLines(this.#lines);
    this.#secondsBefore = this.#lines.reduce(
      (latest, line) => "seconds" in line ? line.seconds : latest,
      0,
    );
    await this.#append({
      type: "resume",
      step: start.firstStep,
      time,
      adapter: start.adapter,
    });
  }

  async #append(line: RunLine): Promise<void> {
    this.#lines.push(line);
    await this.#folder.appendLine(line);
  }

  async #writeReport(): Promise<void> {
    await this.#folder.writeReport(renderReport(this.record));
  }
}
