import { assert, assertEquals } from "@std/assert";
import type { LossTerm, Run } from "../../dvn/method.ts";
import { findMethod } from "../../dvn/methods/index.ts";
import { DeepVirtualNetwork } from "../../dvn/network.ts";
import type { Scenario } from "../../dvn/scenario.ts";
import { train } from "../../dvn/trainer.ts";
import { decodeSafeTensors } from "../../nn/safetensors.ts";
import { testGpu } from "../gpu.ts";
import { tinyData, tinyScenario, tinyTask } from "./tiny.ts";

const DATA = { ...tinyData, c: tinyTask(5) };
const IMAGES = new Uint8Array(5 * 16).map((_, i) => 13 * i % 256);
const SEQUENTIAL: Scenario["sequential"] = {
  firstStage: "full",
  temperature: 2,
  teacherLevel: "top",
  newTask: "copy",
  warmupEpochs: 0,
};

/** Tiny tasks a, b and c, one after another; decay is strong, so that it would show. */
function threeInSequence(change: Partial<Scenario> = {}): Scenario {
  const scenario = tinyScenario({ units: 3, levels: [1, 2, 3], sequential: SEQUENTIAL, ...change });
  scenario.tasks.push({ name: "c", dataset: "made" });
  scenario.training.weightDecay = 0.01;
  return scenario;
}

/** What a network holds, and what it answers. */
interface Snapshot {
  tensors: Map<string, Float32Array>;
  /** Class probabilities of each task's highest level. */
  answers: Record<string, Float32Array>;
}

/** Trains a run. @returns How it is before, and after each of its phases. */
async function snapshots(run: Run): Promise<Snapshot[]> {
  const gpu = await testGpu();
  const net = await DeepVirtualNetwork.create(gpu, run.scenario, DATA);
  const taken = [await snapshot(await net.weights())];
  let epochs = 0;
  const phaseEnds = run.phases.map((phase) => epochs += phase.epochs);
  for await (const event of train(net, DATA, { run, checkpointEvery: 1 })) {
    if (event.type !== "checkpoint" || !phaseEnds.includes(event.epoch)) continue;
    taken.push(await snapshot(event.weights));
  }
  net.destroy();
  assertEquals(taken.length, 1 + run.phases.length);
  return taken;
}

async function snapshot(weights: Uint8Array): Promise<Snapshot> {
  const net = await DeepVirtualNetwork.load(await testGpu(), weights);
  const answers: Snapshot["answers"] = {};
  for (const task of net.taskNames) {
    answers[task] = await net.virtual(task, { budget: Infinity }).predict(IMAGES);
  }
  net.destroy();
  const { tensors } = decodeSafeTensors(weights);
  return { tensors: new Map([...tensors].map(([name, { data }]) => [name, data])), answers };
}

async function finalTensors(run: Run): Promise<Snapshot["tensors"]> {
  return (await snapshots(run)).at(-1)!.tensors;
}

/** Names of the tensors that differ in any value. */
function changed(before: Snapshot, after: Snapshot): string[] {
  assertEquals([...after.tensors.keys()], [...before.tensors.keys()]);
  return [...before.tensors].filter(([name, values]) => {
    const now = after.tensors.get(name)!;
    return values.some((value, i) => !Object.is(value, now[i]));
  }).map(([name]) => name);
}

/** Tensors of some tasks alone. */
function ownTo(tasks: string[]): (name: string) => boolean {
  return (name) =>
    tasks.some((task) => name.startsWith(`${task}.`) || name.startsWith(`stem.${task}.`));
}

Deno.test("eq. (4) of one task is eq. (1): dvn trains the weights of nestednet-per-task, bit for bit", async () => {
  const both = tinyScenario();
  const alone = tinyScenario({ tasks: [both.tasks[1]!] });
  const [, nested] = findMethod("nestednet-per-task").runs(both);
  const [dvn] = findMethod("dvn").runs({ ...alone, units: 2, levels: [1, 2] });
  const tensors = await finalTensors(nested!);
  assert(tensors.has("b.level1.head.weight") && tensors.has("b.level2.head.weight"));
  assertEquals(tensors, await finalTensors(dvn!));
});

Deno.test("eq. (6) of one unit and one level is learning without forgetting, written out, bit for bit", async () => {
  const scenario = tinyScenario({ sequential: SEQUENTIAL });
  const [dvn] = findMethod("dvn").runs({
    ...scenario,
    ...{ units: 1, levels: [1], orders: [[1], [1]] },
  });
  const [lwf] = findMethod("lwf").runs(scenario);
  const keepA: LossTerm = {
    ...{ task: 0, level: 1, weight: 1, images: 1 },
    target: { kind: "old-network", level: 1, temperature: 2 },
  };
  const written: Run = {
    ...lwf!,
    phases: [
      { name: "a", epochs: 2, updates: [{ variants: [[{ task: 0, level: 1, weight: 1 }]] }] },
      {
        name: "b",
        epochs: 2,
        updates: [{ variants: [[keepA, { task: 1, level: 1, weight: 1 }]] }],
        copies: [{ from: { task: 0, level: 1 }, to: 1 }],
      },
    ],
  };
  const tensors = await finalTensors(written);
  assertEquals(await finalTensors(dvn!), tensors);
  assertEquals(await finalTensors(lwf!), tensors);
  // Distillation does something: without it the weights are others.
  const [fineTuning] = findMethod("fine-tuning").runs(scenario);
  assert(differs(await finalTensors(fineTuning!), tensors));
});

