/** The parts of `deno task experiment`, without a GPU. */
import {
  assert,
  assertEquals,
  assertMatch,
  assertNotEquals,
  assertRejects,
  assertStringIncludes,
  assertThrows,
} from "@std/assert";
import { UsageError } from "../../cli/args.ts";
import type { CellNetwork, CellResult } from "../../cli/experiment/cell.ts";
import { doCell, type RunOfCell } from "../../cli/experiment/do_cell.ts";
import { doCells } from "../../cli/experiment/do_cells.ts";
import {
  type ExperimentAbout,
  ExperimentFolder,
  resultOf,
} from "../../cli/experiment/experiment_folder.ts";
import {
  type Cell,
  chooseMethods,
  describeCell,
  grid,
  readSeeds,
} from "../../cli/experiment/grid.ts";
import { GridProgress } from "../../cli/experiment/grid_progress.ts";
import { describeResult, renderSummary } from "../../cli/experiment/summary.ts";
import { trainingWork } from "../../cli/experiment/work.ts";
import { Progress } from "../../cli/progress.ts";
import type { RunRecord } from "../../cli/run_record.ts";
import { RunRecorder } from "../../cli/run_recorder.ts";
import { holdOut } from "../../cli/train_run.ts";
import { loadDigits } from "../../datasets/digits.ts";
import { networkCost } from "../../dvn/costs.ts";
import type { TaskData } from "../../dvn/data.ts";
import { findMethod } from "../../dvn/methods/index.ts";
import type { Scenario } from "../../dvn/scenario.ts";
import { builtInScenario, paperScenarioNames } from "../../dvn/scenarios/index.ts";
import { scaleScenario } from "../../dvn/scenarios/scale.ts";
import { inTemporaryFolder } from "./archives.ts";
import { fakeCosts, fakeRun, fakeScenario, fakeTasks } from "./fake_run.ts";

Deno.test("seeds are how many, or a list", () => {
  assertEquals(readSeeds("3"), [1, 2, 3]);
  assertEquals(readSeeds("1,4"), [1, 4]);
  assertEquals(readSeeds("7,"), [7]);
  assertEquals(readSeeds("0,1000"), [0, 1000]);
  for (const text of ["0", "101", "", "two", "1;2", ",", "1,,2", "-1", "1.5", "1,1", "1e3"]) {
    assertThrows(() => readSeeds(text), UsageError, "--seeds ");
  }
  assertThrows(() => readSeeds("2026"), UsageError, 'seed 2026 alone is "2026,"');
});

const namesOf = (name: string, options: { names?: string; ablation?: boolean } = {}) =>
  chooseMethods(scaleScenario(builtInScenario(name), "ci"), name, { ablation: false, ...options })
    .map((method) => method.name);

Deno.test("without --methods an experiment has those that the paper compares", () => {
  const joint = ["baseline", "packnet", "nestednet", "dvn"];
  assertEquals(namesOf("J1"), joint);
  assertEquals(namesOf("J2"), [...joint, "nestednet-per-task"]);
  assertEquals(namesOf("J3"), joint);
  assertEquals(namesOf("H1"), [...joint, "baseline-narrow"]);
  const sequential = ["feature-extraction", "da-cnn", "lwf", "nestednet", "dvn", "fine-tuning"];
  assertEquals(namesOf("S1"), sequential);
  assertEquals(namesOf("S2"), sequential);
});

Deno.test("--ablation has dvn and those of its ablations that change something", () => {
  const ofFour = namesOf("J2", { ablation: true });
  assertEquals(ofFour[0], "dvn");
  assert(ofFour.includes("dvn-sandwich") && ofFour.includes("dvn-shared-bn"), ofFour.join());
  assert(ofFour.every((name) => name.startsWith("dvn")));
  // Of two levels, lowest and highest are all.
  assert(!namesOf("J1", { ablation: true }).includes("dvn-sandwich"));
});

