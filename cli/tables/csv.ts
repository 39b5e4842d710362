/** The tables for other programs: a number a line, comma-separated. */
import { isAblation } from "./comparison.ts";
import { averageAccuracy, type NetworkKey } from "./findings.ts";
import type { PublishedNetwork } from "./published.ts";
import type { Found, ResultGroup } from "./result_group.ts";
import { type BySeed, differenceBySeed, median, summarize } from "./statistics.ts";
import type { Subject } from "./subject.ts";

const COLUMNS = [
  "table",
  "scenario",
  "scale",
  "variant",
  "method",
  "task",
  "level",
  "metric",
  "adapter",
  "published",
  "statistic",
  "ours",
  "spread",
  "seeds",
] as const;

type Row = Partial<Record<typeof COLUMNS[number], string | number>>;

/** Stands for the task in what is averaged over all of them. */
const AVERAGE = "average";

/** A file for each table and figure of the paper, one for ablations and one for other scenarios. */
export function renderCsv(subjects: readonly Subject[]): Map<string, string> {
  const rows = subjects.flatMap((subject) => [
    ...subject.networks.flatMap((key) => [
      ...accuracyRows(subject, key),
      ...costRows(subject, key),
    ]),
    ...ablationRows(subject),
  ]);
  const byTable = Map.groupBy(rows, ({ table }) => String(table));
  return new Map(
    [...byTable].map(([table, ofTable]) => [
      `${table.toLowerCase().replaceAll(" ", "-")}.csv`,
      [COLUMNS.join(","), ...ofTable.map(csvLine)].map((line) => `${line}\n`).join(""),
    ]),
  );
}

function csvLine(row: Row): string {
  return COLUMNS.map((column) => {
    const text = csvText(row[column]);
    return /[",\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  }).join(",");
}

/** Numbers without the noise of their last digits. */
function csvText(value: string | number = ""): string {
  return typeof value === "number" ? String(Number(value.toPrecision(10))) : value;
}

function accuracyRows(subject: Subject, key: NetworkKey): Row[] {
  const { published, paper, results, tasks } = subject;
  const row = {
    ...rowOf(subject, key, published?.table),
    metric: "accuracy_percent",
    statistic: "mean",
  };
  const reprinted = subject.inPaper(key)?.reprinted ?? [];
  return [
    ...tasks.map((name, task) => ({
      ...row,
      task: name,
      published: paper?.accuracy(key, task).get(0),
      ...described(results?.accuracy(key, task)),
    })),
    {
      ...row,
      task: AVERAGE,
      published: paper && averageAccuracy(paper, key).get(0),
      ...described(results && averageAccuracy(results, key)),
    },
    ...reprinted.map((value, task) => ({
      ...rowOf(subject, key, published?.table),
      task: tasks[task]!,
      metric: "accuracy_percent_reprinted",
      published: value,
    })),
  ];
}

interface Cost {
  metric: string;
  ours: (found: Found, results: ResultGroup) => number;
  /** For all tasks alike, or of each. */
  paper: (network: PublishedNetwork) => number | readonly number[] | undefined;
  /** Whether it depends on the adapter. */
  timed: boolean;
}

const COSTS: readonly Cost[] = [
  {
    metric: "trunk_parameters",
    ours: ({ network }) => network.parameters.trunk,
    paper: ({ parameters }) => parameters,
    timed: false,
  },
  {
    metric: "all_parameters",
    ours: ({ network }) => network.parameters.total,
    paper: () => undefined,
    timed: false,
  },
  {
    metric: "density",
    ours: (found, results) => results.share(found),
    paper: ({ density }) => density,
    timed: false,
  },
  {
    metric: "ms_per_image",
    ours: ({ network }) => network.msPerImage,
    paper: ({ msPerImage }) => msPerImage,
    timed: true,
  },
  {
    metric: "speed_up",
    ours: ({ network }) => network.speedUp,
    paper: ({ speedUp }) => speedUp,
    timed: true,
  },
];

/** A row for each task, and for each adapter where that matters. */
function costRows(subject: Subject, key: NetworkKey): Row[] {
  const { published, results, tasks } = subject;
  const inPaper = subject.inPaper(key);
  return COSTS.flatMap(({ metric, ours, paper, timed }) =>
    tasks.flatMap((name, task) => {
      const theirs = inPaper && paper(inPaper);
      const isTheirs = !timed || (published?.timedTask ?? task) === task;
      const row: Row = {
        ...rowOf(subject, key, published?.costTable ?? published?.table),
        task: name,
        metric,
        statistic: "median",
        published: !isTheirs ? undefined : typeof theirs === "object" ? theirs[task] : theirs,
      };
      const found = results?.find(key, task) ?? [];
      if (found.length === 0) return row.published === undefined ? [] : [{ ...row, seeds: 0 }];
      const byAdapter = Map.groupBy(found, ({ cell }) => timed ? cell.adapter : "");
      return [...byAdapter].map(([adapter, ofAdapter]): Row => {
        const values = ofAdapter.map((each) => ours(each, results!));
        const { spread, count } = summarize(values)!;
        return { ...row, adapter, ours: median(values), spread, seeds: count };
      });
    })
  );
}

/** Each level of DVN's variants, and what it is above that of DVN. */
function ablationRows(subject: Subject): Row[] {
  const { results, tasks } = subject;
  if (!results) return [];
  return results.networks().filter(({ method }) => isAblation(method)).flatMap((key) => {
    const dvn = { ...key, method: "dvn" };
    const row = { ...rowOf(subject, key, "ablations"), statistic: "mean" };
    const accuracies: [string, BySeed, BySeed][] = [
      ...tasks.map((name, task): [string, BySeed, BySeed] => [
        name,
        results.accuracy(key, task),
        results.accuracy(dvn, task),
      ]),
      [AVERAGE, averageAccuracy(results, key), averageAccuracy(results, dvn)],
    ];
    return accuracies.flatMap(([task, own, base]) => [
      { ...row, task, metric: "accuracy_percent", ...described(own) },
      { ...row, task, metric: "points_above_dvn", ...described(differenceBySeed(own, base)) },
    ]);
  });
}

/** @param table Undefined for what is not in the paper. */
function rowOf(
  { scenario, results, variant }: Subject,
  { method, level }: NetworkKey,
  table = "other",
): Row {
  return { table, scenario, scale: results?.scale, variant, method, level };
}

function described(values: BySeed = new Map()): Row {
  const summary = summarize(values.values());
  return { ours: summary?.mean, spread: summary?.spread, seeds: values.size };
}
