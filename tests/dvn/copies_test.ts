import { assertEquals, assertNotEquals, assertRejects } from "@std/assert";
import type { TaskData } from "../../dvn/data.ts";
import { DeepVirtualNetwork } from "../../dvn/network.ts";
import type { Scenario } from "../../dvn/scenario.ts";
import { testGpu } from "../gpu.ts";
import { tinyData, tinyScenario, tinyTask } from "./tiny.ts";
import { lastCheckpoint, ofType, said, trainFresh } from "./training.ts";

/** Three units; task a adds them as 1, 2, 3, task b as 2, 1, 3. */
function threeUnits(change: Partial<Scenario> = {}): Scenario {
  return tinyScenario({ units: 3, levels: [1, 2, 3], ...change });
}

/** Channels of each unit, in the layers of stage 1 and 2. */
const WIDTHS = [[1, 2, 2], [2, 2, 2]];

const ORDER = { a: [0, 1, 2], b: [1, 0, 2] };

/** A network all of whose numbers are different, and those numbers. */
async function numberedNetwork(
  scenario: Scenario,
  data: Record<string, TaskData> = tinyData,
): Promise<{ net: DeepVirtualNetwork; arrays: Map<string, Float32Array> }> {
  const net = await DeepVirtualNetwork.create(await testGpu(), scenario, data);
  const { store } = net;
  let next = 1;
  for (const { name, length } of [...store.params.values(), ...store.states.values()]) {
    store.write(name, new Float32Array(length).map(() => next++));
  }
  return { net, arrays: await store.read() };
}

/** The two numbers of each channel of one unit, of an array of the units of a level. */
function ofUnit(
  array: Float32Array,
  widths: number[],
  task: keyof typeof ORDER,
  level: number,
  unit: number,
): Float32Array[] {
  const active = ORDER[task].slice(0, level).sort();
  const width = (units: number[]) => units.reduce((sum, unit) => sum + widths[unit]!, 0);
  assertEquals(array.length, 2 * width(active));
  const start = width(active.filter((other) => other < unit));
  return [0, width(active)].map((row) => array.subarray(row + start, row + start + widths[unit]!));
}

Deno.test("copyTask() copies the stem, and batch norm of the units that both have; the rest keeps its bits", async () => {
  const { net, arrays: before } = await numberedNetwork(threeUnits());
  await net.copyTask({ task: 0, level: 2 }, 1);
  const after = await net.store.read();
  net.destroy();
  let units = 0;
  for (const [name, array] of before) {
    const now = after.get(name)!;
    const norm = name.match(
      /^b\.level(\d)\.(stage(\d)\.block1\.bn\d|final\.bn)\.(affine|running)$/,
    );
    if (name.startsWith("stem.b.")) {
      assertEquals(now, before.get(name.replace("stem.b.", "stem.a.")), name);
    } else if (norm) {
      const [, level, layer, stage = "2", kind] = norm;
      // The first batch norm of a stage's first block is over the stage before.
      const widths = WIDTHS[layer === "stage2.block1.bn1" ? 0 : Number(stage) - 1]!;
      const source = before.get(`a.level2.${layer}.${kind}`)!;
      for (const unit of ORDER.b.slice(0, Number(level))) {
        const isShared = unit < 2;
        const want = isShared
          ? ofUnit(source, widths, "a", 2, unit)
          : ofUnit(array, widths, "b", Number(level), unit);
        assertEquals(ofUnit(now, widths, "b", Number(level), unit), want, `${name}, unit ${unit}`);
        units++;
      }
    } else assertEquals(now, array, name);
  }
  assertEquals(units, (1 + 2 + 3) * 4 * 2); // of three levels, in four layers, affine and running
});

Deno.test("copyTask() leaves what tasks share alone", async () => {
  const copied = async (change: Partial<Scenario>) => {
    const { net, arrays } = await numberedNetwork(threeUnits(change));
    await net.copyTask({ task: 0, level: 3 }, 1);
    const after = await net.store.read();
    net.destroy();
    return [...arrays].filter(([name, values]) =>
      values.some((value, i) => value !== after.get(name)![i])
    ).map(([name]) => name);
  };
  const { stem, batchNorm } = tinyScenario();
  const sharedNorm: Scenario["batchNorm"] = {
    ...batchNorm,
    affine: "shared",
    statistics: "shared",
  };
  const ofStem = ["stem.b.conv.weight", "stem.b.bn.affine", "stem.b.bn.running"];
  assertEquals(await copied({ batchNorm: sharedNorm }), ofStem);
  assertEquals(
    await copied({ batchNorm: sharedNorm, stem: { ...stem, sharing: "size" } }),
    [],
  );
  const own = await copied({ stem: { ...stem, sharing: "size" } });
  assertEquals(own.filter((name) => name.startsWith("stem.")), ["stem.b.bn.running"]);
  assertEquals(own.filter((name) => !name.startsWith("b.level")), ["stem.b.bn.running"]);
});