function differs(a: Snapshot["tensors"], b: Snapshot["tensors"]): boolean {
  return [...a].some(([name, values]) => values.some((value, i) => value !== b.get(name)![i]));
}

Deno.test("lwf's warm-up changes the new head alone", async () => {
  const sequential = { ...SEQUENTIAL!, newTask: "fresh" as const, warmupEpochs: 1 };
  const [run] = findMethod("lwf").runs(tinyScenario({ sequential }));
  const [, first, warm, last] = await snapshots(run!) as [Snapshot, Snapshot, Snapshot, Snapshot];
  assertEquals(changed(first, warm).sort(), ["b.level1.head.bias", "b.level1.head.weight"]);
  assert(changed(warm, last).includes("stage1.block1.conv1.weight"));
});

Deno.test("packnet: later tasks leave the earlier ones' tensors and answers as they are, bit for bit", async () => {
  const [run] = findMethod("packnet").runs(threeInSequence());
  const [start, a, b, c] = await snapshots(run!) as [Snapshot, Snapshot, Snapshot, Snapshot];
  for (const [before, after, old] of [[a, b, ["a"]], [b, c, ["a", "b"]]] as const) {
    const moved = changed(before, after);
    assertEquals(moved.filter(ownTo([...old])), []);
    // Of the trunk's weights, whose first block joins unit 1 to itself, the rest does learn.
    assert(moved.includes("stage2.block1.conv2.weight"));
    for (const task of old) assertEquals(after.answers[task], before.answers[task]);
  }
  assert(changed(start, a).includes("a.level1.stage2.block1.bn2.running"));
  // Channels of the units are 3, 2 and 1 of stage 2.
  const blocks = (snapshot: Snapshot) => {
    const weight = snapshot.tensors.get("stage2.block1.conv2.weight")!;
    const widths = [3, 2, 1];
    let at = 0;
    return widths.flatMap((out) => widths.map((input) => weight.slice(at, at += 9 * out * input)));
  };
  const kept = (before: Snapshot, after: Snapshot) =>
    blocks(after).flatMap((block, i) =>
      block.every((value, k) => Object.is(value, blocks(before)[i]![k])) ? [i] : []
    );
  assertEquals(kept(start, a), [1, 2, 3, 4, 5, 6, 7, 8]); // level 1 has unit 1 alone
  assertEquals(kept(a, b), [0, 2, 5, 6, 7, 8]); // level 2 adds unit 2, without touching (1, 1)
  assertEquals(kept(b, c), [0, 1, 3, 4]); // level 3 trains all that has unit 3
});

/** What later tasks learn. */
const NEW_LAYERS = { "feature-extraction": /\.head\./, "da-cnn": /\.(hidden[12]|head)\./ };
for (const [method, learnt] of Object.entries(NEW_LAYERS)) {
  Deno.test(`${method}: the trunk and the first task keep their bits; later tasks learn what follows`, async () => {
    const [run] = findMethod(method).runs(threeInSequence());
    const [start, a, b, c] = await snapshots(run!) as [Snapshot, Snapshot, Snapshot, Snapshot];
    assert(changed(start, a).includes("stage1.block1.conv1.weight"));
    for (const [before, after, task] of [[a, b, "b"], [b, c, "c"]] as const) {
      const moved = changed(before, after);
      assertEquals(moved.filter((name) => !ownTo([task])(name)), []);
      // Stem and batch norm have moved by becoming copies of task a's; what follows has learnt.
      for (const [name, values] of after.tensors) {
        if (!ownTo([task])(name)) continue;
        if (learnt.test(name)) assert(moved.includes(name), name);
        else assertEquals(values, a.tensors.get(name.replace(`${task}.`, "a.")), name);
      }
      assertEquals(after.answers.a, a.answers.a);
    }
  });
}

Deno.test("fine-tuning: the second task changes the first one's answers, though not what is its own", async () => {
  const [run] = findMethod("fine-tuning").runs(tinyScenario({ sequential: SEQUENTIAL }));
  const [, a, b] = await snapshots(run!) as [Snapshot, Snapshot, Snapshot];
  const moved = changed(a, b);
  assert(moved.includes("stage2.block1.conv2.weight"));
  assertEquals(moved.filter(ownTo(["a"])), []);
  assert(b.answers.a!.some((value, i) => value !== a.answers.a![i]));
});
