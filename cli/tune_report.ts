/** What tuning has found, in words and tables. */
import { type ConvolutionWork, describeChoice, shapeKey, type TunedChoices } from "../tuning.ts";
import { formatCount, formatMilliseconds, formatSeconds } from "./format.ts";
import { drawBar, type ProgressOutput, SECONDS_BETWEEN_LINES, STDERR } from "./progress.ts";
import { alignColumns } from "./table.ts";

/** One row for each shape. */
export function renderChoices(tuned: TunedChoices): string {
  const rows = Object.entries(tuned).map(([key, { choice, milliseconds, standard }]) => {
    const [usual, chosen] = [describeChoice(standard.choice), describeChoice(choice)];
    const time = standard.milliseconds;
    return [
      key,
      usual,
      chosen === usual ? "the same" : chosen,
      time === undefined ? milliseconds ? "cannot run" : "not timed" : formatMilliseconds(time),
      milliseconds ? formatMilliseconds(milliseconds) : "",
      time === undefined ? "" : formatGain(time, milliseconds),
    ];
  });
  return alignColumns([
    ["convolution", "default", "fastest", "default", "fastest", "gain"],
    ...rows,
  ], 3);
}

/**
 * What whole steps and inferences gain, as the sum of their convolutions, each measured alone. What was not
 * measured counts for neither side, and is told.
 */
export function renderGains(
  work: readonly { name: string; work: ConvolutionWork }[],
  tuned: TunedChoices,
): string {
  const rows = work.map(({ name, work: { what, uses } }) => {
    const known = uses.flatMap(({ shape, count }) => {
      const found = tuned[shapeKey(shape)];
      const usual = found?.standard.milliseconds;
      return found && usual !== undefined ? [{ count, usual, best: found.milliseconds }] : [];
    });
    const sum = (of: (use: typeof known[number]) => number) =>
      known.reduce((total, use) => total + use.count * of(use), 0);
    const [usual, best] = [sum(({ usual }) => usual), sum(({ best }) => best)];
    const all = uses.reduce((total, { count }) => total + count, 0);
    return [
      `${name}: ${what}`,
      `${formatCount(sum(() => 1))} of ${formatCount(all)}`,
      ...known.length > 0
        ? [formatMilliseconds(usual), formatMilliseconds(best), formatGain(usual, best)]
        : ["", "", ""],
    ];
  });
  return alignColumns([["convolutions of", "measured", "default", "fastest", "gain"], ...rows], 1);
}

/** 1.5, 1 -> "1.50x". */
function formatGain(before: number, after: number): string {
  return after > 0 ? `${(before / after).toFixed(2)}x` : "";
}

/** How far tuning is: a bar that is redrawn, or sparse lines where there is no terminal. */
export class TuneProgress {
  #drawn = false;
  #lastLine: number;
  readonly #begun: number;

  /**
   * @param total Shapes.
   * @param seconds The most that it may take.
   * @param now Seconds on any clock.
   */
  constructor(
    readonly total: number,
    readonly seconds: number,
    readonly output: ProgressOutput = STDERR,
    readonly now: () => number = () => performance.now() / 1000,
  ) {
    this.#begun = this.#lastLine = now();
  }

  /** @param done Shapes. */
  show(done: number): void {
    const seconds = this.now();
    const taken = seconds - this.#begun;
    const left = Math.min(
      Math.max(0, this.seconds - taken),
      done > 0 ? taken / done * (this.total - done) : Infinity,
    );
    const figures = [`${done} of ${this.total} shapes`, `${formatSeconds(left)} left`];
    const columns = this.output.columns();
    if (columns !== undefined) {
      this.output.write(`\r${drawBar(done / this.total, figures, columns)}\x1b[K`);
      this.#drawn = true;
    } else if (seconds - this.#lastLine >= SECONDS_BETWEEN_LINES) {
      this.#lastLine = seconds;
      this.output.write(figures.join("  ") + "\n");
    }
  }

  /** Clears the bar, so that other text can be printed. */
  clear(): void {
    if (this.#drawn) this.output.write("\r\x1b[K");
    this.#drawn = false;
  }
}
