/** `deno task tables`: what it writes of given results. */
import {
  assert,
  assertEquals,
  assertMatch,
  assertNotMatch,
  assertRejects,
  assertStringIncludes,
} from "@std/assert";
import { UsageError } from "../../cli/args.ts";
import type { CellResult } from "../../cli/experiment/cell.ts";
import { main } from "../../cli/tables.ts";
import { ablationBlocks } from "../../cli/tables/ablation_table.ts";
import { accuracyTable, describeContest } from "../../cli/tables/accuracy_table.ts";
import { costBlocks } from "../../cli/tables/cost_table.ts";
import { renderCsv } from "../../cli/tables/csv.ts";
import { type Block, renderMarkdown, renderPage, type Table } from "../../cli/tables/document.ts";
import { accuracyCharts } from "../../cli/tables/figures.ts";
import { groupCells } from "../../cli/tables/result_group.ts";
import { briefOf, overviewOf, sectionOf } from "../../cli/tables/sections.ts";
import { type Subject, subjectsOf } from "../../cli/tables/subject.ts";
import { paperScenarioNames } from "../../dvn/scenarios/index.ts";
import { scaleNames } from "../../dvn/scenarios/scale.ts";
import { inTemporaryFolder } from "./archives.ts";
import { FAKE_ADAPTER, type FakeCell, fakeCell } from "./fake_experiment.ts";

const SEEDS = [1, 2, 3];
const JOINT = ["baseline", "packnet", "nestednet", "dvn"];

/** Of each method at seeds 1 to 3. */
function cellsOf(methods: readonly string[], asked: Omit<FakeCell, "method" | "seed">) {
  return methods.flatMap((method) => SEEDS.map((seed) => fakeCell({ ...asked, method, seed })));
}

function subjectOf(cells: readonly CellResult[]): Subject {
  return subjectsOf(groupCells(cells)).find(({ results }) => results)!;
}

/** Rows by the names of their networks, cells by column: "cifar-10 ours". */
function read({ columns, rows }: Table): Record<string, Record<string, string>> {
  const titles = columns.map(({ group, title }) => group ? `${group} ${title}` : title);
  return Object.fromEntries(
    rows.map((row) => [row[0], Object.fromEntries(row.map((cell, c) => [titles[c], cell]))]),
  );
}

function tableIn(blocks: readonly Block[]): Table {
  return blocks.find((block) => block.kind === "table")!;
}

const textOf = (blocks: readonly Block[]) => renderMarkdown(blocks).replaceAll("\n", " ");

Deno.test("Table 1 has means and deviations over the seeds beside the paper's numbers", () => {
  const cells = [
    ...SEEDS.map((seed) =>
      fakeCell({
        ...{ scenario: "J1", method: "dvn", seed },
        accuracy: (task, level) => [90, 70][task]! + level + seed,
      })
    ),
    fakeCell({ scenario: "J1", method: "nestednet", seed: 1, accuracy: () => 80.04 }),
  ];
  const rows = read(accuracyTable(subjectOf(cells)));
  assertEquals(Object.keys(rows), [
    "Baseline",
    "PackNet+",
    "NestedNet",
    "DVN, level 1 (unit)",
    "DVN, level 2 (all)",
  ]);
  assertEquals(rows["DVN, level 2 (all)"], {
    network: "DVN, level 2 (all)",
    seeds: "3",
    "cifar-10 ours": "94.0 ± 1.0",
    "cifar-10 paper": "95.1",
    "cifar-100 ours": "74.0 ± 1.0",
    "cifar-100 paper": "77.3",
    "average ours": "84.00 ± 1.00",
    "average paper": "86.20",
  });
  assertEquals(rows["NestedNet"]!["cifar-10 ours"], "80.0"); // of one seed, so without a spread
  assertEquals(rows["Baseline"], {
    network: "Baseline",
    seeds: "0",
    "cifar-10 ours": "not run",
    "cifar-10 paper": "94.8",
    "cifar-100 ours": "not run",
    "cifar-100 paper": "76.4",
    "average ours": "not run",
    "average paper": "85.60",
  });
});

