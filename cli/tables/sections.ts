/** What the tables say about each scenario. */
import type { CellResult, CellTask } from "../experiment/cell.ts";
import { formatCount } from "../format.ts";
import { ablationBlocks } from "./ablation_table.ts";
import { accuracyTable, describeContest } from "./accuracy_table.ts";
import { isAblation } from "./comparison.ts";
import { costBlocks } from "./cost_table.ts";
import type { Block, Item } from "./document.ts";
import { type Expectation, expectations } from "./expectations.ts";
import { accuracyCharts } from "./figures.ts";
import type { ResultGroup } from "./result_group.ts";
import { compareSettings, compareWithPaper } from "./settings.ts";
import type { Subject } from "./subject.ts";
import { formatSeeds, listed, methodLabel, NOT_RUN } from "./wording.ts";

/** All about a scenario. */
export function sectionOf(subject: Subject): Block[] {
  return [
    { kind: "heading", text: headingOf(subject) },
    { kind: "text", text: describeSettings(subject) },
    ...subject.results ? [describeImages(subject, subject.results)] : [],
    ...warningsOf(subject).map((text): Block => ({ kind: "warning", text })),
    { kind: "subheading", text: "Accuracy" },
    accuracyTable(subject),
    { kind: "note", text: describeAccuracies(subject) },
    { kind: "text", text: describeContest(subject) },
    { kind: "charts", charts: accuracyCharts(subject) },
    ...costBlocks(subject),
    ...subject.results ? ablationBlocks(subject, subject.results) : [],
    { kind: "subheading", text: "What the paper leads one to expect" },
    {
      kind: "list",
      items: expectationsOf(subject).map((expectation) =>
        describeExpectation(expectation, subject)
      ),
    },
    {
      kind: "note",
      text:
        "Judged by means over the seeds; where ± is larger than a difference, more seeds may turn it.",
    },
  ];
}

/** The little that is said in the terminal. */
export function briefOf(subject: Subject): Block[] {
  return [
    { kind: "heading", text: headingOf(subject) },
    { kind: "text", text: describeSettings(subject) },
    ...warningsOf(subject).map((text): Block => ({ kind: "warning", text })),
    accuracyTable(subject),
    { kind: "text", text: describeContest(subject) },
  ];
}

/** What has run, scenario by scenario. */
export function overviewOf(subjects: readonly Subject[]): Block {
  return {
    kind: "table",
    label: "Overview",
    columns: [
      { title: "scenario" },
      { title: "in the paper", words: true },
      { title: "methods" },
      { title: "seeds" },
      { title: "expectations that hold" },
    ],
    rows: subjects.map((subject) => {
      const { results, title } = subject;
      if (!results) return [title, tablesOf(subject), NOT_RUN, NOT_RUN, NOT_RUN];
      const verdicts = expectationsOf(subject).flatMap(({ test }) => test(results) ?? []);
      const held = verdicts.filter(({ holds }) => holds).length;
      return [
        title,
        tablesOf(subject),
        String(results.methods.length),
        formatSeeds(results.cells.map(({ seed }) => seed)),
        verdicts.length > 0 ? `${held} of ${verdicts.length}` : NOT_RUN,
      ];
    }),
  };
}

function headingOf(subject: Subject): string {
  return [subject.title, ...subject.published ? [tablesOf(subject)] : []].join(": ");
}

/** "Table 2 and Figure 5". */
function tablesOf({ published }: Subject): string {
  return listed([published?.costTable, published?.table].filter((table) => table !== undefined));
}

function describeSettings(subject: Subject): string {
  const { scenario, settings, results } = subject;
  const about = `${settings.description ?? settings.name}.`;
  if (!results) return `${about} Not run: \`deno task experiment ${scenario}\`.`;
  const differences = compareWithPaper(scenario, results.scale, settings);
  const scale = results.scale === "own" ? "Settings of your own" : `Scale ${results.scale}`;
  const sizes = differences?.sizes;
  const choices = differences?.choices ?? [];
  return [
    about,
    !differences
      ? `${scale}.`
      : sizes
      ? `${scale}: ${sizes}. These numbers are not comparable with the published ones.`
      : `${scale}: nothing is smaller than in the paper, as far as it says.`,
    ...choices.length > 0 ? [`Other than in the built-in scenario: ${choices.join("; ")}.`] : [],
  ].join(" ");
}

