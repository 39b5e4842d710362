import type { NetworkCost } from "../../dvn/costs.ts";
import type { NetworkScore } from "../../dvn/events.ts";
import { formatBytes, formatCount, formatPercent } from "../format.ts";
import { type RunRecord, testScore } from "../run_record.ts";
import {
  type Axis,
  MARKERS,
  renderChart,
  renderMarker,
  renderStroke,
  type Series,
} from "./chart.ts";
import { type Html, markup } from "./html.ts";
import { renderUnits } from "./unit_picture.ts";

const COLORS = 6; // --task-0 to --task-5 of the style sheet
const DASHES = ["2 3", "6 3", "10 3 2 3", "14 3"];
const MOST_POINTS = 200;

const ACCURACY: Axis = {
  label: "accuracy",
  limits: [0, 1],
  format: (value) => `${Number((100 * value).toFixed(2))} %`,
};

function taskColor(task: number): string {
  return `var(--task-${task % COLORS})`;
}

function taskMarker(task: number) {
  return MARKERS[task % MARKERS.length]!;
}

/**
 * The top level is a full line in the task's colour; lower ones are fainter, each dashed its own way.
 *
 * @param rank Of the level among those that the task has, from 0.
 */
function levelStyle(task: number, rank: number, levels: number) {
  const color = taskColor(task);
  if (rank === levels - 1) return { color, stroke: color, dash: undefined };
  const share = Math.round(70 + 30 * rank / (levels - 1));
  return {
    color,
    stroke: `color-mix(in oklab, ${color} ${share}%, var(--page))`,
    dash: DASHES[rank % DASHES.length]!,
  };
}

/** The tasks in order, each with its levels' costs. */
function costsByTask({ start }: RunRecord) {
  return start.tasks.map((task, index) => ({
    task: task.name,
    index,
    levels: start.networks.filter((network) => network.task === task.name),
  }));
}

/** For each task, each level's loss on the training images against the steps. */
export function lossFigures(record: RunRecord): Html {
  const everything = record.steps.flatMap(({ networks }) => networks.map(({ loss }) => loss));
  return curvesByTask(record, record.steps, {
    x: {
      label: "steps",
      format: formatCount,
      include: [0, ...range(record.steps.map(({ step }) => step))],
    },
    y: {
      label: "loss",
      log: Math.min(...everything) > 0,
      include: range(everything),
      format: (value) => String(Number(value.toPrecision(2))),
    },
    xOf: ({ step }) => step,
    yOf: ({ loss }) => loss,
    say: "Mean cross-entropy in nats on the training images",
    endLabel: (_, level) => `level ${level}`,
  });
}

/** For each task, each level's accuracy against the epochs. @param evaluations On images of one kind. */
export function accuracyFigures(
  record: RunRecord,
  evaluations: RunRecord["evaluations"],
): Html {
  const everything = evaluations.flatMap(({ networks }) =>
    networks.map(({ accuracy }) => accuracy)
  );
  return curvesByTask(record, evaluations, {
    x: {
      label: "epochs",
      format: formatCount,
      whole: true,
      include: range(evaluations.map(({ epoch }) => epoch)),
    },
    y: { ...ACCURACY, include: range(everything) },
    xOf: ({ epoch }) => epoch,
    yOf: ({ accuracy }) => accuracy,
    say: `Accuracy on the ${evaluations[0]!.images} images`,
    endLabel: (score) => formatPercent(score.accuracy),
  });
}

interface Curves<Event> {
  x: Axis;
  y: Axis;
  xOf: (event: Event) => number;
  yOf: (score: NetworkScore) => number;
  say: string;
  endLabel: (last: NetworkScore, level: number) => string;
}

function curvesByTask<Event extends { networks: NetworkScore[] }>(
  record: RunRecord,
  events: readonly Event[],
  { x, y, xOf, yOf, say, endLabel }: Curves<Event>,
): Html {
  const figures = costsByTask(record).map(({ task, index, levels }) => {
    const series: Series[] = levels.map(({ level }, rank) => {
      const scores = events.flatMap((event) => {
        const score = event.networks.find((network) =>
          network.task === task && network.level === level
        );
        return score ? [{ x: xOf(event), y: yOf(score), score }] : [];
      });
      const last = scores.at(-1);
      return {
        ...levelStyle(index, rank, levels.length),
        name: `${task}, level ${level}`,
        points: thin(scores),
        marker: scores.length <= 2 ? taskMarker(index) : undefined,
        label: last && endLabel(last.score, level),
      };
    });
    const ends = series.map(({ points }, i) => {
      const last = points.at(-1);
      return `level ${levels[i]!.level}: ${last ? y.format(last.y) : "none yet"}`;
    });
    const description = `${say}, task ${task}, against ${x.label}. At the end, ${ends.join("; ")}.`;
    const keys = levels.map(({ level }, rank): [Html, string] => {
      const { stroke, dash } = levelStyle(index, rank, levels.length);
      return [renderStroke(stroke, dash), `level ${level}`];
    });
    return figure(task, renderChart({ description, x, y, series }), keys);
  });
  return markup`<div class="charts">
${figures}</div>
`;
}

