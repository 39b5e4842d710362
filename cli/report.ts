import type { NetworkCost } from "../dvn/costs.ts";
import { formatBytes, formatCount, formatPercent, formatSeconds, plural } from "./format.ts";
import { accuracyFigures, lossFigures, tradeoffFigures, unitFigures } from "./report/figures.ts";
import { Html, markup } from "./report/html.ts";
import css from "./report/style.css" with { type: "text" };
import { bytesHeld, isTest, type ResultRow, type RunRecord, testScore } from "./run_record.ts";
import { COLUMNS, describeTiming } from "./table.ts";

/**
 * One page about a run, whatever stage it has reached. It needs nothing but itself: styles and
 * charts are in it, and it holds no script.
 */
export function renderReport(record: RunRecord): string {
  const { start, results, steps, evaluations } = record;
  const units = plural(start.scenario.units, "unit");
  return markup`<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${start.title} · deep virtual networks</title>
<style>
${new Html(css)}</style>
</head>
<body>
<header>
<h1>${start.title}</h1>
<p class="soft">${describeRun(record)}</p>
${stateBanner(record)}
${keyFigures(record)}
</header>
<main>
${results.length > 0 ? resultTable(results) : undefined}
${evaluations.some(isTest) ? tradeoffSection(record) : undefined}
${evaluations.length > 0 ? accuracySection(record) : undefined}
${steps.length > 0 ? lossSection(record) : undefined}
<h2>Units and levels</h2>
<p class="soft">The channels of every layer are cut into ${units}. Each square is the block of weights
from one unit (column) to another (row), in all layers: full where it joins at this level, faint where it
is in use already, empty where it is not computed at all. Above is the order in which the units join; below
is the part of the trunk's weights in use.</p>
${unitFigures(record)}
<h2>Details</h2>
${details(record)}
<details>
<summary>Scenario</summary>
<pre tabindex="0">${JSON.stringify(start.scenario, null, 2)}</pre>
</details>
</main>
</body>
</html>
`.text;
}

function describeRun({ start }: RunRecord): string {
  const { name, description = name } = start.scenario;
  const networks = plural(start.networks.length, "network");
  const tasks = plural(start.tasks.length, "task");
  return `${description.replace(/\.?$/, ".")} ` +
    `${networks} for ${tasks} out of one set of weights.`;
}

function stateBanner({ start, end, steps }: RunRecord): Html | undefined {
  const done = end?.step ?? steps.at(-1)?.step ?? start.firstStep;
  const progress = `${formatCount(done)} of ${plural(start.steps, "step")}`;
  if (!end) {
    return markup`<p class="banner">Not finished: this was written after ${progress}.</p>`;
  }
  if (!end.interrupted) return undefined;
  return markup`<p class="banner">Interrupted after ${progress}. To go on:
<code>deno task train --resume</code> and the folder of this page.</p>`;
}

function keyFigures(record: RunRecord): Html {
  const { start, end, steps } = record;
  const byTask = start.tasks.map(({ name }) => start.networks.filter(({ task }) => task === name));
  const haveLevels = byTask.some((levels) => levels.length > 1);
  const seconds = end?.seconds ?? steps.at(-1)?.seconds ?? 0;
  const figures = [
    accuracyFigure(
      record,
      haveLevels ? "Top level, mean test accuracy" : "Mean test accuracy",
      byTask.map((levels) => levels.at(-1)!),
    ),
    ...haveLevels
      ? [accuracyFigure(
        record,
        "Lowest level, mean test accuracy",
        byTask.map((levels) => levels[0]!),
      )]
      : [],
    {
      name: "Networks in one",
      value: String(start.networks.length),
      note: start.tasks.map(({ name }) => name).join(", "),
    },
    {
      name: "Training time",
      value: formatSeconds(seconds),
      note: `${plural(start.epochs, "epoch")}, ${plural(start.steps, "step")}`,
    },
  ];
  return markup`<dl class="figures">
${
    figures.map(({ name, value, note }) =>
      markup`<div><dt>${name}</dt><dd>${value}<small>${note}</small></dd></div>
`
    )
  }</dl>`;
}