for (
  const [name, options, message] of [
    ["J1", { names: "dvn,paknet" }, 'no method is named "paknet"; did you mean packnet?'],
    ["J1", { names: "" }, 'no method is named ""'],
    ["J1", { names: "dvn,baseline,dvn" }, "--methods names a method twice"],
    ["J1", { names: "lwf" }, "lwf is for tasks that arrive one after another"],
    ["J1", { names: "dvn", ablation: true }, "--methods and --ablation exclude each other"],
  ] as const
) {
  Deno.test(`methods ${JSON.stringify(options)} for ${name}: ${message}`, () => {
    assertThrows(() => namesOf(name, options), UsageError, message);
  });
}

Deno.test("the first seed comes first, for all methods", () => {
  const cells = grid([findMethod("dvn"), findMethod("baseline")], [1, 4]);
  assertEquals(cells.map(describeCell), [
    "dvn, seed 1",
    "baseline, seed 1",
    "dvn, seed 4",
    "baseline, seed 4",
  ]);
});

const SCENARIO: Scenario = fakeScenario();

const ABOUT: ExperimentAbout = {
  scenario: "made-up",
  scale: "own",
  settings: SCENARIO,
  tasks: fakeTasks(SCENARIO).map((task) => ({ ...task, classes: task.classes.length })),
};

const CELLS = grid([findMethod("dvn"), findMethod("baseline"), findMethod("packnet")], [1, 2]);

function networks(accuracies: readonly number[]): CellNetwork[] {
  return fakeCosts(SCENARIO).map((cost, i) => ({
    run: "all",
    ...cost,
    accuracy: accuracies[i]!,
    loss: 1,
    msPerImage: 1,
    timeSource: "wall clock",
    batch: 32,
    speedUp: 1,
  }));
}

function fakeResult(
  { method, seed }: Cell,
  accuracies = [0.5, 0.6, 0.7, 0.8],
): CellResult {
  return {
    ...ABOUT,
    method: method.name,
    seed,
    settings: { ...SCENARIO, seed },
    time: "2000-01-02T03:04:05.678Z",
    seconds: 75,
    adapter: "made up",
    networks: networks(accuracies),
    bytesHeld: 1,
  };
}

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

async function inExperiment(test: (folder: ExperimentFolder) => Promise<void>): Promise<void> {
  await inTemporaryFolder(async (path) => {
    const folder = new ExperimentFolder(`${path}/out/made-up`);
    await folder.begin(ABOUT);
    await test(folder);
  });
}

Deno.test("several at one folder do each cell once", () =>
  inExperiment(async (folder) => {
    const begun: Cell[] = [];
    const told: number[] = [];
    const outcomes = await Promise.all(Array.from({ length: 3 }, () =>
      doCells(CELLS, folder, async (cell, done) => {
        begun.push(cell);
        assert(!done.includes(cell));
        await pause(5);
        return fakeResult(cell);
      }, (_, done) => told.push(done))));
    assertEquals(begun.length, CELLS.length);
    assertEquals(new Set(begun).size, CELLS.length);
    assertEquals((await folder.results()).length, CELLS.length);
    assertEquals(Math.max(...told), CELLS.length);
    assert(outcomes.every(({ interrupted }) =>
      !interrupted
    ));
    const locks = [...Deno.readDirSync(folder.path)].flatMap(({ name, isDirectory }) =>
      isDirectory ? [...Deno.readDirSync(`${folder.path}/${name}`)] : []
    );
    assertEquals(locks, []);
  }));

/** Holds a cell as another process would, until the function that is returned is called. */
async function hold(folder: ExperimentFolder, cell: Cell): Promise<() => Promise<void>> {
  const { promise: released, resolve: release } = Promise.withResolvers<void>();
  const { promise: isHeld, resolve: held } = Promise.withResolvers<void>();
  const claim = folder.claim(cell, () => {
    held();
    return released;
  });
  await isHeld;
  return async () => {
    release();
    await claim;
  };
}

