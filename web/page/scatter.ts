import type { NetworkCost, NetworkScore } from "../../mod.ts";
import { svg } from "./dom.ts";
import { formatBytes, formatPercent } from "./format.ts";
import { niceRange, niceStep, round } from "./line_chart.ts";

const HEIGHT = 270;
const MARGIN = { left: 46, right: 62, top: 12, bottom: 40 };

/** Shapes tell the tasks apart without colour. */
const SHAPES = [
  "M-5 0a5 5 0 1 0 10 0a5 5 0 1 0 -10 0z",
  "M-4.5 -4.5h9v9h-9z",
  "M0 -6l5.6 10h-11.2z",
  "M0 -6l6 6l-6 6l-6 -6z",
];

export interface ScatterPoint {
  cost: NetworkCost;
  score: NetworkScore;
}

/**
 * Accuracy against memory: a point for each network, those of a task joined. Each point can be reached
 * by pointer and keyboard and says what it is.
 *
 * @param isChosen Which network is looked at.
 * @param onPoint Told of the point under pointer or focus, or of none.
 * @param onPick Told of the point that was clicked or entered.
 */
export function drawScatter(
  container: HTMLElement,
  tasks: readonly string[],
  points: readonly ScatterPoint[],
  isChosen: (cost: NetworkCost) => boolean,
  onPoint: (point: ScatterPoint | undefined) => void,
  onPick: (point: ScatterPoint) => void,
): void {
  const width = container.clientWidth || 320;
  const picture = svg("svg", {
    width,
    height: HEIGHT,
    role: "group",
    "aria-label": "Accuracy against memory, a point for each network",
  });
  const bytes = points.map(({ cost }) => cost.bytes);
  const most = Math.max(1, ...bytes) * 1.05;
  const { low, high, ticks } = niceRange(points.map(({ score }) => score.accuracy));
  const top = Math.min(1, high);
  const right = width - MARGIN.right;
  const bottom = HEIGHT - MARGIN.bottom;
  const x = (value: number) => MARGIN.left + value / most * (right - MARGIN.left);
  const y = (value: number) => bottom - (value - low) / (top - low || 1) * (bottom - MARGIN.top);
  for (const tick of ticks.filter((tick) => tick <= top + 1e-9)) {
    const decimals = ticks[1]! - ticks[0]! < 0.0099 ? 1 : 0;
    picture.append(
      svg("path", { class: "grid", d: `M${MARGIN.left} ${round(y(tick))}H${right}` }),
      svg(
        "text",
        { class: "tick end", x: MARGIN.left - 8, y: y(tick), dy: 4 },
        formatPercent(tick, decimals),
      ),
    );
  }
  const stride = niceStep(most / 4);
  for (let tick = 0; tick <= most; tick += stride) {
    picture.append(
      svg("text", { class: "tick middle", x: x(tick), y: bottom + 18 }, formatBytes(tick)),
    );
  }
  picture.append(
    svg(
      "text",
      { class: "tick middle", x: (MARGIN.left + right) / 2, y: HEIGHT - 4 },
      "parameters, in bytes",
    ),
  );
  tasks.forEach((task, index) => {
    const own = points.filter(({ cost }) => cost.task === task);
    const group = svg("g", { class: `task-${index % 6}` });
    group.append(svg("path", {
      class: "line thin",
      d: own.map(({ cost, score }, i) =>
        `${i ? "L" : "M"}${round(x(cost.bytes))} ${round(y(score.accuracy))}`
      ).join(""),
    }));
    for (const point of own) {
      const { cost, score } = point;
      const marker = svg("path", {
        class: `mark pick${isChosen(cost) ? " chosen" : ""}`,
        d: SHAPES[index % SHAPES.length]!,
        transform: `translate(${round(x(cost.bytes))} ${round(y(score.accuracy))})`,
        tabindex: 0,
        role: "button",
        "aria-label": describePoint(point),
        "data-network": `${cost.task} ${cost.level}`,
      });
      for (const enter of ["pointerenter", "focus"]) {
        marker.addEventListener(enter, () => onPoint(point));
      }
      for (const leave of ["pointerleave", "blur"]) {
        marker.addEventListener(leave, () => onPoint(undefined));
      }
      marker.addEventListener("click", () => onPick(point));
      marker.addEventListener("keydown", (event) => {
        if (event.key !== "Enter" && event.key !== " ") return;
        event.preventDefault();
        onPick(point);
      });
      group.append(marker);
    }
    picture.append(group);
  });
  // Names stand beside the last points, moved apart where they would touch.
  let above = -Infinity;
  const ends = tasks.flatMap((task, index) => {
    const last = points.findLast(({ cost }) => cost.task === task);
    return last ? [{ task, index, last, height: y(last.score.accuracy) + 4 }] : [];
  }).sort((a, b) => a.height - b.height);
  for (const { task, index, last, height } of ends) {
    above = Math.max(height, above + 14);
    const place = { x: round(x(last.cost.bytes)) + 11, y: round(above) };
    picture.append(
      svg("g", { class: `task-${index % 6}` }, svg("text", { class: "strong", ...place }, task)),
    );
  }
  const focused = container.querySelector<SVGElement>(":focus")?.dataset.network;
  container.replaceChildren(picture);
  if (focused === undefined) return;
  // The same point again, so that the Tab key goes on from there.
  const markers = [...picture.querySelectorAll<SVGElement>("[data-network]")];
  markers.find(({ dataset }) => dataset.network === focused)?.focus({ preventScroll: true });
}

export function describePoint({ cost, score }: ScatterPoint): string {
  return `${cost.task}, level ${cost.level}: ${formatPercent(score.accuracy)} with ${
    formatBytes(cost.bytes)
  }`;
}