Deno.test("methods that the paper has not compared have a row without its numbers", () => {
  const subject = subjectOf(cellsOf(["fine-tuning", "dvn", "dvn-distilled"], { scenario: "S1" }));
  const rows = read(accuracyTable(subject));
  assertEquals(rows["Fine-tuning"]!["classes-0-4 paper"], "–");
  assertEquals(rows["Fine-tuning"]!["classes-0-4 ours"], "90.0 ± 0.0");
  assertEquals(Object.keys(rows).at(-1), "DVN, level 2 (right)");
  assert(!Object.keys(rows).some((name) => name.includes("distilled")), "they have a table");
});

Deno.test("Figure 6 has the reading of the figure and, in brackets, the later table", () => {
  const thirds = subjectOf(cellsOf(["dvn"], { scenario: "J3-thirds" }));
  assertEquals(read(accuracyTable(thirds))["DVN, level 1"]!["cifar-100 paper"], "72.9 (73.2)");
});

Deno.test("the difference to the best other method is that of each seed", () => {
  const cell = (method: string, seed: number, value: number) =>
    fakeCell({ scenario: "J1", method, seed, accuracy: () => value });
  const subject = subjectOf([
    cell("dvn", 1, 51),
    cell("dvn", 2, 62),
    cell("packnet", 1, 50),
    cell("packnet", 2, 60),
    cell("baseline", 2, 40),
  ]);
  assertEquals(
    describeContest(subject),
    "On average over the tasks, DVN, level 1 (the best) minus PackNet+ (the best other): " +
      "+1.50 ± 0.71 points, mean and standard deviation of the differences of 2 seeds. " +
      "In the paper: DVN, level 2 minus NestedNet, +0.50 points, of one run.",
  );
  const one = describeContest(subjectOf([cell("dvn", 1, 51), cell("packnet", 1, 52)]));
  assertStringIncludes(one, ": −1.00 points, of one seed, so without a spread.");
  const alone = describeContest(subjectOf([cell("dvn", 1, 51)]));
  assertStringIncludes(alone, "minus the best other method: not run.");
});

Deno.test("costs are the paper's count, our whole count, and medians of times", () => {
  const cells = cellsOf(["baseline", "nestednet", "dvn"], { scenario: "J1" });
  // An outlier does not move the median.
  const [slow] = cells.filter(({ method }) => method === "dvn");
  slow!.networks.forEach((network) => network.msPerImage *= 100);
  const blocks = costBlocks(subjectOf(cells));
  const rows = read(tableIn(blocks));
  assertEquals(rows["DVN, level 1 (unit)"], {
    network: "DVN, level 1 (unit)",
    "trunk weights ours": "1.84 M",
    "trunk weights paper": "1.9 M",
    "all parameters ours": "1.85 / 1.86 M",
    "density ours": "25 %",
    "density paper": "25 %",
    "time an image ours": "0.0474 ms",
    "time an image paper": "0.11 ms",
    "speed-up ours": "2.7x",
  });
  assertEquals(rows["Baseline"]!["trunk weights ours"], "7.35 M, 14.7 M in all");
  assertEquals(rows["Baseline"]!["trunk weights paper"], "14.8 M in all");
  assertEquals(rows["NestedNet"]!["trunk weights ours"], "3.68 / 7.35 M");
  assertEquals(rows["NestedNet"]!["density paper"], "50 / 100 %");
  assertEquals(rows["PackNet+"]!["time an image ours"], "not run");
  const text = textOf(blocks);
  assertStringIncludes(text, `in batches of 128, by the adapter's timestamps on ${FAKE_ADAPTER}.`);
  // 4 networks, 60 seconds each, and a second for each seed.
  assertStringIncludes(text, "Training, median: DVN 4:02 min, Baseline 2:02 min");
});

Deno.test("Table 2 has the paper's figures for each level", () => {
  const rows = read(tableIn(costBlocks(subjectOf(cellsOf(["dvn"], { scenario: "J2" })))));
  const paper = [1, 2, 3, 4].map((level) =>
    Object.entries(rows[`DVN, level ${level}`]!)
      .filter(([title]) => title.endsWith("paper")).map(([_, cell]) => cell)
  );
  assertEquals(paper, [
    ["1.9 M", "6.4 %", "0.18 ms", "5.8x"],
    ["7.5 M", "25.2 %", "0.38 ms", "2.8x"],
    ["16.8 M", "56.4 %", "0.67 ms", "1.6x"],
    ["29.8 M", "100 %", "1.05 ms", "1.0x"],
  ]);
});