function describeImages({ published }: Subject, results: ResultGroup): Block {
  const { tasks } = results.cells[0]!;
  const isPublished = ({ trainImages, testImages }: CellTask, task: number) => {
    const theirs = published?.images[task];
    return theirs?.train === trainImages && theirs.test === testImages;
  };
  if (tasks.every(isPublished)) return { kind: "text", text: "As many images as in the paper." };
  const counts = tasks.map(({ name, trainImages, testImages }, task) => {
    const theirs = published?.images[task];
    return `${name} ${formatCount(trainImages)} + ${formatCount(testImages)}` +
      (theirs ? ` (in the paper ${formatCount(theirs.train)} + ${formatCount(theirs.test)})` : "");
  });
  return { kind: "text", text: `Training + test images: ${counts.join("; ")}.` };
}

/** What a reader must know before comparing. */
function warningsOf({ published, results, alike, variant }: Subject): string[] {
  if (!results) return [];
  const { adapters, cells, repeated, scale } = results;
  const warnings: string[] = [];
  const fewer = cells[0]!.tasks.filter(({ trainImages }, i) =>
    published && trainImages < published.images[i]!.train
  );
  if (scale === "paper" && fewer.length > 0) {
    warnings.push(
      `Trained on fewer images than in the paper: ${listed(fewer.map(({ name }) => name))}. ` +
        "The numbers are not comparable with the published ones.",
    );
  }
  if (alike.length > 1) {
    warnings.push(
      "There are results of this scenario and scale with other settings or images, which are not " +
        `averaged with these.${variant !== 1 ? describeVariant(alike[0]!, results) : ""}`,
    );
  }
  if (adapters.length > 1) {
    const parts = adapters.map((adapter) => {
      const there = describeCells(cells.filter((cell) => cell.adapter === adapter));
      return `on ${adapter} (${there})`;
    });
    warnings.push(
      `Run on different adapters, whose times are kept apart but not their accuracies: ${
        listed(parts)
      }.`,
    );
  }
  if (repeated.length > 0) {
    warnings.push(
      `Run more than once, of which the last counts: ${describeCells(repeated)}.`,
    );
  }
  return warnings;
}

function describeVariant(first: ResultGroup, { settings }: ResultGroup): string {
  const fields = compareSettings(first.settings, settings);
  return ` From variant 1 it differs in ${fields.length > 0 ? listed(fields) : "its images only"}.`;
}

/** "seeds 1 to 3 of DVN and LwF; seeds 1 of NestedNet". */
function describeCells(cells: readonly CellResult[]): string {
  const byMethod = Map.groupBy(cells, ({ method }) => method);
  const bySeeds = Map.groupBy(
    byMethod,
    ([_, ofMethod]) => formatSeeds(ofMethod.map(({ seed }) => seed)),
  );
  return [...bySeeds].map(([seeds, entries]) =>
    `${/\D/.test(seeds) ? "seeds" : "seed"} ${seeds} of ${
      listed(entries.map(([method]) => methodLabel(method)))
    }`
  ).join("; ");
}

function describeAccuracies({ published, results }: Subject): string {
  const seeds = results ? formatSeeds(results.cells.map(({ seed }) => seed)) : "";
  return [
    "Top-1 accuracy on the test images, percent" +
    (results ? `: mean ± sample standard deviation over the seeds (${seeds}).` : "."),
    ...published
      ? [
        `Paper: ${published.source}.`,
        ...published.printsAverages ? [] : ["It prints no averages; these are of its numbers."],
        ...published.remarks,
      ]
      : [],
  ].join(" ");
}

function expectationsOf({ settings, published, results }: Subject): Expectation[] {
  const rivals = published?.networks ?? results?.networks() ?? [];
  const methods = new Set(rivals.map(({ method }) => method));
  return expectations(settings, [...methods].filter((name) => name !== "dvn" && !isAblation(name)));
}

function describeExpectation({ statement, test }: Expectation, { results, paper }: Subject): Item {
  const ours = results && test(results);
  const theirs = paper && test(paper);
  return {
    ...!ours
      ? { lead: NOT_RUN, tone: "soft" }
      : ours.holds
      ? { lead: "holds", tone: "good" }
      : { lead: "does not hold", tone: "bad" },
    text: [
      `${statement}.`,
      ...ours ? [`Ours: ${ours.figures}.`] : [],
      ...theirs ? [`The paper: ${theirs.figures}.`] : [],
    ].join(" "),
  };
}
