import {
  type Axis,
  type Marker,
  renderChart,
  renderMarker,
  renderStroke,
  type Series,
} from "../report/chart.ts";
import { type Html, markup } from "../report/html.ts";
import type { NetworkKey } from "./findings.ts";
import { meanOf, summarize } from "./statistics.ts";
import type { Subject } from "./subject.ts";
import { methodLabel, networkLabel } from "./wording.ts";

/** Whose numbers. */
type Side = "ours" | "paper";

/** Where a network stands along an axis. */
interface Place {
  value: number;
  /** Standard deviation. */
  spread?: number;
}

interface Plot {
  x: PlotAxis;
  y: PlotAxis;
}

interface PlotAxis extends Axis {
  /** Undefined where there is no number. */
  place: (key: NetworkKey, side: Side) => Place | undefined;
}

interface Point {
  key: NetworkKey;
  x: Place;
  y: Place;
}

/** A method's networks, from the smallest up. */
interface Line {
  method: string;
  side: Side;
  points: Point[];
}

interface Look {
  color: string;
  marker: Marker;
}

const LOOKS: Record<string, Look> = {
  dvn: { color: "var(--task-0)", marker: "circle" },
  nestednet: { color: "var(--task-1)", marker: "square" },
  "nestednet-per-task": { color: "var(--task-3)", marker: "triangle" },
  packnet: { color: "var(--task-2)", marker: "diamond" },
  lwf: { color: "var(--task-2)", marker: "diamond" },
  baseline: { color: "var(--task-5)", marker: "cross" },
  "baseline-narrow": { color: "var(--task-4)", marker: "cross" },
  "feature-extraction": { color: "var(--task-3)", marker: "triangle" },
  "da-cnn": { color: "var(--task-4)", marker: "cross" },
};
const OTHER: Look = { color: "var(--task-5)", marker: "square" };

const DASHED = "5 4";

/**
 * Accuracy against density for each task; or, where two tasks come one after another, that of one against
 * that of the other. Ours and the paper's are in one chart where the scale is the paper's, else side by
 * side, on axes of their own.
 */
export function accuracyCharts(subject: Subject): Html {
  const { results, published, settings, tasks } = subject;
  const sides: Side[] = [
    ...results ? ["ours" as const] : [],
    ...published ? ["paper" as const] : [],
  ];
  const charts = results?.scale === "paper" ? [sides] : sides.map((side) => [side]);
  const plots = settings.sequential && tasks.length === 2
    ? [{ x: accuracyAxis(subject, 0), y: accuracyAxis(subject, 1) }]
    : tasks.map((_, task) => accuracyAgainstDensity(subject, task));
  const figures = plots.flatMap((plot) => charts.map((shown) => renderPlot(subject, plot, shown)));
  return markup`<div class="charts pairs">
${figures}</div>
`;
}

function accuracyAgainstDensity(subject: Subject, task: number): Plot {
  return {
    x: {
      label: "Trunk weights in use, %",
      include: [0, 100],
      limits: [0, 100],
      format: (value) => String(Math.round(value)),
      place: (key, side) => densityOf(subject, key, task, side),
    },
    y: accuracyAxis(subject, task),
  };
}

function accuracyAxis(subject: Subject, task: number): PlotAxis {
  return {
    label: `Accuracy of ${subject.tasks[task]}, %`,
    limits: [0, 100],
    format: (value) => String(Number(value.toFixed(2))),
    place: (key, side) => accuracyOf(subject, key, task, side),
  };
}

function accuracyOf(
  { results, paper }: Subject,
  key: NetworkKey,
  task: number,
  side: Side,
): Place | undefined {
  const findings = side === "ours" ? results : paper;
  const summary = findings && summarize(findings.accuracy(key, task).values());
  return summary && { value: summary.mean, spread: summary.spread };
}

/** Percent. */
function densityOf(
  subject: Subject,
  key: NetworkKey,
  task: number,
  side: Side,
): Place | undefined {
  if (side === "paper") {
    const density = subject.inPaper(key)?.density;
    const ofTask = typeof density === "object" ? density[task] : density;
    return ofTask === undefined ? undefined : { value: 100 * ofTask };
  }
  const { results } = subject;
  const found = results?.find(key, task) ?? [];
  if (found.length === 0) return undefined;
  return { value: 100 * meanOf(found.map((each) => results!.share(each))) };
}

