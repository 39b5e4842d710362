/** What tables are made of: reading results, sorting them and comparing them. */
import { assert, assertAlmostEquals, assertEquals, assertRejects } from "@std/assert";
import { UsageError } from "../../cli/args.ts";
import type { CellResult } from "../../cli/experiment/cell.ts";
import { contest } from "../../cli/tables/comparison.ts";
import { expectations } from "../../cli/tables/expectations.ts";
import { averageAccuracy, type Findings, publishedFindings } from "../../cli/tables/findings.ts";
import { published } from "../../cli/tables/published.ts";
import { readResults } from "../../cli/tables/read_results.ts";
import { groupCells, type ResultGroup } from "../../cli/tables/result_group.ts";
import { compareSettings, compareWithPaper } from "../../cli/tables/settings.ts";
import { averageBySeed, differenceBySeed, median, summarize } from "../../cli/tables/statistics.ts";
import { builtInScenario, paperScenarioNames } from "../../dvn/scenarios/index.ts";
import { scaleScenario, scenarioWithEpochs } from "../../dvn/scenarios/scale.ts";
import { inTemporaryFolder } from "./archives.ts";
import { fakeCell } from "./fake_experiment.ts";

Deno.test("mean, sample standard deviation and median", () => {
  assertEquals(summarize([3]), { mean: 3, spread: undefined, count: 1 });
  assertEquals(summarize([]), undefined);
  const summary = summarize([2, 4, 4, 4, 5, 5, 7, 9])!;
  assertEquals([summary.mean, summary.count], [5, 8]);
  assertAlmostEquals(summary.spread!, Math.sqrt(32 / 7), 1e-12);
  assertEquals([median([9, 1, 2]), median([9, 1, 2, 4]), median([7])], [2, 3, 7]);
});

Deno.test("seeds are compared with themselves, and only those that all have", () => {
  const a = new Map([[1, 10], [2, 20], [3, 30]]);
  const b = new Map([[3, 31], [1, 8]]);
  assertEquals(differenceBySeed(a, b), new Map([[1, 2], [3, -1]]));
  assertEquals(averageBySeed([a, b]), new Map([[1, 9], [3, 30.5]]));
  assertEquals(differenceBySeed(a, new Map()).size, 0);
  assertEquals(averageBySeed([]).size, 0);
});

Deno.test("the paper's averages are those of its numbers", () => {
  const printed: Record<string, number[]> = {
    "Table 1": [85.6, 84.9, 85.7, 84.8, 86.2],
    "Table 4": [91.0, 93.2, 96.2, 96.05, 96.55, 96.95],
    "Table 5": [74.05, 76.15, 85.3, 85.5, 85.55, 86.05],
  };
  for (const paper of published) {
    const findings = publishedFindings(paper, paper.images.map(String));
    const averages = findings.networks().map((key) => averageAccuracy(findings, key).get(0)!);
    assertEquals(paper.printsAverages, paper.table in printed);
    printed[paper.table]?.forEach((average, i) => assertAlmostEquals(averages[i]!, average, 1e-9));
  }
});

Deno.test("every scenario of the paper has numbers that fit its tasks, levels and weights", () => {
  for (const name of paperScenarioNames) {
    const paper = published.find(({ scenarios }) => scenarios.includes(name))!;
    const { tasks, levels } = builtInScenario(name);
    assertEquals(paper.images.length, tasks.length);
    const networks = paper.networks.filter(({ method }) => method === "dvn");
    assertEquals(networks.map(({ level }) => level), levels.map((_, i) => i + 1));
    const whole = fakeCell({ scenario: name, method: "dvn", seed: 1 }).networks.at(-1)!;
    for (const network of paper.networks) {
      const { method, level, accuracy, reprinted = accuracy, parameters, density } = network;
      assertEquals([accuracy.length, reprinted.length], [tasks.length, tasks.length]);
      if (name === "J3-thirds") continue; // the printed counts are those of the other reading
      const { networks } = fakeCell({ scenario: name, method, seed: 1 });
      const found = tasks.map((task) =>
        networks.find((one) => one.task === task.name && one.level === (level ?? one.level))!
      );
      found.forEach(({ parameters: { trunk } }, task) => {
        const counts = [parameters].flat();
        const parts = [density].flat();
        const count = counts[task] ?? counts[0];
        const part = parts[task] ?? parts[0];
        if (count) assertAlmostEquals(trunk / count, 1, 0.04); // it rounds to 0.1 M
        if (part) assertAlmostEquals(trunk / whole.parameters.trunk, part, 0.005);
      });
    }
  }
});

