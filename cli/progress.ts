import type { TrainEvent } from "../dvn/events.ts";
import { formatCount, formatPercent, formatSeconds } from "./format.ts";

/** The bar takes the room that the figures leave, within these widths. */
const BAR_WIDTH = { least: 8, most: 30 };
/** Without a terminal: a line at most this often, and one at each tenth of the run. */
export const SECONDS_BETWEEN_LINES = 30;

/** Where the progress is shown: stderr, so that stdout holds results only. */
export interface ProgressOutput {
  write(text: string): void;
  /** Columns of the terminal; undefined if there is none, as in a pipe or a CI log. */
  columns(): number | undefined;
}

export const STDERR: ProgressOutput = {
  write: (text) => {
    const bytes = new TextEncoder().encode(text);
    for (let done = 0; done < bytes.length;) {
      done += Deno.stderr.writeSync(bytes.subarray(done));
    }
  },
  columns: () => {
    if (!Deno.stderr.isTerminal()) return undefined;
    try {
      return Deno.consoleSize().columns || 80;
    } catch {
      return 80; // a terminal that does not tell
    }
  },
};

/** What a run is a part of, such as an experiment. */
export interface Whole {
  /** The run starts with this part of it done, from 0 to 1. */
  begin(part: number): void;
  /** A line above the run's, in less than `columns`. */
  bar(part: number, columns: number): string;
  /** Which run it is: stands before its lines where there is no terminal. */
  readonly label: string;
}

/** Shows how a run goes on: one line that is redrawn, or sparse lines where there is no terminal. */
export class Progress {
  readonly #output: ProgressOutput;
  readonly #whole: Whole | undefined;
  #steps = 0;
  #epochs = 0;
  /** From 0 to 1, of the run. */
  #part = 0;
  #phase: string | undefined;
  #evaluated: string | undefined;
  #drawn = false;
  #lastLine = { seconds: -Infinity, tenth: 0 };

  constructor(output: ProgressOutput = STDERR, whole?: Whole) {
    this.#output = output;
    this.#whole = whole;
    if (whole) this.#lastLine.seconds = 0; // of many runs, the short ones need no lines
  }

  /** What is being waited for, before the first step and after the last. */
  status(text: string) {
    const columns = this.#output.columns();
    if (columns !== undefined) this.#draw(text.slice(0, columns - 1), columns);
  }

  show(event: TrainEvent) {
    if (event.type === "start") {
      this.#steps = event.steps;
      this.#epochs = event.epochs;
      this.#part = event.firstStep / event.steps;
      this.#lastLine.tenth = Math.floor(10 * this.#part);
      this.#whole?.begin(this.#part);
    } else if (event.type === "phase") {
      const { name, index, count } = event;
      this.#phase = count > 1 ? `phase ${index}/${count}: ${name}` : undefined;
    } else if (event.type === "evaluation") {
      const { images, networks } = event;
      const accuracy = networks.reduce((sum, { accuracy }) => sum + accuracy, 0) / networks.length;
      this.#evaluated = `${images} ${formatPercent(accuracy)}`;
    } else if (event.type === "step") {
      this.#part = event.step / this.#steps;
      const columns = this.#output.columns();
      if (columns !== undefined) {
        this.#draw(drawBar(this.#part, this.#figures(event), columns), columns);
      } else if (this.#isTimeForLine(event)) this.#line(event);
    }
  }

  /** Clears what was drawn, so that other text can be printed. */
  clear() {
    if (!this.#drawn) return;
    this.#output.write("\r\x1b[K" + (this.#whole ? "\x1b[A\x1b[K" : ""));
    this.#drawn = false;
  }

  /** Another has cleared the line and written in its place: the next one is drawn below. */
  moveOn() {
    this.#drawn = false;
  }

  #isTimeForLine({ step, seconds }: { step: number; seconds: number }) {
    const tenth = Math.floor(10 * step / this.#steps);
    return tenth > this.#lastLine.tenth && !this.#whole ||
      seconds - this.#lastLine.seconds >= SECONDS_BETWEEN_LINES;
  }

  #line(event: Extract<TrainEvent, { type: "step" }>) {
    const { step, seconds } = event;
    this.#lastLine = { seconds, tenth: Math.floor(10 * step / this.#steps) };
    const label = this.#whole ? `${this.#whole.label}: ` : "";
    const counts = `${label}step ${formatCount(step)}/${formatCount(this.#steps)}`;
    this.#output.write([counts, ...this.#figures(event)].join("  ") + "\n");
  }

  /** The most wanted first. */
  #figures(event: Extract<TrainEvent, { type: "step" }>): string[] {
    const figures = [
      `loss ${event.loss.toFixed(3)}`,
      `accuracy ${formatPercent(event.accuracy)}`,
      `${formatCount(event.imagesPerSecond)} images/s`,
      `${formatSeconds(event.secondsLeft)} left`,
      `epoch ${event.epoch}/${this.#epochs}`,
    ];
    if (this.#evaluated) figures.push(this.#evaluated);
    if (this.#phase) figures.push(this.#phase);
    return figures;
  }

  #draw(line: string, columns: number) {
    const above = this.#whole ? `${this.#whole.bar(this.#part, columns)}\x1b[K\n` : "";
    const up = this.#whole && this.#drawn ? "\x1b[A" : "";
    this.#output.write(`${up}\r${above}${line}\x1b[K`);
    this.#drawn = true;
  }
}

/**
 * A bar, its percentage and figures, in less than `columns`.
 *
 * @param part From 0 to 1.
 * @param figures The most wanted first: those that do not fit are left out.
 */
export function drawBar(
  part: number,
  figures: readonly string[],
  columns: number,
): string {
  let text = ` ${Math.floor(100 * part)} %`;
  for (const figure of figures) {
    const longer = `${text}  ${figure}`;
    if (BAR_WIDTH.least + longer.length >= columns) break;
    text = longer;
  }
  const width = Math.max(
    0,
    Math.min(BAR_WIDTH.most, columns - 1 - text.length),
  );
  const full = Math.floor(part * width);
  return "━".repeat(full) + "╌".repeat(width - full) + text;
}
