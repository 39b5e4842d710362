import { html, svg } from "./dom.ts";

export interface Line {
  name: string;
  /** Has a colour of its own in the style sheet. */
  className: string;
  points: readonly (readonly [x: number, y: number])[];
  /** Marked points, such as what was tested. */
  marks?: readonly (readonly [x: number, y: number])[];
}

export interface ChartOptions {
  title: string;
  /** Formats a value of the vertical axis. */
  format: (value: number) => string;
  /** The vertical axis covers at least this. */
  range?: readonly [number, number];
  /** What the horizontal axis counts. */
  unit: string;
}

const HEIGHT = 190;
const MARGIN = { left: 46, right: 12, top: 10, bottom: 24 };

/**
 * Lines over steps, drawn at the size they have on the screen. Pointer or arrow keys move a rule along
 * the steps; what it reads is shown. Screen readers take it for a slider: they say that arrow keys move
 * it, let these through, and say what it reads.
 */
export class LineChart {
  readonly element: HTMLElement;
  readonly #plot = html("div", { class: "plot", tabindex: 0, role: "slider", "aria-valuemin": 0 });
  readonly #reading = html("p", { class: "reading" });
  #lines: readonly Line[] = [];
  #end = 1;
  /** Where the rule is. */
  #at: number | undefined;
  #drawn = false;

  constructor(readonly options: ChartOptions) {
    this.element = html(
      "figure",
      { class: "chart" },
      html("figcaption", {}, options.title),
      this.#plot,
      this.#reading,
    );
    new ResizeObserver(() => this.#draw()).observe(this.#plot);
    this.#plot.addEventListener("pointermove", ({ offsetX }) => {
      const width = this.#plot.clientWidth - MARGIN.left - MARGIN.right;
      this.#moveTo((offsetX - MARGIN.left) / width * this.#end);
    });
    this.#plot.addEventListener("pointerleave", () => this.#moveTo(undefined));
    this.#plot.addEventListener("blur", () => this.#moveTo(undefined));
    this.#plot.addEventListener("keydown", (event) => {
      const steps = this.#steps();
      if (steps.length === 0 || !/^(Arrow(Left|Right)|Home|End)$/.test(event.key)) return;
      event.preventDefault();
      const now = this.#at === undefined ? steps.length : steps.indexOf(nearest(steps, this.#at));
      const next = event.key === "Home"
        ? 0
        : event.key === "End"
        ? steps.length - 1
        : now + (event.key === "ArrowLeft" ? -1 : 1);
      this.#moveTo(steps[Math.max(0, Math.min(steps.length - 1, next))]);
    });
    this.show([], 1);
  }

  /** @param end The last step of the axis. */
  show(lines: readonly Line[], end: number): void {
    this.#lines = lines;
    this.#end = Math.max(1, end);
    const last = lines.flatMap(({ name, points }) => {
      const value = points.at(-1)?.[1];
      return value === undefined ? [] : [`${name} ${this.options.format(value)}`];
    });
    const label = `${this.options.title}. ${last.length ? last.join(", ") : "Nothing yet"}.`;
    this.#plot.setAttribute("aria-label", label);
    this.#plot.setAttribute("aria-valuemax", String(this.#end));
    this.#read();
    if (this.#drawn) return;
    // Events may come faster than frames; a hidden tab draws when it is seen again.
    this.#drawn = true;
    requestAnimationFrame(() => {
      this.#drawn = false;
      this.#draw();
    });
  }

  #steps(): number[] {
    const steps = new Set(this.#lines.flatMap(({ points }) => points.map(([x]) => x)));
    return [...steps].sort((a, b) => a - b);
  }

  #moveTo(step: number | undefined): void {
    const steps = this.#steps();
    this.#at = step === undefined || steps.length === 0 ? undefined : nearest(steps, step);
    this.#draw();
    this.#read();
  }

  /** Says what the lines are where the rule is. */
  #read(): void {
    const { format, unit } = this.options;
    const values = this.#lines.flatMap(({ name, points }) => {
      const point = points.find(([x]) => x === this.#at);
      return point ? [`${name} ${format(point[1])}`] : [];
    });
    const reading = this.#at === undefined ? "" : `${unit} ${this.#at}: ${values.join(", ")}`;
    this.#reading.textContent = reading;
    this.#plot.setAttribute("aria-valuenow", String(this.#at ?? 0));
    this.#plot.setAttribute("aria-valuetext", reading || `no ${unit.toLowerCase()} chosen`);
  }

  #draw(): void {
    const width = this.#plot.clientWidth;
    if (width === 0) return;
    const { format, range } = this.options;
    const values = this.#lines.flatMap(({ points, marks }) => {
      return [...points, ...marks ?? []].map(([, y]) => y);
    });
    const { low, high, ticks } = niceRange([...values, ...range ?? []]);
    const right = width - MARGIN.right;
    const bottom = HEIGHT - MARGIN.bottom;
    const x = (step: number) => MARGIN.left + step / this.#end * (right - MARGIN.left);
    const y = (value: number) => bottom - (value - low) / (high - low) * (bottom - MARGIN.top);
    const picture = svg("svg", { width, height: HEIGHT, "aria-hidden": "true" });
    for (const tick of ticks) {
      picture.append(
        svg("path", { class: "grid", d: `M${MARGIN.left} ${round(y(tick))}H${right}` }),
        svg("text", { class: "tick end", x: MARGIN.left - 8, y: y(tick), dy: 4 }, format(tick)),
      );
    }
    const count = Math.max(2, Math.min(8, Math.floor((right - MARGIN.left) / 45)));
    const stride = Math.max(1, niceStep(this.#end / count));
    for (let step = 0; step <= this.#end; step += stride) {
      picture.append(
        svg("text", { class: "tick middle", x: x(step), y: HEIGHT - 6 }, String(step)),
      );
    }
    if (this.#at !== undefined) {
      picture.append(
        svg("path", { class: "rule", d: `M${x(this.#at)} ${MARGIN.top}V${bottom}` }),
      );
    }
    for (const { className, points, marks } of this.#lines) {
      const group = svg("g", { class: className });
      if (points.length === 1) group.append(dot(x(points[0]![0]), y(points[0]![1]), 2));
      const d = points.map(([step, value], i) =>
        `${i ? "L" : "M"}${round(x(step))} ${round(y(value))}`
      ).join("");
      group.append(svg("path", { class: "line", d }));
      for (const [step, value] of marks ?? []) group.append(dot(x(step), y(value), 3.5));
      picture.append(group);
    }
    this.#plot.replaceChildren(picture);
  }
}

