// @ts-types="@types/d3-scale"
import { scaleLinear, scaleLog } from "d3-scale";
import { type Html, markup } from "./html.ts";

/** Shapes that tell tasks apart without colour. */
export const MARKERS = [
  "circle",
  "square",
  "triangle",
  "diamond",
  "cross",
] as const;
export type Marker = typeof MARKERS[number];

export interface Series {
  /** Read out and shown on hovering. */
  name: string;
  points: { x: number; y: number; title?: string }[];
  /** A CSS colour, for markers and words. */
  color: string;
  /** A CSS colour for the line, if that is another. */
  stroke?: string;
  /** Lengths of strokes and gaps; solid if absent. */
  dash?: string;
  /** Marks each point. */
  marker?: Marker;
  /** Stands to the right of the last point. */
  label?: string;
}

export interface Axis {
  label: string;
  /** Covered in any case, beside the data. */
  include?: number[];
  /** Never passed when the range is rounded. */
  limits?: [number, number];
  /** In equal ratios. */
  log?: boolean;
  /** Only whole numbers get a tick. */
  whole?: boolean;
  format: (value: number) => string;
}

export interface Chart {
  /** What a screen reader says in place of the picture. */
  description: string;
  x: Axis;
  y: Axis;
  series: Series[];
  /** Vertical lines with a word above: where, and the word. */
  guides?: { x: number; label: string }[];
}

const WIDTH = 400;
const HEIGHT = 264;
const LINE = 13; // between labels, in the same units

/** A line chart as SVG. Colours and type come from the page's style sheet. */
export function renderChart(chart: Chart): Html {
  const { series, guides = [] } = chart;
  const ends = series.flatMap(({ label, color, points }) =>
    label && points.length > 0 ? [{ label, color, point: points.at(-1)! }] : []
  );
  const longest = Math.max(0, ...ends.map(({ label }) => label.length));
  const left = 50;
  const right = WIDTH - 18 - (longest > 0 ? 4 + 6.4 * longest : 0);
  const top = guides.length > 0 ? 26 : 10;
  const bottom = HEIGHT - 44;

  const points = series.flatMap((line) => line.points);
  const x = scaleOf(chart.x, points.map((point) => point.x), [left, right]);
  const y = scaleOf(chart.y, points.map((point) => point.y), [bottom, top]);
  const rows = ticksOf(y, chart.y, 6).map((tick) => {
    const height = at(y(tick));
    return markup`<path class="grid" d="M${left} ${height}H${at(right)}"/>
<text class="tick right" x="${left - 8}" y="${height}" dy="4">${chart.y.format(tick)}</text>
`;
  });
  const columns = ticksOf(x, chart.x, (right - left) / 60).map((tick) => {
    const middle = at(x(tick));
    return markup`<path class="axis" d="M${middle} ${bottom}v5"/>
<text class="tick middle" x="${middle}" y="${bottom + 18}">${chart.x.format(tick)}</text>
`;
  });
  let free = 0; // from where on there is room for another guide's word
  const verticals = guides.map((guide) => {
    const middle = x(guide.x);
    const reach = 3.6 * guide.label.length;
    const fits = middle - reach >= free;
    if (fits) free = middle + reach;
    return markup`<path class="guide" d="M${at(middle)} ${top - 6}V${bottom}"/>
<text class="label middle" x="${at(middle)}" y="${top - 12}">${fits ? guide.label : ""}</text>
`;
  });
  const lines = series.map((line) => renderSeries(line, x, y));
  const heights = spread(ends.map(({ point }) => y(point.y)), top, bottom);
  const names = ends.map(({ label, color, point }, i) => {
    const start = at(x(point.x) + 9);
    const height = at(heights[i]!);
    return markup`<text class="end" style="fill:${color}" x="${start}" y="${height}" dy="4">${label}</text>
`;
  });
  const middle = at((left + right) / 2);
  return markup`
<svg class="chart" viewBox="0 0 ${WIDTH} ${HEIGHT}" role="img" aria-label="${chart.description}">
${rows}${columns}<path class="axis" d="M${left} ${bottom}H${at(right)}"/>
<text class="label middle" x="${middle}" y="${HEIGHT - 6}">${chart.x.label}</text>
${verticals}${lines}${names}</svg>
`;
}

