import { formatLarge, formatRatio, formatSeconds } from "../format.ts";
import { describeTiming } from "../table.ts";
import type { Block, Column } from "./document.ts";
import type { PublishedNetwork } from "./published.ts";
import type { Found, ResultGroup } from "./result_group.ts";
import { median } from "./statistics.ts";
import type { Subject } from "./subject.ts";
import { methodLabel, NONE, NOT_RUN } from "./wording.ts";

/** One network of each task that has it, in each cell of its method. */
type ByTask = Found[][];

/** What the table says about the networks of a row. */
interface Figure {
  title: string;
  ours: (found: ByTask, subject: Subject) => string;
  /** Undefined if the paper has it for no network. */
  paper?: (network: PublishedNetwork) => string | undefined;
}

const FIGURES: readonly Figure[] = [
  {
    title: "trunk weights",
    ours: (found) => {
      const each = ofTasks(found, ({ network }) => network.parameters.trunk, formatLarge);
      const together = trunksTogether(found.flat());
      return together === undefined ? each : `${each}, ${formatLarge(together)} in all`;
    },
    paper: ({ parameters, parametersOfAll }) =>
      parametersOfAll === undefined
        ? published(parameters, formatMillions)
        : `${formatMillions(parametersOfAll)} in all`,
  },
  {
    title: "all parameters",
    ours: (found) => ofTasks(found, ({ network }) => network.parameters.total, formatLarge),
  },
  {
    title: "density",
    ours: (found, { results }) => ofTasks(found, (each) => results!.share(each), formatDensity),
    paper: ({ density }) => published(density, formatDensity),
  },
  {
    title: "time an image",
    ours: (found, subject) =>
      timed(found, subject, ({ network }) => network.msPerImage, formatTime),
    paper: ({ msPerImage }) => published(msPerImage, (ms) => `${ms.toFixed(2)} ms`),
  },
  {
    title: "speed-up",
    ours: (found, subject) => timed(found, subject, ({ network }) => network.speedUp, formatRatio),
    paper: ({ speedUp }) => published(speedUp, formatRatio),
  },
];

/** What each network holds and how long it takes, ours beside the paper's; nothing if neither is known. */
export function costBlocks(subject: Subject): Block[] {
  const { results, title } = subject;
  const rows = subject.networks.map((key) => ({
    label: subject.label(key),
    found: subject.tasks.map((_, task) => results?.find(key, task) ?? []),
    inPaper: subject.inPaper(key),
  }));
  const columns = FIGURES.flatMap(({ title: group, ours, paper }) => {
    const our = {
      group,
      title: "ours",
      cells: rows.map(({ found }) => found.flat().length > 0 ? ours(found, subject) : NOT_RUN),
    };
    const theirs = {
      group,
      title: "paper",
      soft: true,
      cells: rows.map(({ inPaper }) => (inPaper && paper?.(inPaper)) ?? NONE),
    };
    return theirs.cells.some((cell) => cell !== NONE) ? [our, theirs] : [our];
  });
  if (!results && columns.every(({ title }) => title === "ours")) return [];
  const head: Column[] = columns.map(({ cells: _, ...column }) => column);
  return [
    { kind: "subheading", text: "Memory and time" },
    {
      kind: "table",
      label: `Costs, ${title}`,
      columns: [{ title: "network" }, ...head],
      rows: rows.map(({ label }, row) => [label, ...columns.map(({ cells }) => cells[row]!)]),
    },
    { kind: "note", text: describeCosts(subject) },
  ];
}

function describeCosts(subject: Subject): string {
  const { results, published } = subject;
  return [
    "The paper counts convolution weights that units cut, the trunk; all parameters are these with " +
    "stem, head and batch norm. Density: trunk weights over those of the whole backbone.",
    "Where tasks differ there is one figure for each, or those of the first and the last.",
    ...results ? describeTimes(subject, results) : [],
    ...published?.networks.some(({ msPerImage }) => msPerImage)
      ? ["The paper's times are of a TITAN Xp; it does not say in which batches."]
      : [],
  ].join(" ");
}

