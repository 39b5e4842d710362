import { formatSeconds } from "./format.ts";
import { drawBar, type ProgressOutput, SECONDS_BETWEEN_LINES, STDERR } from "./progress.ts";

/** A terminal shows no more. */
const SECONDS_BETWEEN_DRAWINGS = 0.1;
/** Even where work takes less than ten. */
const LEAST_SECONDS_BETWEEN_LINES = 1;

/**
 * Shows how work of a known amount goes on, such as a download: a bar that is redrawn, or sparse lines
 * where there is no terminal, with rate and time left.
 */
export class WorkProgress {
  #first: { done: number; seconds: number } | undefined;
  #done = 0;
  #lastShown = -Infinity;
  #lastTenth = 0;
  #drawn = false;

  /**
   * @param total What `done` becomes.
   * @param format An amount for people, such as "12.3 MB".
   * @param now Seconds on any clock.
   */
  constructor(
    readonly total: number,
    readonly format: (amount: number) => string,
    readonly output: ProgressOutput = STDERR,
    readonly now: () => number = () => performance.now() / 1000,
  ) {}

  /** @param done If less than before, the work has been begun anew. */
  show(done: number) {
    const seconds = this.now();
    const isFirst = !this.#first || done < this.#done;
    if (!isFirst && seconds - this.#lastShown < SECONDS_BETWEEN_DRAWINGS) {
      return;
    }
    const tenth = Math.floor(10 * done / this.total);
    if (isFirst) {
      this.#first = { done, seconds };
      this.#lastTenth = tenth;
      this.#lastShown = seconds;
    }
    this.#done = done;
    const columns = this.output.columns();
    if (columns !== undefined) {
      const bar = drawBar(done / this.total, this.#figures(), columns);
      this.output.write(`\r${bar}\x1b[K`);
      this.#drawn = true;
    } else {
      const pause = seconds - this.#lastShown;
      const isDue = pause >= SECONDS_BETWEEN_LINES ||
        tenth > this.#lastTenth && pause >= LEAST_SECONDS_BETWEEN_LINES;
      if (!isDue) return;
      this.#lastTenth = tenth;
      const percent = `${Math.floor(100 * done / this.total)} %`;
      this.output.write([percent, ...this.#figures()].join("  ") + "\n");
    }
    this.#lastShown = seconds;
  }

  /** Clears the bar, so that other text can be printed. */
  clear() {
    if (this.#drawn) this.output.write("\r\x1b[K");
    this.#drawn = false;
  }

  #figures(): string[] {
    const amount = `${this.format(this.#done)} of ${this.format(this.total)}`;
    const rate = (this.#done - this.#first!.done) /
      (this.now() - this.#first!.seconds);
    if (!(rate > 0 && rate < Infinity)) return [amount];
    const left = formatSeconds((this.total - this.#done) / rate);
    return [amount, `${this.format(rate)}/s`, `${left} left`];
  }
}