/** @param networks One of each task. */
function accuracyFigure(
  record: RunRecord,
  name: string,
  networks: readonly NetworkCost[],
) {
  const scores = networks.flatMap(({ task, level }) =>
    testScore(record, task, level)?.accuracy ?? []
  );
  const memory = formatBytes(mean(networks.map(({ bytes }) => bytes)));
  return {
    name,
    value: scores.length > 0 ? formatPercent(mean(scores)) : "–",
    note: `with ${memory} of parameters`,
  };
}

function resultTable(rows: readonly ResultRow[]): Html {
  const [, ...columns] = COLUMNS;
  const notes = columns.map(({ title, about }) => `${title}: ${about}`);
  const head = COLUMNS.map(({ title }) => markup`<th scope="col">${title}</th>`);
  const body = rows.map((row, i) => {
    const span = rows.filter(({ task }) => task === row.task).length;
    const first = rows[i - 1]?.task !== row.task;
    const task = first
      ? markup`<th scope="rowgroup" rowspan="${span}">${row.task}</th>`
      : undefined;
    return markup`<tr>${task}${columns.map(({ cell }) => markup`<td>${cell(row)}</td>`)}</tr>
`;
  });
  return markup`<h2>Results</h2>
<div class="scroll" role="region" aria-label="Results by task and level" tabindex="0">
<table aria-describedby="notes">
<thead><tr>${head}</tr></thead>
<tbody>
${body}</tbody>
</table>
</div>
<p class="soft small" id="notes">${notes.join(". ")}. Timed ${describeTiming(rows)}.</p>`;
}

function tradeoffSection(record: RunRecord): Html {
  return markup`<h2>What a level costs and what it gives</h2>
<p class="soft">Accuracy on the test images, which were not trained on.</p>
${tradeoffFigures(record)}`;
}

/** On the images that the run looks at after each epoch. */
function accuracySection(record: RunRecord): Html {
  const { images } = record.evaluations[0]!;
  const evaluations = record.evaluations.filter((each) => each.images === images);
  return images === "test"
    ? markup`<h2>Test accuracy over the epochs</h2>
${accuracyFigures(record, evaluations)}`
    : markup`<h2>Accuracy over the epochs, on held-out images</h2>
<p class="soft">The weights of the best epoch are kept and then tested.</p>
${accuracyFigures(record, evaluations)}`;
}

function lossSection(record: RunRecord): Html {
  return markup`<h2>Training loss</h2>
<p class="soft">Mean cross-entropy in nats on the training images.</p>
${lossFigures(record)}`;
}

function details(record: RunRecord): Html {
  const { start, phases, resumes } = record;
  const { training, seed } = start.scenario;
  const pipelines = plural(start.pipelines, "pipeline");
  const rows: [string, string][] = [
    ["Adapter", start.adapter],
    ["Method", start.method],
    ...phases.length > 1
      ? [
        [
          "Phases",
          phases.map(({ name, step }) => `${name} from step ${formatCount(step)}`).join(", "),
        ] as [string, string],
      ]
      : [],
    ["Seed", String(seed)],
    ["Begun", formatTime(start.time)],
    ...resumes.map(({ time, step, adapter }): [string, string] => [
      "Resumed",
      `${formatTime(time)}, after step ${formatCount(step)}, on ${adapter}`,
    ]),
    [
      "Training",
      [
        plural(start.epochs, "epoch"),
        `batches of ${training.batchSize} of each task`,
        `learning rate ${training.learningRate} (${training.schedule.kind})`,
        `momentum ${training.momentum}`,
        `weight decay ${training.weightDecay}`,
      ].join(", "),
    ],
    ...start.tasks.map((task): [string, string] => [
      `Task ${task.name}`,
      [
        task.dataset,
        plural(task.classes.length, "class", "classes"),
        `${task.height} × ${task.width} pixels`,
        `${plural(task.trainImages, "image")} to train on`,
        `${formatCount(task.testImages)} to test on`,
      ].join(", "),
    ]),
    ["GPU memory", `${formatBytes(bytesHeld(record))} held while training`],
    ["Preparation", `${pipelines} in ${formatSeconds(start.buildSeconds)}`],
  ];
  return markup`<dl class="details">
${
    rows.map(([name, value]) =>
      markup`<dt>${name}</dt><dd>${value}</dd>
`
    )
  }</dl>`;
}

/** "2026-11-22T20:07:12.988Z" -> "2026-11-22 20:07 UTC". */
function formatTime(iso: string): string {
  return `${iso.slice(0, 16).replace("T", " ")} UTC`;
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}
