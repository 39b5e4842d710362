import { assert, assertEquals, assertRejects } from "@std/assert";
import type { Phase, Run } from "../../dvn/method.ts";
import { dvnMethod } from "../../dvn/methods/dvn.ts";
import { DeepVirtualNetwork } from "../../dvn/network.ts";
import type { Scenario } from "../../dvn/scenario.ts";
import { train } from "../../dvn/trainer.ts";
import { has16Bit } from "../../nn/gpu/gpu.ts";
import { decodeSafeTensors } from "../../nn/safetensors.ts";
import { testGpu } from "../gpu.ts";
import { tinyData, tinyScenario } from "./tiny.ts";
import { type Checkpoint, lastCheckpoint, ofType, said, trainFresh } from "./training.ts";

Deno.test("train() tells start, steps, evaluations and epochs in order, then a checkpoint and the end", async () => {
  const events = await trainFresh(tinyScenario());
  assertEquals(
    events.map(({ type }) => type),
    [
      "start",
      "phase",
      ...["step", "step", "step", "step", "evaluation", "epoch"],
      ...["step", "step", "step", "step", "evaluation", "epoch"],
      ...["checkpoint", "end"],
    ],
  );
  const start = ofType(events, "start")[0]!;
  assertEquals([start.steps, start.firstStep, start.epochs], [8, 0, 2]);
  assertEquals(start.networks.length, 4);
  const evaluation = ofType(events, "evaluation").at(-1)!;
  assertEquals(evaluation.networks.map(({ count }) => count), [9, 9, 9, 9]);
});

Deno.test("train() learns to tell the classes of images it has not seen", async () => {
  const scenario = tinyScenario({ augmentation: { pad: 0, flip: true } });
  Object.assign(scenario.training, {
    batchSize: 8,
    epochs: 30,
    learningRate: 0.1,
    schedule: { kind: "cosine" },
  });
  const { networks } = ofType(await trainFresh(scenario), "evaluation").at(-1)!;
  for (const { task, level, accuracy } of networks) {
    assert(
      accuracy > 0.8,
      `task ${task} level ${level}: ${accuracy}, by chance 0.33`,
    );
  }
});

Deno.test("one seed gives one result, bit for bit; another seed another", async () => {
  const [first, again] = [await trainFresh(tinyScenario()), await trainFresh(tinyScenario())];
  assertEquals(said(again), said(first));
  assertEquals(lastCheckpoint(again).weights, lastCheckpoint(first).weights);
  assertEquals(lastCheckpoint(again).state, lastCheckpoint(first).state);
  const other = await trainFresh(tinyScenario({ seed: 8 }));
  assert(JSON.stringify(said(other)) !== JSON.stringify(said(first)));
});

for (const stopAt of [1, 3, 4]) {
  Deno.test(`a run stopped at step ${stopAt} and resumed equals an unbroken one, bit for bit`, async () => {
    // Three steps between reports, so that a stop falls between two.
    const scenario = tinyScenario();
    scenario.training.batchSize = 1;
    const unbroken = await trainFresh(scenario);
    const before = await trainFresh(scenario, { stopAfter: stopAt });
    const checkpoint = lastCheckpoint(before);
    assertEquals([checkpoint.reason, checkpoint.step], ["interrupt", stopAt]);
    const after = await trainFresh(scenario, { resume: checkpoint });
    assertEquals(said([...before, ...after]), said(unbroken));
    assertEquals(
      lastCheckpoint(after).weights,
      lastCheckpoint(unbroken).weights,
    );
    assertEquals(lastCheckpoint(after).state, lastCheckpoint(unbroken).state);
  });
}

/** Its activations in 16 bits. */
function halfScenario(change: Partial<Scenario["training"]> = {}): Scenario {
  const scenario = tinyScenario();
  Object.assign(scenario.training, { activations: "f16", ...change });
  return scenario;
}

const withoutHalves = !has16Bit(await testGpu());

Deno.test({
  name: "with 16-bit activations a run stopped and resumed equals an unbroken one, bit for bit",
  ignore: withoutHalves,
  fn: async () => {
    const unbroken = await trainFresh(halfScenario());
    const before = await trainFresh(halfScenario(), { stopAfter: 3 });
    const after = await trainFresh(halfScenario(), { resume: lastCheckpoint(before) });
    assertEquals(said([...before, ...after]), said(unbroken));
    assertEquals(lastCheckpoint(after).weights, lastCheckpoint(unbroken).weights);
    assertEquals(lastCheckpoint(after).state, lastCheckpoint(unbroken).state);
    const { metadata } = decodeSafeTensors(lastCheckpoint(unbroken).state);
    const { skippedUpdates } = ofType(unbroken, "step").at(-1)!;
    const [, clean, overflows, skipped] = JSON.parse(metadata.lossScale!);
    assertEquals([clean + skipped, overflows, skipped], [8, 0, skippedUpdates]);
    // It is another run than that of 32 bits.
    const full = ofType(await trainFresh(tinyScenario()), "step");
    assertEquals(full.at(-1)!.skippedUpdates, undefined);
    assert(full[3]!.loss !== ofType(unbroken, "step")[3]!.loss);
  },
});