/** Calls `test` with a folder that has these texts as its files. */
async function withFiles(files: Record<string, string>, test: (folder: string) => Promise<void>) {
  await inTemporaryFolder(async (folder) => {
    for (const [path, text] of Object.entries(files)) {
      const parent = `${folder}/${path}`.replace(/[^/]*$/, "");
      await Deno.mkdir(parent, { recursive: true });
      await Deno.writeTextFile(`${folder}/${path}`, text);
    }
    await test(folder);
  });
}

const lines = (...cells: unknown[]) => cells.map((cell) => JSON.stringify(cell) + "\n").join("");

Deno.test("results are found at any depth; runs' files and a line being written are passed over", async () => {
  const cell = (seed: number) => fakeCell({ scenario: "J1", method: "dvn", seed, scale: "ci" });
  const files = {
    "results.jsonl": lines(cell(1), cell(2)) + JSON.stringify(cell(3)).slice(0, 500),
    "a/J1-ci/results.jsonl": lines(cell(4)),
    "a/J1-ci/dvn/seed4/all/results.jsonl": lines({ type: "start", networks: [] }, { type: "end" }),
    "a/other.jsonl": "{",
    "b/results.jsonl": "",
  };
  await withFiles(files, async (folder) => {
    const { files, cells } = await readResults(folder);
    assertEquals(cells.map(({ seed }) => seed), [4, 1, 2]);
    assertEquals(
      files.map((file) => file.slice(folder.length + 1)),
      ["a/J1-ci/results.jsonl", "b/results.jsonl", "results.jsonl"],
    );
    assertEquals(cells[1], cell(1));
  });
});

Deno.test("fields that are not known are passed over, and a diverged loss is one", async () => {
  const cell = fakeCell({ scenario: "J1", method: "baseline", seed: 1 });
  const [network, ...others] = cell.networks;
  const odd = { ...network, type: "result", step: 9, loss: NaN };
  await withFiles(
    { "results.jsonl": lines({ ...cell, more: 1, networks: [odd, ...others] }) },
    async (folder) => {
      const { cells } = await readResults(folder);
      assertEquals(cells[0]!.networks[0], { ...network!, loss: NaN });
    },
  );
});

Deno.test("a damaged line is an error that names file, line and field", async () => {
  const cell = fakeCell({ scenario: "J1", method: "dvn", seed: 1, scale: "ci" });
  const [network, ...others] = cell.networks;
  const withNetwork = (change: object) => ({
    ...cell,
    networks: [{ ...network, ...change }, ...others],
  });
  const cases: [string, RegExp][] = [
    [`${JSON.stringify(cell).slice(0, 200)}\n`, /is not JSON/],
    ["\n", /is not JSON/],
    ["[]\n", /must be an object/],
    [lines({ ...cell, seed: "1" }), /seed must be a whole number.*got "1"/],
    [lines({ ...cell, networks: [] }), /networks must be a list/],
    [lines({ ...cell, settings: { ...cell.settings, tasks: [] } }), /settings: tasks must be/],
    [
      lines(withNetwork({ accuracy: 81.2 })),
      /networks\[0\]\.accuracy must be a number from 0 to 1/,
    ],
    [lines(withNetwork({ msPerImage: null })), /networks\[0\]\.msPerImage must be/],
    [lines(withNetwork({ task: "mnist" })), /task "mnist", but the tasks are cifar-10, cifar-100/],
    [lines(withNetwork({ level: 0, batch: 0 })), /networks\[0\]\.level .*\(and 1 more\)/],
  ];
  for (const [damaged, problem] of cases) {
    const text = lines(cell) + damaged + lines(cell);
    await withFiles({ "x/results.jsonl": text }, async (folder) => {
      const error = await assertRejects(() => readResults(folder), UsageError);
      assert(error.message.startsWith(`${folder}/x/results.jsonl, line 2, `), error.message);
      assert(problem.test(error.message), error.message);
      assert(error.message.endsWith("run the experiment again, which fills the gap"));
    });
  }
});

