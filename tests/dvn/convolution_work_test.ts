import { assert, assertEquals } from "@std/assert";
import { convolutionWork, shapesOf } from "../../dvn/convolution_work.ts";
import { findMethod } from "../../dvn/methods/index.ts";
import { DeepVirtualNetwork } from "../../dvn/network.ts";
import type { Scenario } from "../../dvn/scenario.ts";
import { train } from "../../dvn/trainer.ts";
import { Gpu } from "../../nn/gpu/gpu.ts";
import { shapeKey } from "../../nn/gpu/tuning.ts";
import { testGpu } from "../gpu.ts";
import { tinyData, tinyScenario } from "./tiny.ts";
import { SEQUENTIAL } from "./training.ts";

/** Work of a method's first run, and what its training and its networks then really ask for. */
async function recordedAndAsked(method: string, scenario: Scenario) {
  await testGpu(); // loads the driver
  const gpu = await Gpu.open({ limits: "default" });
  const [run] = findMethod(method).runs(scenario);
  const net = await DeepVirtualNetwork.create(gpu, run!.scenario, tinyData);
  try {
    const held = [gpu.bytesHeld, gpu.pipelineCount];
    const work = convolutionWork(net, run!);
    assertEquals([gpu.bytesHeld, gpu.pipelineCount], held, "nothing is compiled");
    assertEquals(gpu.tuning.shapes, [], "and nothing counts as in use");
    for await (const _ of train(net, tinyData, { run })) { /* to the end */ }
    for (const { task, level } of net.costs()) {
      const virtual = net.virtual(task, { level });
      for (const count of [1, 3]) await virtual.predict(new Uint8Array(count * 16));
    }
    return { work, asked: gpu.tuning.shapes.map(shapeKey) };
  } finally {
    net.destroy();
    gpu.destroy();
  }
}

const SEQUENTIAL_SCENARIO = { sequential: SEQUENTIAL };

for (
  const [method, change] of [
    ["dvn", {}],
    ["dvn", SEQUENTIAL_SCENARIO],
    ["lwf", SEQUENTIAL_SCENARIO],
    ["feature-extraction", SEQUENTIAL_SCENARIO],
    ["packnet", {}],
    ["dvn", { training: { ...tinyScenario().training, levelSampling: "sandwich" } }],
  ] as [string, Partial<Scenario>][]
) {
  const name = `${method}${"sequential" in change ? ", one task after another" : ""}` +
    ("training" in change ? ", levels drawn" : "");
  Deno.test(`all that training and predicting ask for is recorded before: ${name}`, async () => {
    const { work, asked } = await recordedAndAsked(method, tinyScenario(change));
    assertEquals(shapesOf(work).map(shapeKey).sort(), asked.sort());
  });
}

Deno.test("a step's work counts each convolution as often as the step has it", async () => {
  const { work } = await recordedAndAsked("dvn", tinyScenario());
  assertEquals(work.map(({ what }) => what), [
    "a training step",
    "inference of all levels, batch 1",
    "inference of all levels, batch 32",
  ]);
  const count = (index: number, pass: string) =>
    work[index]!.uses.filter(({ shape }) => shape.pass === pass)
      .reduce((total, { count }) => total + count, 0);
  // Two tasks of two levels: four trunks of four convolutions, and two stems, which need no dx; at
  // inference each network has its own.
  assertEquals(["forward", "dw", "dx"].map((pass) => count(0, pass)), [18, 18, 16]);
  for (const index of [1, 2]) {
    assertEquals(["forward", "dw", "dx"].map((pass) => count(index, pass)), [20, 0, 0]);
    assert(work[index]!.uses.every(({ shape }) => shape.n === [1, 32][index - 1]));
  }
});