function dot(cx: number, cy: number, r: number): SVGCircleElement {
  return svg("circle", { class: "mark", cx: round(cx), cy: round(cy), r });
}

function nearest(sorted: readonly number[], value: number): number {
  return sorted.reduce((best, each) =>
    Math.abs(each - value) < Math.abs(best - value) ? each : best
  );
}

/** 1, 2 or 5 times a power of ten, at least as large. */
export function niceStep(least: number): number {
  const power = 10 ** Math.floor(Math.log10(Math.max(least, 1e-12)));
  return power * [1, 2, 5, 10].find((factor) => factor * power >= least * (1 - 1e-9))!;
}

/** A range that covers the values and ends at ticks, some four of them. */
export function niceRange(
  values: readonly number[],
): { low: number; high: number; ticks: number[] } {
  const finite = values.filter(Number.isFinite);
  let [low, high] = finite.length ? [Math.min(...finite), Math.max(...finite)] : [0, 1];
  if (low === high) [low, high] = [low - 0.5, high + 0.5];
  const step = niceStep((high - low) / 4);
  low = Math.floor(low / step + 1e-9) * step;
  high = Math.ceil(high / step - 1e-9) * step;
  const count = Math.round((high - low) / step);
  return { low, high, ticks: Array.from({ length: count + 1 }, (_, i) => low + i * step) };
}

export function round(value: number): number {
  return Math.round(value * 10) / 10;
}