Deno.test("a cell that another is at is left to it, and said", () =>
  inExperiment(async (folder) => {
    const release = await hold(folder, CELLS[1]!);
    assertEquals(await folder.isClaimed(CELLS[1]!), true);
    const work = (cell: Cell) => Promise.resolve(fakeResult(cell));
    const outcome = await doCells(CELLS, folder, work, () => {});
    assertEquals(outcome, { elsewhere: [CELLS[1]!], interrupted: false });
    const results = await folder.results();
    assertEquals(results.length, CELLS.length - 1);
    assertEquals(resultOf(CELLS[1]!, results), undefined);
    await release();
    assertEquals(await folder.isClaimed(CELLS[1]!), false);
  }));

Deno.test("a cell that another gives up meanwhile is taken over", () =>
  inExperiment(async (folder) => {
    const release = await hold(folder, CELLS[0]!);
    const order: Cell[] = [];
    const outcome = await doCells(CELLS, folder, async (cell) => {
      order.push(cell);
      if (order.length === 2) await release();
      return fakeResult(cell);
    }, () => {});
    assertEquals(outcome, { elsewhere: [], interrupted: false });
    assertEquals(order, [...CELLS.slice(1), CELLS[0]!]);
  }));

Deno.test("a cell that another does meanwhile is not done again", () =>
  inExperiment(async (folder) => {
    const order: Cell[] = [];
    await doCells(CELLS, folder, async (cell) => {
      order.push(cell);
      if (order.length === 1) await folder.append(CELLS[3]!, fakeResult(CELLS[3]!));
      return fakeResult(cell);
    }, () => {});
    assertEquals(order, CELLS.filter((cell) => cell !== CELLS[3]));
  }));

Deno.test("an interrupted cell has no result, and is free again", () =>
  inExperiment(async (folder) => {
    let count = 0;
    const work = (cell: Cell) => Promise.resolve(++count === 2 ? undefined : fakeResult(cell));
    const outcome = await doCells(CELLS, folder, work, () => {});
    assertEquals(outcome, { elsewhere: [], interrupted: true });
    assertEquals((await folder.results()).length, 1);
    assertEquals(await folder.isClaimed(CELLS[1]!), false);
    assertEquals((await doCells(CELLS, folder, work, () => {})).interrupted, false);
    assertEquals((await folder.results()).length, CELLS.length);
    assertEquals(count, CELLS.length + 1);
  }));

Deno.test("results are whole lines at any time, whoever appends", () =>
  inExperiment(async (folder) => {
    let writing = true;
    const counts: number[] = [];
    const read = (async () => {
      while (writing) {
        const text = await Deno.readTextFile(`${folder.path}/results.jsonl`).catch(() => "");
        assert(text === "" || text.endsWith("}\n"));
        counts.push((await folder.results()).length);
      }
    })();
    const cells = grid([findMethod("dvn")], Array.from({ length: 12 }, (_, i) => i));
    await Promise.all(cells.map((cell) => folder.append(cell, fakeResult(cell))));
    writing = false;
    await read;
    assertEquals((await folder.results()).length, cells.length);
    assertEquals(counts, counts.toSorted((a, b) => a - b));
    const again = () => folder.append(cells[0]!, fakeResult(cells[0]!));
    await assertRejects(again, Error, "has dvn, seed 0 already");
  }));

Deno.test("a damaged line of results is named", () =>
  inExperiment(async (folder) => {
    await folder.append(CELLS[0]!, fakeResult(CELLS[0]!));
    const options = { append: true };
    await Deno.writeTextFile(`${folder.path}/results.jsonl`, '{"scenario"\n', options);
    await assertRejects(() => folder.results(), UsageError, "results.jsonl, line 2, is not JSON");
  }));