Deno.test("times of two adapters are told apart, and accuracies of both come with a warning", () => {
  const cells = [1, 2].map((seed) => {
    const adapter = seed === 1 ? "first" : "second";
    const cell = fakeCell({ scenario: "J1", method: "dvn", seed, adapter, scale: "ci" });
    cell.networks.forEach((network) => network.msPerImage = seed);
    return cell;
  });
  const subject = subjectOf(cells);
  const blocks = costBlocks(subject);
  assertEquals(
    read(tableIn(blocks))["DVN, level 1 (unit)"]!["time an image ours"],
    "1 ms (a), 2 ms (b)",
  );
  assertMatch(textOf(blocks), /\(a\) in batches of 128, .* on first; \(b\) in .* on second\./);
  assertStringIncludes(
    textOf(sectionOf(subject)),
    "not their accuracies: on first (seed 1 of DVN) and on second (seed 2 of DVN).",
  );
});

Deno.test("times in other batches, and by the wall clock, are told apart", () => {
  const cell = (seed: number, batch: number) => {
    const cell = fakeCell({ scenario: "J1", method: "dvn", seed, scale: "ci" });
    cell.networks.forEach((network) =>
      Object.assign(network, { batch, msPerImage: seed, timeSource: "wall clock" })
    );
    return cell;
  };
  const blocks = costBlocks(subjectOf([cell(1, 128), cell(2, 32)]));
  const row = read(tableIn(blocks))["DVN, level 2 (all)"]!;
  assertEquals(row["time an image ours"], "1 ms (a), 2 ms (b)");
  assertMatch(textOf(blocks), /batches of 128, by the wall clock.*batches of 32, by the wall/);
});

Deno.test("J3 is timed on STL-10, as in the paper", () => {
  const cells = cellsOf(["dvn"], { scenario: "J3" });
  cells.forEach(({ networks }) =>
    networks.forEach((network) => network.msPerImage = network.task === "stl-10" ? 7 : 1)
  );
  const blocks = costBlocks(subjectOf(cells));
  const row = read(tableIn(blocks))["DVN, level 1"]!;
  assertEquals([row["time an image ours"], row["time an image paper"]], ["7 ms", "0.65 ms"]);
  assertStringIncludes(textOf(blocks), "median over the seeds, for stl-10, in batches");
});

Deno.test("ablations are compared with DVN at the lowest and the highest level", () => {
  const cells = ["dvn", "dvn-shared-bn"].flatMap((method) =>
    SEEDS.map((seed) =>
      fakeCell({
        ...{ scenario: "J1", scale: "ci", method, seed },
        accuracy: (_, level) => 50 + 10 * seed + level + (method === "dvn" ? 0 : level * seed / 10),
      })
    )
  );
  const subject = subjectOf(cells);
  const blocks = ablationBlocks(subject, subject.results!);
  assertEquals(read(tableIn(blocks))["dvn-shared-bn"], {
    method: "dvn-shared-bn",
    seeds: "3",
    "level 1 accuracy": "71.20 ± 10.10",
    "level 1 minus dvn": "+0.20 ± 0.10",
    "top level accuracy": "72.40 ± 10.20",
    "top level minus dvn": "+0.40 ± 0.20",
  });
  assertEquals(read(tableIn(blocks))["dvn"]!["level 1 minus dvn"], "–");
  assertStringIncludes(textOf(blocks), "points. Not run: dvn-recalibrated-bn, dvn-distilled");
  assertNotMatch(textOf(blocks), /sandwich/); // of two levels there is none between
  const without = cells.filter(({ method }) => method !== "dvn");
  const alone = subjectOf(without);
  const row = read(tableIn(ablationBlocks(alone, alone.results!)))["dvn-shared-bn"]!;
  assertEquals(row["level 1 minus dvn"], "not run");
});

