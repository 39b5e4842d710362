import { assert, assertEquals, assertNotEquals } from "@std/assert";
import type { TaskData } from "../../dvn/data.ts";
import { ImageOrder } from "../../dvn/image_order.ts";
import { featureExtraction } from "../../dvn/methods/feature_extraction.ts";
import { DeepVirtualNetwork } from "../../dvn/network.ts";
import { Recalibration } from "../../dvn/recalibration.ts";
import type { Scenario } from "../../dvn/scenario.ts";
import { train } from "../../dvn/trainer.ts";
import { decodeSafeTensors } from "../../nn/safetensors.ts";
import { testGpu } from "../gpu.ts";
import * as reference from "../reference/mod.ts";
import { tinyData, tinyScenario } from "./tiny.ts";
import { lastCheckpoint, ofType, SEQUENTIAL, trainFresh } from "./training.ts";

function scenarioOf(
  batchNorm: Partial<Scenario["batchNorm"]>,
  change: Partial<Scenario> = {},
): Scenario {
  const scenario = tinyScenario(change);
  return { ...scenario, batchNorm: { ...scenario.batchNorm, ...batchNorm } };
}

/** Trains a network to the end. The caller destroys it. */
async function trained(scenario: Scenario): Promise<DeepVirtualNetwork> {
  const net = await DeepVirtualNetwork.create(await testGpu(), scenario, tinyData);
  for await (const _ of train(net, tinyData));
  return net;
}

/** Names of the arrays in which two differ. */
function differing(a: Map<string, Float32Array>, b: Map<string, Float32Array>): string[] {
  return [...a].filter(([name, values]) =>
    values.some((value, i) => !Object.is(value, b.get(name)![i]))
  ).map(([name]) => name);
}

/** The statistics of all levels of a task measured anew, by hand. */
async function measure(
  net: DeepVirtualNetwork,
  task: number,
  shown: TaskData,
): Promise<Map<string, Float32Array>> {
  const recalibration = await Recalibration.create(net, task, [1, 2], task);
  recalibration.run(shown.train);
  recalibration.destroy();
  return await net.store.read();
}

Deno.test("recalibrated statistics do not depend on batchNorm.momentum; running ones do", async () => {
  for (const statistics of ["recalibrated", "private"] as const) {
    const images = new Uint8Array(9 * 16);
    tinyData.b!.test.read(new Uint32Array(9).map((_, i) => i), images, new Uint32Array(9));
    const results = [];
    for (const momentum of [0.5, 0.9]) {
      const net = await trained(scenarioOf({ statistics, momentum }));
      const answers = await net.virtual("b", { level: 1 }).predict(images);
      results.push({ arrays: await net.store.read(), answers });
      net.destroy();
    }
    const [low, high] = results as [typeof results[0], typeof results[0]];
    const names = [...low.arrays.keys()].filter((name) => name.endsWith(".running"));
    assertEquals(differing(low.arrays, high.arrays), statistics === "private" ? names : []);
    if (statistics === "private") assertNotEquals(low.answers, high.answers);
    else assertEquals(low.answers, high.answers);
  }
});

Deno.test("recalibrated statistics of the stem are the plain averages over batches, in float64", async () => {
  const scenario = scenarioOf({ statistics: "recalibrated" });
  const net = await DeepVirtualNetwork.create(await testGpu(), scenario, tinyData);
  const name = "stem.a.bn.running", channels = 5, batch = 4;
  net.store.write(name, new Float32Array(2 * channels).fill(100)); // to leave no trace
  const arrays = await measure(net, 0, tinyData.a!);

  const { scale: [scale], shift: [shift] } = net.tasks[0]!;
  const order = new ImageOrder(14, scenario.seed, "recalibrate a");
  const conv = { co: channels, kernel: 3, stride: 1, padding: 1 } as const;
  const sum = new Float64Array(2 * channels);
  for (let i = 0; i < 4; i++) { // all images once, two of them twice
    const bytes = new Uint8Array(batch * 16);
    tinyData.a!.train.read(order.indices(i, batch), bytes, new Uint32Array(batch));
    const images = Float64Array.from(bytes, (byte) => byte * scale! + shift!);
    const weight = Float64Array.from(arrays.get("stem.a.conv.weight")!);
    const maps = reference.conv2d(images, [batch, 4, 4, 1], weight, conv);
    const { running } = reference.batchNormTraining(
      maps,
      [batch, 4, 4, channels],
      new Float64Array(2 * channels),
      new Float64Array(2 * channels),
      { epsilon: 0, momentum: 0 },
    );
    running.forEach((value, c) => sum[c]! += value);
  }
  const want = sum.map((value) => value / 4);
  reference.assertClose(arrays.get(name)!, want, { rtol: 1e-5, atol: 1e-5 });
  net.destroy();
});

for (const sharing of ["task", "size"] as const) {
  Deno.test(`after training, statistics are those of the weights that it ends with: stems of sharing "${sharing}"`, async () => {
    const { stem } = tinyScenario();
    const net = await trained(
      scenarioOf({ statistics: "recalibrated", affine: "shared" }, { stem: { ...stem, sharing } }),
    );
    const arrays = await net.store.read();
    for (const [task, name] of net.taskNames.entries()) {
      assertEquals(differing(arrays, await measure(net, task, tinyData[name]!)), []);
    }
    net.destroy();
  });
}

Deno.test("a task whose images are gone is measured on those of the new one", async () => {
  const scenario = scenarioOf({ statistics: "recalibrated" }, { sequential: SEQUENTIAL });
  const net = await trained(scenario);
  const arrays = await net.store.read();
  const recalibration = await Recalibration.create(net, 0, [1, 2], 1);
  recalibration.run(tinyData.b!.train);
  assertEquals(differing(arrays, await net.store.read()), []);
  recalibration.destroy();
  const changed = differing(arrays, await measure(net, 0, tinyData.a!));
  assert(changed.includes("a.level1.final.bn.running"));
  net.destroy();
});

Deno.test("frozen features keep the statistics that their heads have learnt with", async () => {
  const scenario = scenarioOf({ statistics: "recalibrated" }, { sequential: SEQUENTIAL });
  const [run] = featureExtraction.runs(scenario);
  const events = await trainFresh(run!.scenario, { run: run! });
  const { tensors } = decodeSafeTensors(lastCheckpoint(events).weights);
  const measured = [...tensors.keys()].filter((name) => /^(stem\.)?b\..*\.running$/.test(name));
  assertEquals(measured.length, 1 + 4);
  for (const name of measured) {
    const ofA = tensors.get(name.replace(/(^|\.)b\./, "$1a."))!.data;
    assertEquals(tensors.get(name)!.data, ofA, name);
  }
  // The first task is scored on, though nothing of it learns.
  const scored = ofType(events, "evaluation")
    .map(({ networks }) => networks.map(({ task }) => task).join());
  assertEquals(scored, ["a", "a", "a,b", "a,b"]);
});