const { training } = SCENARIO;
for (
  const [what, about, message] of [
    [
      "epochs",
      { settings: { ...SCENARIO, training: { ...training, epochs: 9 } } },
      "settings.training.epochs 4, not 9",
    ],
    [
      "a limit",
      { settings: { ...SCENARIO, limit: { train: 10, test: 10 } } },
      'settings.limit left out, not {"train":10,"test":10}',
    ],
    [
      "a task's levels",
      {
        settings: {
          ...SCENARIO,
          tasks: [SCENARIO.tasks[0]!, { ...SCENARIO.tasks[1]!, levels: [2] }],
        },
      },
      "settings.tasks[1].levels left out, not [2]",
    ],
    [
      "widths",
      { settings: { ...SCENARIO, backbone: { kind: "custom", widths: [16, 32, 64], blocks: 1 } } },
      "settings.backbone.widths[2] left out, not 64",
    ],
    [
      "images",
      { tasks: ABOUT.tasks.map((task) => ({ ...task, trainImages: 50_000 })) },
      "tasks[0].trainImages 700, not 50000",
    ],
    ["scale", { scale: "ci" }, 'scale "own", not "ci"'],
  ] as [string, Partial<ExperimentAbout>, string][]
) {
  Deno.test(`a folder begun with other settings is refused: ${what}`, () =>
    inExperiment(async (folder) => {
      const other = { ...ABOUT, ...about };
      for (const refused of [() => folder.check(other), () => folder.begin(other)]) {
        const error = await assertRejects(refused, UsageError, `experiment.json has ${message};`);
        assertStringIncludes((error as Error).message, "choose another --out");
      }
      await folder.begin(ABOUT); // as it was
    }));
}

Deno.test("seed and description are no other settings", () =>
  inExperiment(async (folder) => {
    await folder.begin({ ...ABOUT, settings: { ...SCENARIO, seed: 99, description: "said anew" } });
  }));

Deno.test("a folder that an older version began goes on: what it does not name is as it was", () =>
  inExperiment(async (folder) => {
    await folder.begin(ABOUT);
    const path = `${folder.path}/experiment.json`;
    const about = JSON.parse(await Deno.readTextFile(path));
    delete about.settings.training.activations;
    await Deno.writeTextFile(path, JSON.stringify(about));
    await folder.begin(ABOUT);
    const { training } = SCENARIO;
    const halves = { ...SCENARIO, training: { ...training, activations: "f16" as const } };
    await assertRejects(
      () => folder.check({ settings: halves }),
      UsageError,
      'settings.training.activations "f32", not "f16"',
    );
  }));

/** Trains with made-up figures, as trainRun() does with real ones; up to a step, if one is given. */
async function fakeTraining(
  { run, folder, earlier }: RunOfCell,
  { stopAfter = Infinity, die = false } = {},
): Promise<RunRecord> {
  const about = { title: "made up", tasks: fakeTasks(run.scenario) };
  const silent = new Progress({ write: () => {}, columns: () => undefined });
  const recorder = new RunRecorder(folder, about, silent, earlier?.lines);
  const saved = new TextDecoder().decode(earlier?.checkpoint.weights);
  const firstStep = Number(/\d+$/.exec(saved)?.[0] ?? 0);
  const controller = new AbortController();
  const events = async function* () {
    for await (const event of fakeRun(run.scenario, { firstStep, signal: controller.signal })) {
      if ("step" in event && event.step >= stopAfter) {
        if (die) throw new Error("died");
        controller.abort();
      }
      yield { ...event, ...event.type === "start" ? { method: run.method, run: run.name } : {} };
    }
  };
  const end = await recorder.follow(events(), () => {});
  const rows = end.interrupted ? [] : fakeCosts(run.scenario).map((cost) => ({
    ...cost,
    accuracy: 0.9,
    loss: 0.3,
    msPerImage: 1,
    timeSource: "wall clock" as const,
    batch: 32,
    speedUp: 1,
  }));
  await recorder.finish(end, rows);
  return recorder.record;
}

const BASELINE: Cell = { method: findMethod("baseline"), seed: 3 };

Deno.test("a cell has all networks of all its runs", () =>
  inExperiment(async (folder) => {
    const result = await doCell(BASELINE, ABOUT, folder, fakeTraining);
    const { networks, seconds, settings, time, ...rest } = result!;
    assertEquals(networks.map(({ run, task, level }) => [run, task, level]), [
      ["low", "low", 1],
      ["high", "high", 1],
    ]);
    assertEquals(Object.keys(networks[0]!).includes("type"), false);
    assertEquals(seconds.toFixed(2), "0.80"); // two runs of 0.4
    assertEquals(settings, { ...SCENARIO, seed: 3 });
    assertMatch(time, /^\d{4}-\d\d-\d\dT/);
    assertEquals(rest, {
      scenario: "made-up",
      scale: "own",
      method: "baseline",
      seed: 3,
      adapter: "made-up adapter, software; timestamp-query",
      tasks: ABOUT.tasks,
      bytesHeld: 12_345_678,
    });
  }));