function renderSeries(line: Series, x: Scale, y: Scale): Html {
  const path = line.points.map((point, i) =>
    `${i === 0 ? "M" : "L"}${at(x(point.x))} ${at(y(point.y))}`
  ).join("");
  const markers = line.marker && line.points.map((point) => {
    const shape = markerPath(line.marker!, x(point.x), y(point.y));
    const title = point.title ?? line.name;
    return markup`<path class="marker" d="${shape}"><title>${title}</title></path>
`;
  });
  const stroke = strokeStyle(line.stroke ?? line.color, line.dash);
  return markup`<g style="color:${line.color}">
<path class="line" style="${stroke}" d="${path}"><title>${line.name}</title></path>
${markers}</g>
`;
}

/** A marker by itself, for legends. */
export function renderMarker(marker: Marker, color: string): Html {
  const shape = markerPath(marker, 8, 8);
  return markup`<svg class="key" viewBox="0 0 16 16" aria-hidden="true" style="color:${color}">
<path class="marker" d="${shape}"/></svg>`;
}

/** A piece of line by itself, for legends. */
export function renderStroke(color: string, dash: string | undefined): Html {
  const stroke = strokeStyle(color, dash);
  return markup`<svg class="key long" viewBox="0 0 32 16" aria-hidden="true">
<path class="line" style="${stroke}" d="M1 8H31"/></svg>`;
}

function strokeStyle(color: string, dash: string | undefined): string {
  return `stroke:${color}${dash ? `;stroke-dasharray:${dash}` : ""}`;
}

function markerPath(
  marker: Marker,
  x: number,
  y: number,
): string {
  const start = (dx: number, dy: number) => `M${at(x + dx)} ${at(y + dy)}`;
  switch (marker) {
    case "circle":
      return start(-5, 0) + "a5 5 0 1 0 10 0a5 5 0 1 0 -10 0z";
    case "square":
      return start(-4.5, -4.5) + "h9v9h-9z";
    case "triangle":
      return start(0, -6) + "l5.6 10h-11.2z";
    case "diamond":
      return start(0, -6) + "l6 6l-6 6l-6 -6z";
    case "cross":
      return start(-2, -5.5) +
        "h4v3.5h3.5v4h-3.5v3.5h-4v-3.5h-3.5v-4h3.5z";
  }
}

function scaleOf(axis: Axis, values: number[], range: [number, number]) {
  const all = [...values, ...axis.include ?? []].filter((value) =>
    Number.isFinite(value) && (!axis.log || value > 0)
  );
  let [low, high] = all.length > 0 ? [Math.min(...all), Math.max(...all)] : [1, 2];
  if (low === high) {
    [low, high] = axis.log ? [low / 2, low * 2] : [low - 1, high + 1];
  }
  if (axis.log) return scaleLog([low, high], range).clamp(true);
  const scale = scaleLinear([low, high], range);
  if (!axis.whole) {
    const [least, most] = axis.limits ?? [-Infinity, Infinity];
    const nice = scale.nice(6).domain() as [number, number];
    scale.domain([Math.max(least, nice[0]), Math.min(most, nice[1])]);
  }
  return scale.clamp(true);
}

type Scale = ReturnType<typeof scaleOf>;

function ticksOf(
  scale: Scale,
  axis: Axis,
  count: number,
): number[] {
  if (axis.whole) return scale.ticks(count).filter(Number.isInteger);
  if (!axis.log) return scale.ticks(count);
  // 1, 2 and 5 of each decade, or the powers of ten alone where these are many.
  const leading = (tick: number) => Math.round(tick / 10 ** Math.floor(Math.log10(tick) + 1e-9));
  const ticks = scale.ticks();
  const some = ticks.filter((tick) => [1, 2, 5].includes(leading(tick)));
  return some.length <= 8 ? some : ticks.filter((tick) => leading(tick) === 1);
}

/** Moves labels apart that would overlap, as little as it takes, keeping their order. */
function spread(wanted: number[], top: number, bottom: number): number[] {
  const order = wanted.map((_, i) => i).sort((a, b) => wanted[a]! - wanted[b]!);
  const placed = [...wanted];
  for (let i = 1; i < order.length; i++) {
    const floor = placed[order[i - 1]!]! + LINE;
    placed[order[i]!] = Math.max(placed[order[i]!]!, floor);
  }
  let ceiling = bottom;
  for (const i of order.toReversed()) {
    placed[i] = Math.max(top, Math.min(placed[i]!, ceiling));
    ceiling = placed[i]! - LINE;
  }
  return placed;
}

/** A coordinate, short. */
function at(value: number): string {
  return String(Math.round(value * 10) / 10);
}