Deno.test("a section says the scale, what it changed, and whether numbers compare", () => {
  const about = (cells: readonly CellResult[]) => textOf(sectionOf(subjectOf(cells)));
  const paper = about(cellsOf(["dvn"], { scenario: "J1" }));
  assertStringIncludes(paper, "## J1, scale paper: Table 1");
  assertStringIncludes(paper, "As many images as in the paper.");
  assertNotMatch(paper, /not comparable/);
  for (const scale of scaleNames.filter((name) => name !== "paper")) {
    const text = about(cellsOf(["dvn"], { scenario: "J1", scale }));
    assertStringIncludes(text, `## J1, scale ${scale}: Table 1`);
    assertMatch(text, /epochs 205 -> \d+/);
    assertStringIncludes(text, "These numbers are not comparable with the published ones.");
  }
  const [cell] = cellsOf(["dvn"], { scenario: "J1" }) as [CellResult];
  const shorter = {
    ...cell,
    settings: { ...cell.settings, training: { ...cell.settings.training, epochs: 60 } },
  };
  assertMatch(about([shorter]), /Scale paper: epochs 205 -> 60\. These numbers are not comparable/);
  const fewer = { ...cell, tasks: cell.tasks.map((task) => ({ ...task, trainImages: 500 })) };
  assertStringIncludes(
    about([fewer]),
    "**Note.** Trained on fewer images than in the paper: cifar-10 and cifar-100. The numbers are " +
      "not comparable with the published ones.",
  );
  assertStringIncludes(about([fewer]), "cifar-10 500 + 10,000 (in the paper 50,000 + 10,000)");
});

Deno.test("results of different settings are set apart, and say how they differ", () => {
  const cell = (seed: number) => fakeCell({ scenario: "J1", method: "dvn", seed, scale: "ci" });
  const { settings } = cell(1);
  const decayed = {
    ...cell(1),
    settings: { ...settings, training: { ...settings.training, weightDecay: 0.5 } },
  };
  const subjects = subjectsOf(groupCells([cell(1), decayed, cell(2)]));
  const [first, second] = subjects.filter(({ results }) => results) as [Subject, Subject];
  assertEquals(
    [first.title, second.title],
    ["J1, scale ci, variant 1", "J1, scale ci, variant 2"],
  );
  assertEquals(read(accuracyTable(first))["DVN, level 1 (unit)"]!.seeds, "2");
  assertEquals(read(accuracyTable(second))["DVN, level 1 (unit)"]!.seeds, "1");
  assertStringIncludes(
    textOf(briefOf(second)),
    "From variant 1 it differs in training.weightDecay 0.0001 -> 0.5.",
  );
  const rows = renderCsv(subjects).get("table-1.csv")!.split("\n");
  assertEquals(new Set(rows.slice(1, -1).map((row) => row.split(",")[3])), new Set(["1", "2"]));
});

Deno.test("a cell that was run twice is told of", () => {
  const cell = fakeCell({ scenario: "J1", method: "dvn", seed: 4, scale: "ci" });
  assertStringIncludes(
    textOf(briefOf(subjectOf([cell, structuredClone(cell)]))),
    "Run more than once, of which the last counts: seed 4 of DVN.",
  );
});

Deno.test("scenarios that were not run have the paper's numbers and the command", () => {
  const subjects = subjectsOf(groupCells([fakeCell({ scenario: "H1", method: "dvn", seed: 1 })]));
  assertEquals(
    subjects.map(({ title }) => title),
    paperScenarioNames.map((name) => name === "H1" ? "H1, scale paper" : name),
  );
  const s2 = sectionOf(subjects.at(-1)!);
  const text = textOf(s2);
  assertStringIncludes(text, "Not run: `deno task experiment S2`.");
  assertStringIncludes(
    text,
    "- **not run**: The best level beats LwF on average. The paper: +0.75.",
  );
  assertEquals(read(tableIn(s2))["LwF"]!["cifar-100 paper"], "77.2");
  assertNotMatch(text, /holds|Memory and time/);
  // The paper's costs of J2 are there all the same.
  assertStringIncludes(textOf(sectionOf(subjects[1]!)), "5.8x");
  assertEquals(tableIn([overviewOf(subjects)]).rows.map((row) => row.slice(1)), [
    ["Table 1", "not run", "not run", "not run"],
    ["Table 2 and Figure 5", "not run", "not run", "not run"],
    ["Figure 6", "not run", "not run", "not run"],
    ["Figure 6", "not run", "not run", "not run"],
    ["Table 3", "1", "1", "2 of 2"],
    ["Table 4", "not run", "not run", "not run"],
    ["Table 5", "not run", "not run", "not run"],
  ]);
});