Deno.test("a cell goes on where it was interrupted", () =>
  inExperiment(async (folder) => {
    const trained: [string, number][] = [];
    const first = await doCell(BASELINE, ABOUT, folder, async (run) => {
      trained.push([run.run.name, run.index]);
      return await fakeTraining(run, { stopAfter: run.index === 1 ? 13 : Infinity });
    });
    assertEquals(first, undefined);
    assertEquals(trained, [["low", 0], ["high", 1]]);
    const second = await doCell(BASELINE, ABOUT, folder, async (run) => {
      assertEquals([run.run.name, run.index, run.run.scenario.seed], ["high", 1, 3]);
      const { weights } = run.earlier!.checkpoint;
      assertEquals(new TextDecoder().decode(weights), "weights after 14");
      return await fakeTraining(run);
    });
    assertEquals(second!.networks.length, 2);
    assertEquals(second!.seconds.toFixed(2), "0.80");
    // What is complete is only read again: the process may have died before it wrote the line.
    const third = await doCell(BASELINE, ABOUT, folder, () => Promise.reject(new Error("trained")));
    assertEquals(third, second);
  }));

Deno.test("a run that died goes on from its checkpoint, or begins anew where there is none", () =>
  inExperiment(async (folder) => {
    for (const stopAfter of [5, 15]) { // the first checkpoint is after step 10
      await assertRejects(
        () => doCell(BASELINE, ABOUT, folder, (run) => fakeTraining(run, { stopAfter, die: true })),
        Error,
        "died",
      );
      const from: (string | undefined)[] = [];
      await doCell(BASELINE, ABOUT, folder, async (run) => {
        const { earlier } = run;
        from.push(earlier && new TextDecoder().decode(earlier.checkpoint.weights));
        return await fakeTraining(run, { stopAfter: 10 });
      });
      assertEquals(from, [stopAfter === 5 ? undefined : "weights after 10"]);
      await Deno.remove(folder.runPath(BASELINE, "low"), { recursive: true });
    }
  }));

Deno.test("images held out are drawn from the seed, and only where an epoch is chosen by them", async () => {
  const data = { digits: await loadDigits() };
  const held = (seed: number) =>
    holdOut(data, { seed, reportedEpoch: { validation: 0.1 } }).digits!;
  const pixels = ({ validation }: ReturnType<typeof held>) => {
    const { length } = validation!;
    const images = new Uint8Array(length * 64);
    validation!.read(Uint32Array.from({ length }, (_, i) => i), images, new Uint32Array(length));
    return images;
  };
  const { train } = data.digits;
  assertEquals(held(1).train.length + held(1).validation!.length, train.length);
  assertEquals(pixels(held(1)), pixels(held(1)));
  assertNotEquals(pixels(held(1)), pixels(held(2)));
  assertEquals(holdOut(data, { seed: 1, reportedEpoch: "last" }), data);
  assertThrows(
    () => holdOut(data, { seed: 1, reportedEpoch: { validation: 0.001 } }),
    UsageError,
    "reportedEpoch.validation, task digits: ",
  );
});