Deno.test("a folder that cannot be read is an error that says why", async () => {
  await withFiles({ file: "" }, async (folder) => {
    await assertRejects(() => readResults(`${folder}/none`), UsageError, "no such folder");
    await assertRejects(() => readResults(`${folder}/file`), UsageError, "not a folder");
  });
});

Deno.test("only cells of one scenario, scale, setting and number of images are together", () => {
  const cell = (seed: number, change: Partial<CellResult> = {}): CellResult => ({
    ...fakeCell({ scenario: "J1", method: "dvn", seed, scale: "ci" }),
    ...change,
  });
  const { settings, tasks } = cell(1);
  const longer = { ...settings, training: { ...settings.training, epochs: 3 } };
  const groups = groupCells([
    fakeCell({ scenario: "H1", method: "dvn", seed: 1 }),
    cell(2),
    cell(1, { settings: { ...settings, description: "Another", name: "other" } }),
    cell(1, { settings: longer }),
    cell(1, { tasks: tasks.map((task) => ({ ...task, trainImages: 7 })) }),
    fakeCell({ scenario: "own", method: "dvn", seed: 1, scale: "own", settings }),
    fakeCell({ scenario: "J1", method: "dvn", seed: 1 }),
  ]);
  assertEquals(
    groups.map(({ scenario, scale, cells }) => [scenario, scale, cells.length]),
    // By scenario as in the paper, then by scale.
    [["J1", "paper", 1], ["J1", "ci", 2], ["J1", "ci", 1], ["J1", "ci", 1], ["H1", "paper", 1], [
      "own",
      "own",
      1,
    ]],
  );
  assertEquals(groups[1]!.cells.map(({ seed }) => seed), [1, 2]);
});

Deno.test("of two cells of the same method and seed the last counts", () => {
  const cell = (seed: number, accuracy: number) =>
    fakeCell({ scenario: "J1", method: "dvn", seed, accuracy: () => accuracy });
  const [group] = groupCells([cell(1, 50), cell(2, 60), cell(1, 70)]) as [ResultGroup];
  assertEquals([...group.accuracy({ method: "dvn", level: 2 }, 0)], [[1, 70], [2, 60]]);
  assertEquals(group.repeated.map(({ networks }) => networks[0]!.accuracy), [0.5]);
});

Deno.test("a method's networks are its levels, or one where each task has one", () => {
  const methods = ["dvn", "nestednet", "baseline", "nestednet-per-task"];
  const cells = methods.map((method) =>
    fakeCell({
      ...{ scenario: "J1", method, seed: 1 },
      accuracy: (task, level) => 10 * task + level,
    })
  );
  const [group] = groupCells(cells) as [ResultGroup];
  assertEquals(group.networks(), [
    { method: "dvn", level: 1 },
    { method: "dvn", level: 2 },
    { method: "baseline" },
    { method: "nestednet" },
    { method: "nestednet-per-task", level: 1 },
    { method: "nestednet-per-task", level: 2 },
  ]);
  // Task j of NestedNet has level j.
  assertEquals(group.accuracy({ method: "nestednet" }, 0).get(1), 1);
  assertEquals(group.accuracy({ method: "nestednet" }, 1).get(1), 12);
  assertAlmostEquals(averageAccuracy(group, { method: "dvn", level: 2 }).get(1)!, 7);
  assertAlmostEquals(group.density({ method: "dvn", level: 1 })!, 0.25, 0.001);
  assertAlmostEquals(group.density({ method: "nestednet" })!, 0.75, 0.001);
});

Deno.test("density is that of the scenario's backbone, whatever the method made", () => {
  const [group] = groupCells([
    fakeCell({ scenario: "H1", method: "baseline-narrow", seed: 1 }),
  ]) as [ResultGroup];
  assertEquals(group.cells[0]!.networks[0]!.density, 1);
  assertAlmostEquals(group.density({ method: "baseline-narrow" })!, 0.25, 0.001);
});