Deno.test("a scenario of one's own has tables without the paper's columns", () => {
  const cells = cellsOf(["dvn", "nestednet"], { scenario: "digits", scale: "own", settings: OWN });
  const subject = subjectOf(cells);
  assertEquals(subject.title, "digits, own settings");
  const titles = accuracyTable(subject).columns.map(({ title }) => title);
  assert(!titles.includes("paper"));
  const text = textOf(sectionOf(subject));
  assertMatch(text, /\*\*(holds|does not hold)\*\*: The best level beats NestedNet/);
  assertNotMatch(text, /undefined|NaN|The paper:|in the paper/);
  // A task that has only the lowest level.
  const tasks = OWN.tasks.map((task, i) => i === 0 ? { ...task, levels: [1] } : task);
  const settings = { ...OWN, tasks };
  const partly = subjectOf(
    cellsOf(["dvn"], { scenario: "partly", scale: "own", settings, accuracy: () => 50 }),
  );
  const row = read(accuracyTable(partly))["DVN, level 2"]!;
  assertEquals([row["tiny-imagenet ours"], row["cifar-100 ours"]], ["–", "50.0 ± 0.0"]);
  assertNotMatch(textOf(sectionOf(partly)), /undefined|NaN/);
  // Another number of tasks than the paper's scenario of that name.
  const named = subjectOf(cells.map((cell) => ({ ...cell, scenario: "J1" })));
  assertNotMatch(textOf(sectionOf(named)), /undefined|NaN|Table 1/);
});

const OWN = fakeCell({ scenario: "J3-thirds", method: "dvn", seed: 1, scale: "ci" }).settings;