Deno.test("copyTask() between levels of units that the two do not share copies the stem alone", async () => {
  const { net, arrays } = await numberedNetwork(threeUnits());
  await net.copyTask({ task: 0, level: 1 }, 1); // unit 1, which level 1 of task b has not
  const after = await net.store.read();
  net.destroy();
  const name = "final.bn.affine";
  assertEquals(after.get(`b.level1.${name}`), arrays.get(`b.level1.${name}`));
  assertNotEquals(after.get(`b.level2.${name}`), arrays.get(`b.level2.${name}`));
  assertEquals(after.get("stem.b.conv.weight"), arrays.get("stem.a.conv.weight"));
});

Deno.test("copyTask() refuses a stem for pictures of another number of channels", async () => {
  const data = { ...tinyData, b: { ...tinyTask(3), channels: 3 } };
  const { net, arrays } = await numberedNetwork(threeUnits(), data);
  await assertRejects(
    () => net.copyTask({ task: 0, level: 3 }, 1),
    RangeError,
    "task b cannot begin with the stem of task a, since its pictures have 3 channels and not 1; let " +
      "new tasks begin fresh",
  );
  assertEquals(await net.store.read(), arrays);
  net.destroy();
});

/** Tasks a and b of 4x4 pictures, c of 8x8. */
const SIZES: Record<string, TaskData> = {
  ...tinyData,
  c: tinyTask(5, { side: 8 }),
};

Deno.test('stems of sharing "size" are one for each shape of pictures; weights and runs can be restored', async () => {
  const { stem, tasks, batchNorm } = tinyScenario();
  const scenario = tinyScenario({
    units: 3,
    levels: [3],
    tasks: [...tasks, { name: "c", dataset: "made" }],
    stem: { ...stem, sharing: "size" },
  });
  const statistics = { ...batchNorm, statistics: "shared" } as const;
  const stems = async (scenario: Scenario) => {
    const net = await DeepVirtualNetwork.create(await testGpu(), scenario, SIZES);
    const names = [...net.store.params.keys(), ...net.store.states.keys()];
    net.destroy();
    return names.filter((name) => name.startsWith("stem.")).sort();
  };
  const learnt = ["4x4x1", "8x8x1"]
    .flatMap((shape) => [`stem.${shape}.bn.affine`, `stem.${shape}.conv.weight`]);
  const measured = (...stems: string[]) => stems.map((name) => `stem.${name}.bn.running`);
  assertEquals(await stems(scenario), [...learnt, ...measured("a", "b", "c")].sort());
  assertEquals(
    await stems({ ...scenario, batchNorm: statistics }),
    [...learnt, ...measured("4x4x1", "8x8x1")].sort(),
  );

  const unbroken = await trainFresh(scenario, { data: SIZES });
  const before = await trainFresh(scenario, { data: SIZES, stopAfter: 3 });
  const after = await trainFresh(scenario, { data: SIZES, resume: lastCheckpoint(before) });
  assertEquals(said([...before, ...after]), said(unbroken));
  assertEquals(lastCheckpoint(after).weights, lastCheckpoint(unbroken).weights);
  const loaded = await DeepVirtualNetwork.load(await testGpu(), lastCheckpoint(after).weights);
  const [evaluation] = ofType(after, "evaluation").slice(-1);
  for (const { task, level, accuracy } of evaluation!.networks.slice(0, 2)) {
    const images = new Uint8Array(9 * 16), labels = new Uint32Array(9);
    SIZES[task]!.test.read(labels.map((_, i) => i), images, labels);
    const answers = await loaded.virtual(task, { level }).predict(images);
    const hits = labels.filter((label, i) => {
      const row = [...answers.subarray(3 * i, 3 * i + 3)];
      return row.indexOf(Math.max(...row)) === label;
    });
    assertEquals(hits.length / 9, accuracy);
  }
  loaded.destroy();
});