function describeTimes({ published, tasks }: Subject, results: ResultGroup): string[] {
  const timings = timingsOf(results);
  const ways = timings.map(({ adapter, how }, i) =>
    `${timings.length > 1 ? `(${LETTERS[i]}) ` : ""}${how} on ${adapter}`
  );
  const timedTask = published?.timedTask;
  const training = results.methods.map((method) => {
    const seconds = median(results.cellsOf(method).map((cell) => cell.seconds));
    return `${methodLabel(method)} ${formatSeconds(seconds)}`;
  });
  return [
    `Times and speed-ups: median over the seeds${
      timedTask === undefined ? " and the tasks" : `, for ${tasks[timedTask]}`
    }, ${ways.join("; ")}.`,
    `Training, median: ${training.join(", ")}.`,
  ];
}

/** How times were taken; those of another adapter or batch are never mixed. */
interface Timing {
  adapter: string;
  /** "in batches of 128, by the adapter's timestamps". */
  how: string;
}

const LETTERS = "abcdefghijklmnopqrstuvwxyz";

function timingOf({ cell, network }: Found): Timing {
  return { adapter: cell.adapter, how: describeTiming([network]) };
}

function isSameTiming(a: Timing, b: Timing): boolean {
  return a.adapter === b.adapter && a.how === b.how;
}

/** All there are in a group, in the order of its cells. */
function timingsOf({ cells }: ResultGroup): Timing[] {
  const all = cells.flatMap((cell) => cell.networks.map((network) => timingOf({ cell, network })));
  return all.filter((timing, i) => all.findIndex((other) => isSameTiming(timing, other)) === i);
}

/** The median for each way of timing. */
function timed(
  byTask: ByTask,
  { results, published }: Subject,
  value: (found: Found) => number,
  format: (value: number) => string,
): string {
  const timings = timingsOf(results!);
  const densities = byTask.flatMap(([first]) => first ? [results!.share(first)] : []);
  const alike = Math.max(...densities) < 1.1 * Math.min(...densities);
  const timedTask = published?.timedTask;
  return timings.flatMap((timing, i) => {
    const found = byTask.map((ofTask) =>
      ofTask.filter((each) => isSameTiming(timingOf(each), timing))
    );
    if (found.flat().length === 0) return [];
    // Networks of one size differ by their heads only, and those of different sizes have nothing in common.
    const text = !alike
      ? ofTasks(found, value, format)
      : format(median((timedTask === undefined ? found.flat() : found[timedTask]!).map(value)));
    return [timings.length > 1 ? `${text} (${LETTERS[i]})` : text];
  }).join(", ");
}

/** The median of each task that has any. */
function ofTasks(
  byTask: ByTask,
  value: (found: Found) => number,
  format: (value: number) => string,
): string {
  const found = byTask.filter((ofTask) => ofTask.length > 0);
  return each(found.map((ofTask) => median(ofTask.map(value))), format);
}

/** One if they look the same, both of two, or the first and the last: "7.46 to 29.8 M". */
function each(values: readonly number[], format: (value: number) => string): string {
  const texts = values.map((value) => format(value).trim());
  const [first, last] = [texts[0]!, texts.at(-1)!];
  if (new Set(texts).size === 1) return first;
  const unit = / .*$/.exec(last)?.[0] ?? "";
  const start = unit && first.endsWith(unit) ? first.slice(0, -unit.length) : first;
  return `${start} ${texts.length === 2 ? "/" : "to"} ${last}`;
}

/** Trunk weights of all tasks, where they have different ones; undefined where they share them. */
function trunksTogether(found: readonly Found[]): number | undefined {
  const { cell } = found[0]!;
  const networks = found.filter((each) => each.cell === cell).map(({ network }) => network);
  if (new Set(networks.map(({ run }) => run)).size < 2) return undefined;
  return networks.reduce((sum, { parameters }) => sum + parameters.trunk, 0);
}

function published(
  values: number | readonly number[] | undefined,
  format: (value: number) => string,
): string | undefined {
  return values === undefined ? undefined : each([values].flat(), format);
}

/** 1.9e6 -> "1.9 M", as rounded as it was printed. */
function formatMillions(count: number): string {
  return `${(count / 1e6).toFixed(1)} M`;
}

/** 0.0625 -> "6.3 %"; 0.25 -> "25 %". */
function formatDensity(density: number): string {
  return `${Number((100 * density).toFixed(1))} %`;
}

/** 0.1042 -> "0.104 ms". */
function formatTime(ms: number): string {
  return `${Number(ms.toPrecision(3))} ms`;
}