Deno.test({
  name: "16-bit activations learn what 32-bit ones do",
  ignore: withoutHalves,
  fn: async () => {
    const change = { batchSize: 8, epochs: 30, learningRate: 0.1, schedule: { kind: "cosine" } };
    const accuracies: number[] = [];
    for (const activations of ["f32", "f16"] as const) {
      const scenario = halfScenario({ ...change, activations } as Scenario["training"]);
      scenario.augmentation = { pad: 0, flip: true };
      const { networks } = ofType(await trainFresh(scenario), "evaluation").at(-1)!;
      accuracies.push(networks.reduce((sum, { accuracy }) => sum + accuracy / 4, 0));
    }
    // Of 36 answers each may have two more that are wrong.
    assert(accuracies[1]! > accuracies[0]! - 0.06, `${accuracies}, f32 and f16`);
    assert(accuracies[1]! > 0.8, `${accuracies}`);
  },
});

Deno.test("a finished run can be resumed: it has nothing left to do", async () => {
  const events = await trainFresh(tinyScenario());
  const resumed = await trainFresh(tinyScenario(), { resume: lastCheckpoint(events) });
  assertEquals(resumed.map(({ type }) => type), ["start", "phase", "checkpoint", "end"]);
  assertEquals(lastCheckpoint(resumed).weights, lastCheckpoint(events).weights);
});

Deno.test("resume refuses weights and state of two checkpoints, of another run or scenario", async () => {
  const events = await trainFresh(tinyScenario(), { checkpointEvery: 1 });
  const [early, late] = ofType(events, "checkpoint") as [Checkpoint, Checkpoint];
  await assertRejects(
    () => trainFresh(tinyScenario(), { resume: { weights: early.weights, state: late.state } }),
    RangeError,
    "train: weights (method dvn, run all, step 4) and training state (method dvn, run all, step 8) " +
      "must be the two files of one checkpoint of method dvn, run all",
  );
  const [dvn] = dvnMethod.runs(tinyScenario());
  await assertRejects(
    () => trainFresh(tinyScenario(), { run: { ...dvn!, name: "b" }, resume: early }),
    RangeError,
    "train: weights (method dvn, run all, step 4) and training state (method dvn, run all, step 4) " +
      "must be the two files of one checkpoint of method dvn, run b",
  );
  const longer = tinyScenario();
  longer.training.epochs = 9;
  await assertRejects(
    () => trainFresh(longer, { resume: early }),
    RangeError,
    "train: the checkpoint is of another scenario than the network; resume with the scenario that " +
      "it was trained with",
  );
});

Deno.test("phases run one after another; blocks that one freezes keep their bits", async () => {
  const gpu = await testGpu();
  const net = await DeepVirtualNetwork.create(gpu, tinyScenario(), tinyData);
  const unitTwo = (block: number) => block === 3; // block (1, 1) of two by two units
  const [run] = dvnMethod.runs(tinyScenario());
  const frozen: Phase["frozen"] = ({ layout }, block) =>
    layout?.inWidths.length === 2 && unitTwo(block);
  const joint = { ...run!.phases[0]!, epochs: 1 };
  const twoPhases: Run = {
    ...run!,
    method: "two phases",
    phases: [joint, { ...joint, name: "frozen", frozen }],
  };
  const checkpoints: Checkpoint[] = [];
  for await (
    const event of train(net, tinyData, {
      run: twoPhases,
      checkpointEvery: 1,
    })
  ) {
    if (event.type === "checkpoint") checkpoints.push(event);
  }
  assertEquals(checkpoints.map(({ step }) => step), [4, 8]);
  const [before, after] = await Promise.all(
    checkpoints.map(({ weights }) => DeepVirtualNetwork.load(gpu, weights)),
  );
  const [old, now] = [await before!.store.read(), await after!.store.read()];
  const name = "stage2.block1.conv2.weight"; // units of 3 and 3 channels: four blocks of 81
  assertEquals(now.get(name)!.subarray(243), old.get(name)!.subarray(243));
  for (const block of [0, 1, 2]) {
    const range = [block * 81, (block + 1) * 81] as const;
    assert(
      now.get(name)!.subarray(...range).some((value, i) =>
        value !== old.get(name)!.subarray(...range)[i]
      ),
      `block ${block} should have moved`,
    );
  }
  for (const each of [net, before!, after!]) each.destroy();
});

Deno.test("training holds all its memory from the start, and gives it back", async () => {
  const gpu = await testGpu();
  const empty = gpu.bytesHeld;
  const held = new Set<number>();
  await trainFresh(tinyScenario(), { onEvent: () => held.add(gpu.bytesHeld) });
  assertEquals(held.size, 1);
  assertEquals(gpu.bytesHeld, empty);
});

for (
  const [kind, field] of [["parameters", "affine"], [
    "statistics",
    "statistics",
  ]] as const
) {
  Deno.test(`shared batch-norm ${kind} train too`, async () => {
    const scenario = tinyScenario();
    scenario.batchNorm[field] = "shared";
    const events = await trainFresh({
      ...scenario,
      training: { ...scenario.training, epochs: 8 },
    });
    const steps = ofType(events, "step");
    assert(
      steps.at(-1)!.loss < steps[0]!.loss,
      `${steps[0]!.loss} to ${steps.at(-1)!.loss}`,
    );
  });
}