Deno.test("settings are compared with the paper's scenario at the same scale", () => {
  const j1 = builtInScenario("J1");
  assertEquals(compareWithPaper("J1", "paper", { ...j1, seed: 9 }), { sizes: "", choices: [] });
  const ci = scenarioWithEpochs(scaleScenario(j1, "ci"), 7);
  const smaller = compareWithPaper("J1", "ci", ci)!;
  assertEquals(smaller.choices, []); // milestones follow the epochs
  assert(smaller.sizes.includes("epochs 205 -> 7"), smaller.sizes);
  const other = {
    ...j1,
    normalization: "unit" as const,
    training: { ...j1.training, weightDecay: 5e-4 },
    nestedDensities: [0.3, 1],
  };
  const found = compareWithPaper("J1", "paper", other)!;
  assertEquals(found.sizes, "");
  assertEquals(found.choices.toSorted(), [
    "nestedDensities none -> [0.3,1]",
    'normalization "mean-std" -> "unit"',
    "training.weightDecay 0.0001 -> 0.0005",
  ]);
  assertEquals(compareSettings(other, j1).at(-1), "nestedDensities [0.3,1] -> none");
  assertEquals(compareWithPaper("digits", "own", builtInScenario("digits")), undefined);
});

/** Small cells of methods at seeds 1 to 3, all of the paper's accuracies but for what `accuracy` says. */
function groupOf(
  scenario: string,
  methods: readonly string[],
  accuracy?: (method: string, seed: number, task: number, level: number) => number | undefined,
): ResultGroup {
  const cells = methods.flatMap((method) =>
    [1, 2, 3].map((seed) => {
      const usual = fakeCell({ scenario, method, seed, scale: "ci" });
      const networks = usual.networks.map((network) => {
        const task = usual.settings.tasks.findIndex(({ name }) => name === network.task);
        const changed = accuracy?.(method, seed, task, network.level);
        return changed === undefined ? network : { ...network, accuracy: changed / 100 };
      });
      return { ...usual, networks };
    })
  );
  return groupCells(cells)[0]!;
}

Deno.test("DVN's best level is compared with the best other method, seed by seed", () => {
  // Seeds differ by 10 points, but DVN leads by 1 at each.
  const findings = groupOf(
    "J1",
    ["dvn", "baseline", "nestednet", "dvn-distilled"],
    (method, seed, _, level) => {
      const base = 10 * seed;
      if (method === "dvn") return level === 1 ? base + 3 : base + 2;
      return { nestednet: base + 2, "dvn-distilled": base + 9 }[method] ?? base;
    },
  );
  const found = contest(findings)!;
  assertEquals(found.dvn, { method: "dvn", level: 1 });
  assertEquals(found.other, { method: "nestednet" });
  const { mean, spread, count } = summarize(found.lead.values())!;
  assertAlmostEquals(mean, 1, 1e-9);
  assertAlmostEquals(spread!, 0, 1e-9);
  assertEquals(count, 3);
  assertEquals(contest(groupOf("J1", ["dvn"])), undefined);
  assertEquals(contest(groupOf("J1", ["baseline"])), undefined);
});

/** Statement by statement: true, false, or undefined if not run. */
function verdicts(scenario: string, findings: Findings) {
  const paper = published.find(({ scenarios }) => scenarios.includes(scenario))!;
  const rivals = new Set(paper.networks.map(({ method }) => method));
  rivals.delete("dvn");
  return new Map(
    expectations(builtInScenario(scenario), [...rivals]).map(({ statement, test }) => [
      statement,
      test(findings)?.holds,
    ]),
  );
}

Deno.test("the paper's own numbers meet all that they lead one to expect", () => {
  const counts = paperScenarioNames.map((name) => {
    const paper = published.find(({ scenarios }) => scenarios.includes(name))!;
    const tasks = builtInScenario(name).tasks.map((task) => task.name);
    const all = [...verdicts(name, publishedFindings(paper, tasks))];
    const known = all.filter(([_, holds]) => holds !== undefined);
    assertEquals(known.filter(([_, holds]) => !holds), [], name);
    return `${name} ${known.length} of ${all.length}`;
  });
  // H1, S1 and S2 have no times.
  assertEquals(counts, [
    "J1 6 of 6",
    "J2 8 of 8",
    "J3 7 of 7",
    "J3-thirds 7 of 7",
    "H1 5 of 6",
    "S1 7 of 8",
    "S2 7 of 8",
  ]);
});

