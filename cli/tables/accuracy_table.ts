import { plural } from "../format.ts";
import { contest } from "./comparison.ts";
import type { Column, Table } from "./document.ts";
import { averageAccuracy } from "./findings.ts";
import type { PublishedNetwork } from "./published.ts";
import { type BySeed, meanOf } from "./statistics.ts";
import type { Subject } from "./subject.ts";
import { formatAccuracy, formatPoints, networkLabel, NONE, NOT_RUN } from "./wording.ts";

const NO_VALUES: BySeed = new Map();

/** Accuracy of every network for each task and on average, ours beside the paper's. */
export function accuracyTable(subject: Subject): Table {
  const { tasks, published, results } = subject;
  const groups = [...tasks, "average"];
  const columns: Column[] = [
    { title: "network" },
    { title: "seeds" },
    ...groups.flatMap((group) => [
      { group, title: "ours" },
      ...published ? [{ group, title: "paper", soft: true }] : [],
    ]),
  ];
  const rows = subject.networks.map((key) => {
    const seeds = results?.cellsOf(key.method).length ?? 0;
    // What has run may still have no network of this level for a task.
    const format = (values: BySeed = NO_VALUES, digits?: number) =>
      seeds > 0 && values.size === 0 ? NONE : formatAccuracy(values, digits);
    const ours = [
      ...tasks.map((_, task) => format(results?.accuracy(key, task))),
      format(results && averageAccuracy(results, key), 2),
    ];
    const paper = published ? paperCells(subject.inPaper(key), tasks.length) : [];
    const cells = ours.flatMap((cell, i) => [cell, ...paper.slice(i, i + 1)]);
    return [subject.label(key), String(seeds), ...cells];
  });
  return { kind: "table", label: `Accuracy, ${subject.title}`, columns, rows };
}

/** Of each task, and their average. */
function paperCells(network: PublishedNetwork | undefined, tasks: number): string[] {
  if (!network) return Array(tasks + 1).fill(NONE);
  const { accuracy, reprinted } = network;
  return [
    ...accuracy.map((value, task) => {
      const again = reprinted ? ` (${reprinted[task]!.toFixed(1)})` : "";
      return value.toFixed(1) + again;
    }),
    meanOf(accuracy).toFixed(2),
  ];
}

/** DVN's best level against the best of the other methods, in a sentence. */
export function describeContest({ results, paper }: Subject): string {
  const theirs = paper && contest(paper);
  const inPaper = theirs
    ? ` In the paper: ${networkLabel(theirs.dvn)} minus ${networkLabel(theirs.other)}, ` +
      `${formatPoints(theirs.lead)} points, of one run.`
    : "";
  const ours = results && contest(results);
  if (!ours) return `DVN's best level minus the best other method: ${NOT_RUN}.${inPaper}`;
  const seeds = ours.lead.size > 1
    ? `mean and standard deviation of the differences of ${plural(ours.lead.size, "seed")}`
    : "of one seed, so without a spread";
  return `On average over the tasks, ${networkLabel(ours.dvn)} (the best) minus ` +
    `${networkLabel(ours.other)} (the best other): ${
      formatPoints(ours.lead)
    } points, ${seeds}.${inPaper}`;
}