Deno.test("the work of a run is that of its losses", () => {
  const scenario: Scenario = { ...SCENARIO, ...SEQUENTIAL };
  const data = Object.fromEntries(
    fakeTasks(scenario).map((task) => [task.name, {
      ...task,
      train: { length: 100 }, // 4 steps of 32
    } as unknown as TaskData]),
  );
  const macs = (run: { scenario: Scenario }, task: number, level: number) =>
    networkCost(run.scenario, task, level, data[scenario.tasks[task]!.name]!).macs;
  const images = 4 * 128;
  const works = (name: string, of: Scenario) =>
    findMethod(name).runs(of).map((run) => ({ run, work: trainingWork(run, data) }));

  const [low, high] = works("baseline", SCENARIO);
  assertEquals(low!.work, images * 3 * macs(low!.run, 0, 1));
  assertEquals(high!.work, images * 3 * networkCost(high!.run.scenario, 0, 1, data.high!).macs);
  const [joint] = works("dvn", SCENARIO);
  const all = [[0, 1], [0, 2], [1, 1], [1, 2]].map(([t, l]) => macs(joint!.run, t!, l!));
  assertEquals(joint!.work, images * 3 * all.reduce((a, b) => a + b));
  const [lwf] = works("lwf", scenario);
  const [old, now] = [macs(lwf!.run, 0, 1), macs(lwf!.run, 1, 1)];
  // Task 1; the new head alone, forward; task 2 and the old network's answers.
  assertEquals(lwf!.work, images * 3 * old + 2 * 128 * now + images * (3 * now + 4 * old));
});

const SEQUENTIAL: Pick<Scenario, "sequential"> = {
  sequential: {
    firstStage: "full",
    temperature: 2,
    teacherLevel: "top",
    newTask: "copy",
    warmupEpochs: 2,
  },
};

Deno.test("the grid's time left is reckoned from what was done since it began", () => {
  let now = 0;
  const progress = new GridProgress(10, 1000, () => now);
  const place = { label: "packnet, seed 2", cellsDone: 5, done: 500, work: 100 };
  progress.enter(place);
  assertEquals(progress.label, "packnet, seed 2 (5 of 10 done)");
  assertStringIncludes(progress.bar(0, 100), " 50 %  5 of 10 done  packnet, seed 2");
  assert(!progress.bar(0, 100).includes("left"));
  progress.begin(0.5); // resumed halfway
  now = 10;
  // 25 in 10 s; 425 of 1000 are left.
  assertStringIncludes(
    progress.bar(0.75, 100),
    " 57 %  5 of 10 done  packnet, seed 2  2:50 min left  40 s a cell",
  );
  progress.enter({ ...place, label: "dvn, seed 3", cellsDone: 8, done: 850 }); // others did two
  now = 20;
  assertStringIncludes(progress.bar(0, 100), " 85 %  8 of 10 done  dvn, seed 3  10 s left");
  for (const columns of [20, 40, 60]) assert(progress.bar(0.1, columns).length < columns);
});

Deno.test("a cell that is done is one line", () => {
  const line = describeResult(fakeResult(CELLS[1]!), CELLS, 3);
  assertEquals(
    line,
    "3/6  baseline  seed 1  low 50.0 % to 60.0 %  high 70.0 % to 80.0 %  1:15 min",
  );
  const alone = { ...fakeResult(CELLS[0]!), networks: networks([0.5, 0.6, 0.7, 0.8]).slice(1, 3) };
  assertStringIncludes(describeResult(alone, CELLS, 3), "low 60.0 %  high 70.0 %  1:15 min");
});

Deno.test("the summary has mean and standard deviation over the seeds", () => {
  const results = [
    fakeResult(CELLS[0]!, [0.5, 0.6, 0.7, 0.8]),
    fakeResult(CELLS[3]!, [0.52, 0.6, 0.71, 0.9]),
    fakeResult(CELLS[1]!),
  ];
  assertEquals(
    renderSummary(results, ["dvn", "baseline", "packnet"]),
    `method    task  level   memory      accuracy  seeds
────────  ────  ─────  ───────  ────────────  ─────
dvn       low       1  41.7 kB  51.0 ± 1.4 %      2
                    2   163 kB  60.0 ± 0.0 %      2
          high      1  41.9 kB  70.5 ± 0.7 %      2
                    2   163 kB  85.0 ± 7.1 %      2
baseline  low       1  41.7 kB        50.0 %      1
                    2   163 kB        60.0 %      1
          high      1  41.9 kB        70.0 %      1
                    2   163 kB        80.0 %      1`,
  );
});

Deno.test("every scenario of the paper has its default methods", () => {
  for (const name of paperScenarioNames) assert(namesOf(name).length >= 4, name);
});