Deno.test("each expectation can fail, and is not judged before all it needs has run", () => {
  const joint = ["baseline", "packnet", "nestednet", "dvn"];
  const sequential = ["feature-extraction", "da-cnn", "lwf", "nestednet", "dvn"];
  const cases: {
    statement: RegExp;
    scenario: string;
    methods: string[];
    needs: string;
    worse: (method: string, seed: number, task: number, level: number) => number | undefined;
  }[] = [
    {
      statement: /^The top level is at least/,
      ...{ scenario: "J1", methods: joint, needs: "dvn" },
      worse: (method, _, task, level) =>
        method === "dvn" && task === 1 && level === 2 ? 74.9 : undefined,
    },
    {
      statement: /^No level is less/,
      ...{ scenario: "J2", methods: joint, needs: "dvn" },
      worse: (method, _, task, level) =>
        method === "dvn" && task === 2 && level === 3 ? 69.1 : undefined,
    },
    {
      statement: /^Level 1 loses at most 1 point/,
      ...{ scenario: "J1", methods: joint, needs: "baseline" },
      worse: (method, _, task, level) =>
        method === "dvn" && task === 0 && level === 1 ? 94.1 : undefined,
    },
    {
      statement: /^Level 1 beats networks of its size/,
      ...{ scenario: "H1", methods: [...joint, "baseline-narrow"], needs: "baseline-narrow" },
      worse: (method, _, task) => method === "baseline-narrow" && task === 0 ? 87 : undefined,
    },
    {
      statement: /^The best level beats PackNet\+/,
      ...{ scenario: "J1", methods: joint, needs: "packnet" },
      worse: (method, _, task) => method === "packnet" && task === 1 ? 78 : undefined,
    },
    {
      statement: /^Every level beats that of NestedNets/,
      scenario: "J2",
      methods: [...joint, "nestednet-per-task"],
      needs: "nestednet-per-task",
      worse: (method, _, task, level) =>
        method === "nestednet-per-task" && task === 0 && level === 2 ? 81 : undefined,
    },
    {
      statement: /^DA-CNN is better than LwF at task 1/,
      ...{ scenario: "S1", methods: sequential, needs: "lwf" },
      worse: (method, _, task) => method === "da-cnn" && task === 0 ? 95.2 : undefined,
    },
    {
      statement: /^Feature extraction is better than LwF at task 1/,
      ...{ scenario: "S1", methods: sequential, needs: "feature-extraction" },
      worse: (method, _, task) => method === "lwf" && task === 1 ? 85.6 : undefined,
    },
    {
      statement: /^DA-CNN is better than LwF at task 1/,
      ...{ scenario: "S1", methods: sequential, needs: "nestednet" },
      worse: (method, _, task) => method === "nestednet" && task === 1 ? 90 : undefined,
    },
  ];
  for (const { statement, scenario, methods, needs, worse } of cases) {
    const judge = (findings: Findings) => {
      const all = verdicts(scenario, findings);
      const [name] = [...all.keys()].filter((name) => statement.test(name));
      return all.get(name!);
    };
    assertEquals(judge(groupOf(scenario, methods)), true, `${statement}`);
    assertEquals(judge(groupOf(scenario, methods, worse)), false, `${statement}`);
    const fewer = methods.filter((method) => method !== needs);
    assertEquals(judge(groupOf(scenario, fewer)), undefined, `${statement}`);
  }
});

Deno.test("a small speed-up holds, none and too much of one do not", () => {
  const judge = (speedUp: number) => {
    const cell = fakeCell({ scenario: "J1", method: "dvn", seed: 1 });
    const networks = cell.networks.map((network) =>
      network.level === 1 ? { ...network, speedUp } : network
    );
    return [...verdicts("J1", groupCells([{ ...cell, networks }])[0]!).values()].at(-1);
  };
  assertEquals([judge(1.2), judge(0.9), judge(4.2)], [true, false, false]);
});
