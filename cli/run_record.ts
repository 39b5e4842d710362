import type { NetworkCost } from "../dvn/costs.ts";
import type { NetworkScore, TrainEvent } from "../dvn/events.ts";

type Event<Type extends TrainEvent["type"]> = Extract<
  TrainEvent,
  { type: Type }
>;

/** One task as it was trained: what the scenario alone does not tell. */
export interface TaskSummary {
  name: string;
  dataset: string;
  classes: readonly string[];
  height: number;
  width: number;
  channels: number;
  trainImages: number;
  testImages: number;
}

/** One row of the final table. */
export interface ResultRow extends NetworkCost {
  /** On the test images, in [0, 1]. */
  accuracy: number;
  /** Mean cross-entropy on the test images, nats. */
  loss: number;
  /** Time of one image in a batch of `batch`, milliseconds. */
  msPerImage: number;
  timeSource: "timestamp-query" | "wall clock";
  batch: number;
  /** Time of the task's top level over that of this one. */
  speedUp: number;
}

/** One line of `results.jsonl`. */
export type RunLine =
  | (Event<"start"> & {
    /** Heads the report. */
    title: string;
    /** ISO 8601. */
    time: string;
    tasks: TaskSummary[];
  })
  /** The run went on from its checkpoint after `step` steps. */
  | { type: "resume"; step: number; time: string; adapter: string }
  | Event<"phase">
  | Event<"step">
  | Event<"evaluation">
  | (ResultRow & { type: "result"; step: number })
  | (Event<"end"> & { time: string });

/** The lines of a run, sorted by kind, each in order of time. */
export interface RunRecord {
  start: Extract<RunLine, { type: "start" }>;
  resumes: Extract<RunLine, { type: "resume" }>[];
  phases: Event<"phase">[];
  steps: Event<"step">[];
  evaluations: Event<"evaluation">[];
  results: ResultRow[];
  end?: Extract<RunLine, { type: "end" }>;
}

/** @throws {Error} If no line is the start of a run. */
export function sortLines(lines: readonly RunLine[]): RunRecord {
  const start = lines.find((line) => line.type === "start");
  if (!start) throw new Error('the record has no line of type "start"');
  return {
    start,
    resumes: lines.filter((line) => line.type === "resume"),
    phases: lines.filter((line) => line.type === "phase"),
    steps: lines.filter((line) => line.type === "step"),
    evaluations: lines.filter((line) => line.type === "evaluation"),
    results: lines.filter((line) => line.type === "result")
      .map(({ type: _type, step: _step, ...row }) => row),
    end: lines.findLast((line) => line.type === "end"),
  };
}

/** Whether the run has done all its steps and has its table. */
export function isComplete({ end }: RunRecord): boolean {
  return end?.interrupted === false; // the table is written before it
}

/** What a network last scored on the test images; undefined as long as it was not tested. */
export function testScore(
  { evaluations }: RunRecord,
  task: string,
  level: number,
): NetworkScore | undefined {
  return evaluations
    .filter(isTest)
    .flatMap(({ networks }) => networks)
    .findLast((network) => network.task === task && network.level === level);
}

export function isTest({ images }: Event<"evaluation">): boolean {
  return images === "test";
}

/** GPU memory held while training, bytes: the most of the phases. */
export function bytesHeld({ start, phases }: RunRecord): number {
  return Math.max(start.bytesHeld, ...phases.map((phase) => phase.bytesHeld));
}

/** The lines that a run resumed after `step` steps keeps: it writes the later ones again. */
export function linesUpTo(
  step: number,
  lines: readonly RunLine[],
): RunLine[] {
  return lines.filter((line) =>
    line.type === "start" ||
    line.type !== "end" && line.type !== "result" && line.step <= step
  );
}