Deno.test("charts show ours with the paper's at its scale, and else side by side", () => {
  const count = (text: string, pattern: RegExp) => text.match(pattern)?.length ?? 0;
  const chartsOf = (scenario: string, scale: string) =>
    accuracyCharts(subjectOf(cellsOf(["dvn"], { scenario, scale, noise: 1 }))).text;
  const together = chartsOf("J2", "paper");
  assertEquals(count(together, /<figure>/g), 4);
  // Four levels each, ours and the paper's, and the paper's other methods: 4 and one each.
  assertEquals(count(together, /class="marker"[^>]*><title>/g), 4 * (4 + 4 + 4 + 3));
  assertEquals(
    count(together, /<title>DVN, level 4, ours: \d\d\.\d ± 0\.\d % at 100\.0 %/g),
    4 * 2,
  );
  assertEquals(count(together, /stroke-dasharray:5 4" d=/g), 4 * (5 + 1)); // lines and a key
  assertEquals(count(together, /color-mix/g), 4 * 5 * 2); // the paper's are paler
  const apart = chartsOf("J2", "ci");
  assertEquals([count(apart, /<figure>/g), count(apart, /color-mix/g)], [8, 0]);
  const sequential = chartsOf("S1", "paper");
  assertEquals(count(sequential, /<figure>/g), 1);
  assertStringIncludes(sequential, "<title>LwF, paper: 97.1 % at 95.3 %</title>");
  assertNotMatch(together + sequential, /NaN|undefined/);
});

const EVERYTHING = [
  ...cellsOf([...JOINT, "nestednet-per-task"], { scenario: "J2", scale: "ci", noise: 1 }),
  ...cellsOf([...JOINT, "dvn-same-order"], { scenario: "J1", noise: 1 }),
  ...cellsOf(["lwf", "dvn"], { scenario: "S1", scale: "ci", noise: 1 }),
];

Deno.test("the page holds everything and fetches nothing", () => {
  const subjects = subjectsOf(groupCells(EVERYTHING));
  const html = renderPage("Tables", [overviewOf(subjects)], subjects.flatMap(sectionOf));
  assert(html.startsWith('<!DOCTYPE html>\n<html lang="en">'));
  assertNotMatch(html, /https?:|<script|<link|<img|@import|url\(/);
  assertNotMatch(html, /NaN|undefined|Infinity|\[object/);
  const open: string[] = [];
  for (const [, close, name, self] of html.matchAll(/<(\/?)(\w+)[^>]*?(\/?)>/g)) {
    if (self || /^(meta|path)$/.test(name!)) continue;
    if (!close) open.push(name!);
    else assertEquals(open.pop(), name);
  }
  assertEquals(open, []);
  const ids = Array.from(html.matchAll(/ id="([^"]+)"/g), ([, id]) => id);
  const links = Array.from(html.matchAll(/href="#([^"]+)"/g), ([, id]) => id);
  assertEquals([links, new Set(ids).size], [ids, 7]);
  // Each row of a table is as wide as its head.
  for (const [table] of html.matchAll(/<table>[\s\S]*?<\/table>/g)) {
    const [, head, body] = /<thead>([\s\S]*)<\/thead>\n<tbody>([\s\S]*)<\/tbody>/.exec(table)!;
    const spans = Array.from(head!.split("\n")[0]!.matchAll(/<th (?:[^>]*colspan="(\d+)")?/g));
    const width = spans.reduce((sum, [, span]) => sum + Number(span ?? 1), 0);
    for (const row of body!.trim().split("\n")) {
      assertEquals(row.match(/<t[hd] /g)!.length, width, row);
    }
  }
});

Deno.test("Markdown is laid out as deno fmt would", async () => {
  const text = renderMarkdown(subjectsOf(groupCells(EVERYTHING)).flatMap(sectionOf));
  await inTemporaryFolder(async (folder) => {
    await Deno.writeTextFile(`${folder}/tables.md`, text);
    const { success, stderr } = await new Deno.Command(Deno.execPath(), {
      args: ["fmt", "--no-config", "--check", "--line-width", "100", `${folder}/tables.md`],
    }).output();
    assert(success, new TextDecoder().decode(stderr));
  });
});

Deno.test("no line of Markdown ends in code or begins like an item of a list", () => {
  const word = "x".repeat(96);
  for (const next of ["`a b c d`", "3. x", "- x", "# x"]) {
    const text = renderMarkdown([{ kind: "text", text: `${word} ${next}` }]);
    assert(text === `${word}\n${next}\n` ? next[0] === "`" : text.startsWith(`${word} ${next[0]}`));
  }
});

Deno.test("names cannot break Markdown or HTML", () => {
  const blocks: Block[] = [
    { kind: "text", text: "a_b *c* <i> `code_d` 1. x" },
    { kind: "table", label: '"', columns: [{ title: "<b>" }, { title: "x" }], rows: [["|", "&"]] },
  ];
  assertEquals(
    renderMarkdown(blocks),
    "a\\_b \\*c\\* \\<i> `code_d` 1. x\n\n| \\<b> |   x |\n| ---- | --: |\n| \\|   |   & |\n",
  );
  const html = renderPage("<t>", [], blocks);
  assertStringIncludes(html, "<title>&#60;t&#62;</title>");
  assertStringIncludes(html, "&#60;i&#62; <code>code_d</code>");
  assertStringIncludes(html, '<th scope="row">|</th><td class="">&#38;</td>');
});

Deno.test("a table is a file of comma-separated numbers", () => {
  const cells = ["dvn", "dvn-distilled"].flatMap((method) =>
    [1, 2].map((seed) =>
      fakeCell({
        ...{ scenario: "J1", scale: "ci", adapter: 'a "b", c', method, seed },
        accuracy: (task, level) => 10 * task + level + seed + (method === "dvn" ? 0 : 3),
      })
    )
  );
  const files = renderCsv(subjectsOf(groupCells(cells)));
  assertEquals([...files.keys()].sort(), [
    "ablations.csv",
    "figure-5.csv",
    "figure-6.csv",
    "table-1.csv",
    "table-2.csv",
    "table-3.csv",
    "table-4.csv",
    "table-5.csv",
  ]);
  const [head, ...rows] = files.get("table-1.csv")!.trimEnd().split("\n");
  assertEquals(
    head,
    "table,scenario,scale,variant,method,task,level,metric,adapter,published,statistic,ours,spread,seeds",
  );
  const spread = Math.SQRT1_2.toPrecision(10);
  for (
    const row of [
      `Table 1,J1,ci,1,dvn,cifar-100,2,accuracy_percent,,77.3,mean,13.5,${spread},2`,
      `Table 1,J1,ci,1,dvn,average,1,accuracy_percent,,84.8,mean,7.5,${spread},2`,
      "Table 1,J1,ci,1,packnet,cifar-10,,accuracy_percent,,94.5,mean,,,0",
      "Table 1,J1,ci,1,dvn,cifar-10,1,trunk_parameters,,1900000,median,18144,0,2",
    ]
  ) assert(rows.includes(row), row);
  const time = rows.find((row) => row.includes("dvn,cifar-10,1,ms_per_image"))!;
  assertMatch(time, /,ms_per_image,"a ""b"", c",0\.11,median,0\.02\d+,\d\.\d+,2$/);
  assertStringIncludes(
    files.get("ablations.csv")!,
    "ablations,J1,ci,1,dvn-distilled,average,2,points_above_dvn,,,mean,3,0,2\n",
  );
  assertStringIncludes(
    files.get("figure-6.csv")!,
    "Figure 6,J3,,,dvn,stl-10,3,accuracy_percent_reprinted,,77.9,,,,\n",
  );
  assertStringIncludes(
    files.get("figure-6.csv")!,
    "Figure 6,J3,,,dvn,stl-10,1,ms_per_image,,0.65,median,,,0\n",
  );
  assertNotMatch(files.get("figure-6.csv")!, /cifar-100,1,ms_per_image/); // timed on STL-10 alone
});

/** What a command prints, and its exit code. */
async function run(args: string[]) {
  const printed: string[] = [];
  const { log } = console;
  console.log = (text: string) => printed.push(text);
  try {
    return { code: await main(args), out: printed.join("\n") };
  } finally {
    console.log = log;
  }
}

Deno.test("the command writes all tables and shows those that have results", async () => {
  await inTemporaryFolder(async (folder) => {
    const path = `${folder}/experiments/J1-ci`;
    await Deno.mkdir(path, { recursive: true });
    const cells = cellsOf(["dvn", "nestednet"], { scenario: "J1", scale: "ci" });
    const text = cells.map((cell) => JSON.stringify(cell) + "\n").join("");
    await Deno.writeTextFile(`${path}/results.jsonl`, text);
    const { code, out } = await run([`${folder}/experiments`]);
    assertEquals(code, 0);
    assertMatch(out, /^## J1, scale ci: Table 1\n/);
    assertEquals(out.match(/^## /gm)!.length, 1);
    assertMatch(out, /\| DVN, level 2 \(all\) +\| +3 \| +95\.1 ± 0\.0 \|/);
    const tables = `${folder}/experiments/tables`;
    assert(
      out.endsWith(
        "Read 6 results in 1 file, wrote\n" +
          ["tables.html", "tables.md", "*.csv"].map((name) => `  ${tables}/${name}`).join("\n"),
      ),
      out,
    );
    const names = Array.from(Deno.readDirSync(tables), ({ name }) => name);
    assertEquals(names.filter((name) => name.endsWith(".csv")).length, 7);
    assertMatch(await Deno.readTextFile(`${tables}/tables.md`), /^# The paper's tables\n\nResults/);
    assertMatch(await Deno.readTextFile(`${tables}/tables.html`), /<h1>The paper&#39;s tables</);
    // Its own output is not read again; another place is as good.
    const again = await run([path, "--out", `${folder}/else/where`]);
    assertStringIncludes(again.out, "Read 6 results in 1 file, wrote\n");
    assert((await Deno.stat(`${folder}/else/where/tables.html`)).isFile);
  });
});

Deno.test("mistakes on the command line are told", async () => {
  await inTemporaryFolder(async (folder) => {
    const fails = (args: string[], message: string) =>
      assertRejects(() => main(args), UsageError, message);
    await fails([`${folder}/none`], "none: no such folder");
    await fails([folder], `there is no result of an experiment in ${folder} or below`);
    await fails(["a", "b"], "one folder of results at most; got a b");
    await fails(["--ouy", "x"], "did you mean --out?");
    await Deno.writeTextFile(`${folder}/file`, "");
    const cell = fakeCell({ scenario: "J1", method: "dvn", seed: 1, scale: "ci" });
    await Deno.writeTextFile(`${folder}/results.jsonl`, JSON.stringify(cell) + "\n");
    await fails([folder, "--out", `${folder}/file/x`], "cannot make the folder");
  });
  const { code, out } = await run(["--help"]);
  assertEquals(code, 0);
  assertStringIncludes(out, "deno task tables [folder] [flags]");
});
