import { formatSeconds } from "../format.ts";
import { drawBar, type Whole } from "../progress.ts";

/** A run that is under way, and how far the grid has come. */
export interface Place {
  /** Such as "packnet, seed 2". */
  label: string;
  cellsDone: number;
  /** Work of the cells and runs that are finished, whoever did it, and of this run; in any unit. */
  done: number;
  work: number;
}

/** How the grid of an experiment goes on: a bar above that of the run. */
export class GridProgress implements Whole {
  #place: Place = { label: "", cellsDone: 0, done: 0, work: 0 };
  /** When the first run began. */
  #start: number | undefined;
  /** Work done before that, and parts of runs that are gone on with. */
  #given = 0;

  /**
   * @param cells How many there are.
   * @param total Work of all of them.
   * @param now Seconds on any clock.
   */
  constructor(
    readonly cells: number,
    readonly total: number,
    readonly now: () => number = () => performance.now() / 1000,
  ) {}

  /** A run is next. */
  enter(place: Place): void {
    this.#place = place;
    if (this.#start === undefined) {
      this.#start = this.now();
      this.#given = place.done;
    }
  }

  begin(part: number): void {
    this.#given += part * this.#place.work;
  }

  get label(): string {
    const { label, cellsDone } = this.#place;
    return `${label} (${cellsDone} of ${this.cells} done)`;
  }

  bar(part: number, columns: number): string {
    const { label, cellsDone, done, work } = this.#place;
    const reached = done + part * work;
    const figures = [`${cellsDone} of ${this.cells} done`, label];
    const rate = (reached - this.#given) / (this.now() - this.#start!);
    if (rate > 0 && rate < Infinity) {
      figures.push(`${formatSeconds((this.total - reached) / rate)} left`);
      figures.push(`${formatSeconds(this.total / this.cells / rate)} a cell`);
    }
    return drawBar(reached / this.total, figures, columns);
  }
}
