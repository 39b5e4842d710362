import { formatSeconds } from "../cli/format.ts";
import { drawBar, STDERR } from "../cli/progress.ts";

/** Shows what is being measured and the time left: a bar that is redrawn, or a line for each part. */
export class Progress {
  /** Guessed seconds of all parts. */
  total = 0;
  readonly #start = performance.now();
  #label = "";
  /** Guessed seconds of the parts before this one, of this one, and of what is done of it. */
  #before = 0;
  #current = 0;
  #done = 0;

  /** The next part begins, of so many guessed seconds. */
  begin(label: string, guess: number): void {
    this.#before += this.#current;
    this.#current = guess;
    this.#done = 0;
    this.#label = label;
    if (STDERR.columns() === undefined) STDERR.write(`${this.#figures().join("  ")}\n`);
    this.advance(0);
  }

  /** Some of the part's guessed seconds are done. */
  advance(seconds: number): void {
    this.#done = Math.min(this.#current, this.#done + seconds);
    const columns = STDERR.columns();
    if (columns === undefined) return;
    STDERR.write(`\r${drawBar(this.#part, this.#figures(), columns)}\x1b[K`);
  }

  clear(): void {
    if (STDERR.columns() !== undefined) STDERR.write("\r\x1b[K");
  }

  get #part(): number {
    return (this.#before + this.#done) / this.total;
  }

  #figures(): string[] {
    const elapsed = (performance.now() - this.#start) / 1000;
    const part = this.#part;
    if (part === 0) return [this.#label];
    return [this.#label, `about ${formatSeconds(elapsed * (1 - part) / part)} left`];
  }
}