function renderPlot(subject: Subject, plot: Plot, sides: readonly Side[]): Html {
  // Ours come last, and so on top.
  const lines = sides.toReversed().flatMap((side) => linesOf(subject, plot, side));
  const together = sides.length > 1;
  const title = together
    ? plot.y.label
    : `${plot.y.label}: ${sides[0] === "ours" ? "ours" : "the paper's"}`;
  const said = lines.flatMap((line) => line.points.map((point) => describe(line, point)));
  const points = lines.flatMap((line) => line.points);
  const axis = (of: "x" | "y"): Axis => ({
    ...plot[of],
    include: [...plot[of].include ?? [], ...points.flatMap((point) => reach(point[of]))],
  });
  const chart = renderChart({
    description: `${title}. Across: ${plot.x.label}. ${said.join("; ")}.`,
    x: axis("x"),
    y: axis("y"),
    series: lines.flatMap((line) => [...errorBars(line), seriesOf(line, together)]),
  });
  return markup`<figure>
<h4>${title}</h4>${chart}<ul class="legend">${
    legend(subject, lines, sides).map(([key, text]) => markup`<li>${key}${text}</li>`)
  }</ul>
</figure>
`;
}

function linesOf(subject: Subject, { x, y }: Plot, side: Side): Line[] {
  const byMethod = Map.groupBy(subject.networks, ({ method }) => method);
  return [...byMethod].flatMap(([method, keys]) => {
    const points = keys.flatMap((key) => {
      const place = { x: x.place(key, side), y: y.place(key, side) };
      return place.x && place.y ? [{ key, x: place.x, y: place.y }] : [];
    });
    return points.length > 0 ? [{ method, side, points }] : [];
  });
}

function legend(subject: Subject, lines: readonly Line[], sides: readonly Side[]) {
  const shown = new Set(lines.map(({ method }) => method));
  const methods = new Set(subject.networks.map(({ method }) => method)).intersection(shown);
  const keys = [...methods].map((method): [Html, string] => {
    const { marker, color } = lookOf(method);
    return [renderMarker(marker, color), methodLabel(method)];
  });
  if (sides.length < 2) return keys;
  return [
    ...keys,
    [renderStroke("currentColor", undefined), "ours"] as const,
    [renderStroke("currentColor", DASHED), "paper"] as const,
  ];
}

/** @param together Whether the paper's are to be told apart from ours. */
function seriesOf(line: Line, together: boolean): Series {
  const { marker, color } = lookOf(line.method);
  const isPaper = line.side === "paper";
  return {
    name: `${methodLabel(line.method)}, ${line.side}`,
    color: isPaper && together ? `color-mix(in oklab, ${color} 55%, var(--page))` : color,
    dash: isPaper ? DASHED : undefined,
    marker,
    points: line.points.map((point) => ({
      x: point.x.value,
      y: point.y.value,
      title: describe(line, point),
    })),
  };
}

/** One standard deviation each way. */
function errorBars(line: Line): Series[] {
  const { color } = lookOf(line.method);
  return line.points.flatMap((point) => {
    const { x, y } = point;
    const [left, right] = reach(x);
    const [low, high] = reach(y);
    const bars = [
      [{ x: left, y: y.value }, { x: right, y: y.value }],
      [{ x: x.value, y: low }, { x: x.value, y: high }],
    ];
    return bars.filter(([from, to]) => from!.x !== to!.x || from!.y !== to!.y)
      .map((points) => ({ name: describe(line, point), color, points }));
  });
}

function reach({ value, spread = 0 }: Place): [number, number] {
  return [value - spread, value + spread];
}

function describe({ side }: Line, { key, x, y }: Point): string {
  const words = ({ value, spread }: Place) =>
    value.toFixed(1) + (spread === undefined ? "" : ` ± ${spread.toFixed(1)}`);
  return `${networkLabel(key)}, ${side}: ${words(y)} % at ${words(x)} %`;
}

function lookOf(method: string): Look {
  return LOOKS[method] ?? OTHER;
}