/** What each level costs in memory and what it gives in accuracy; and the accuracies by level. */
export function tradeoffFigures(record: RunRecord): Html {
  const { networks } = record.start;
  const tasks = costsByTask(record).map(({ task, index, levels }) => ({
    name: task,
    color: taskColor(index),
    marker: taskMarker(index),
    points: levels.flatMap((cost) => {
      const accuracy = testScore(record, task, cost.level)?.accuracy;
      if (accuracy === undefined) return [];
      const memory = formatBytes(cost.bytes);
      const title = `${task}, level ${cost.level}: ` +
        `${formatPercent(accuracy)} with ${memory}`;
      return [{ cost, y: accuracy, title }];
    }),
  }));
  const seriesOver = (xOf: (cost: NetworkCost) => number): Series[] =>
    tasks.map((task) => ({
      ...task,
      points: task.points.map((point) => ({ ...point, x: xOf(point.cost) })),
    }));
  const said = tasks.flatMap(({ points }) => points.map(({ title }) => title))
    .join("; ");
  const keys = tasks.map(({ name, marker, color }): [Html, string] => [
    renderMarker(marker, color),
    name,
  ]);
  const againstMemory = renderChart({
    description: `Test accuracy against memory. ${said}.`,
    x: memoryAxis(Math.max(...networks.map(({ bytes }) => bytes))),
    y: ACCURACY,
    series: seriesOver(({ bytes }) => bytes),
    guides: levelGuides(networks),
  });
  const top = Math.max(...networks.map(({ level }) => level));
  const byLevel = renderChart({
    description: `Test accuracy by level. ${said}.`,
    x: {
      label: "level",
      whole: true,
      include: [0.7, top + 0.3],
      format: String,
    },
    y: ACCURACY,
    series: seriesOver(({ level }) => level),
  });
  return markup`<div class="charts">
${figure("Accuracy against memory", againstMemory, keys)}
${figure("Accuracy by level", byLevel, keys)}</div>
`;
}

function memoryAxis(most: number): Axis {
  const [size, unit] = most < 1e6 ? [1e3, "kB"] : [1e6, "MB"];
  return {
    label: `memory, ${unit}`,
    include: [0],
    format: (bytes) => String(Number((bytes / size).toPrecision(3))),
  };
}

/** A line at each level's memory, unless one task's level weighs what another's next one does. */
function levelGuides(networks: readonly NetworkCost[]) {
  const guides = [];
  let heaviest = 0;
  for (const level of new Set(networks.map((network) => network.level))) {
    const bytes = networks.filter((network) => network.level === level)
      .map((network) => network.bytes);
    const least = Math.min(...bytes);
    if (least <= heaviest) return [];
    heaviest = Math.max(...bytes);
    guides.push({ x: (least + heaviest) / 2, label: `level ${level}` });
  }
  return guides;
}

/** For each task, which units it takes in at which level. */
export function unitFigures(record: RunRecord): Html {
  const { units } = record.start.scenario;
  const figures = costsByTask(record).map(({ task, index, levels }) => {
    const order = levels.at(-1)!.units.join(" → ");
    const picture = renderUnits(levels, units, taskColor(index));
    return figure(`${task}: ${order}`, picture);
  });
  return markup`<div class="charts">
${figures}</div>
`;
}

function figure(title: string, picture: Html, keys: [Html, string][] = []) {
  const legend = keys.map(([key, text]) => markup`<li>${key}${text}</li>`);
  return markup`<figure>
<h3>${title}</h3>${picture}${
    legend.length > 0 ? markup`<ul class="legend">${legend}</ul>` : undefined
  }
</figure>
`;
}

function range(values: number[]): number[] {
  return values.length > 0 ? [Math.min(...values), Math.max(...values)] : [];
}

/** At most {@linkcode MOST_POINTS} points, each the mean of its neighbours. */
function thin(points: { x: number; y: number }[]): { x: number; y: number }[] {
  const size = Math.ceil(points.length / MOST_POINTS);
  if (size <= 1) return points;
  const mean = (values: number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;
  return Array.from({ length: Math.ceil(points.length / size) }, (_, i) => {
    const part = points.slice(i * size, (i + 1) * size);
    return {
      x: mean(part.map((point) => point.x)),
      y: mean(part.map((point) => point.y)),
    };
  });
}
