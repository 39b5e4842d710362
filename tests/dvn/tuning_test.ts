/** What kernels a run chose is kept in its checkpoint, and decides its bits. */
import { assert, assertEquals, assertNotEquals } from "@std/assert";
import type { TrainEvent } from "../../dvn/events.ts";
import { DeepVirtualNetwork } from "../../dvn/network.ts";
import type { Scenario } from "../../dvn/scenario.ts";
import { train, type TrainOptions } from "../../dvn/trainer.ts";
import type { Driver } from "../../nn/gpu/chooser.ts";
import { Gpu } from "../../nn/gpu/gpu.ts";
import type { Choices } from "../../nn/gpu/tuning.ts";
import { decodeSafeTensors } from "../../nn/safetensors.ts";
import { testGpu } from "../gpu.ts";
import { tinyData, tinyScenario } from "./tiny.ts";
import { lastCheckpoint, ofType, said } from "./training.ts";

/** Trains on a device of its own that makes these choices. */
async function trainOn(
  choices: Choices,
  scenario: Scenario,
  { stopAfter, driver, ...options }: TrainOptions & { stopAfter?: number; driver?: Driver } = {},
): Promise<{ events: TrainEvent[]; left: Choices }> {
  await testGpu(); // loads the driver
  const gpu = await Gpu.open({ limits: "default", choices, driver });
  const net = await DeepVirtualNetwork.create(gpu, scenario, tinyData);
  const events: TrainEvent[] = [];
  let steps = 0;
  const signal = {
    get aborted() {
      return steps++ === stopAfter; // asked before each step
    },
  } as AbortSignal;
  try {
    for await (const event of train(net, tinyData, { ...options, signal })) events.push(event);
    gpu.tuning.begin(); // where nothing is in use yet
    return { events, left: gpu.tuning.state.pinned };
  } finally {
    net.destroy();
    gpu.destroy();
  }
}

/** Other choices than the standard ones for all that a run asks for, by another rule for each seed. */
async function oddChoices(scenario: Scenario, seed: number): Promise<Choices> {
  const { events } = await trainOn({}, scenario);
  const { choices } = decodeSafeTensors(lastCheckpoint(events).weights).metadata;
  const entries = Object.entries(JSON.parse(choices!) as Choices);
  assert(entries.length > 6);
  return Object.fromEntries(entries.map(([key, choice], i) => {
    if (key.startsWith("dw")) return [key, { ...choice, splits: 1 + (i + seed) % 3 }];
    const tile = { rows: 4, columns: 1 };
    const isOdd = (i + seed) % 2 === 1 && key.endsWith("3x3 /1 pad 1");
    return [
      key,
      isOdd ? { algorithm: "winograd", tile, tiles: 4 } : { algorithm: "direct", tile },
    ];
  }));
}

const SCENARIO = tinyScenario();
SCENARIO.training.batchSize = 2;

Deno.test("a run resumed where other choices were measured since equals an unbroken one, bit for bit", async () => {
  const [own, others] = [await oddChoices(SCENARIO, 0), await oddChoices(SCENARIO, 1)];
  assertNotEquals(own, others);
  const { events: unbroken } = await trainOn(own, SCENARIO);
  const { events: before } = await trainOn(own, SCENARIO, { stopAfter: 5 });
  const checkpoint = lastCheckpoint(before);
  assertEquals(checkpoint.reason, "interrupt");
  const { events: after, left } = await trainOn(others, SCENARIO, { resume: checkpoint });
  assertEquals(said([...before, ...after]), said(unbroken));
  assertEquals(lastCheckpoint(after).weights, lastCheckpoint(unbroken).weights);
  assertEquals(lastCheckpoint(after).state, lastCheckpoint(unbroken).state);
  assertEquals(
    left,
    Object.fromEntries(Object.entries(others).sort()),
    "the device has its own again",
  );

  // And it would not without: other choices round otherwise.
  const { events: elsewhere } = await trainOn(others, SCENARIO);
  assertNotEquals(
    decodeSafeTensors(lastCheckpoint(elsewhere).weights).tensors,
    decodeSafeTensors(lastCheckpoint(unbroken).weights).tensors,
  );
});

Deno.test("what was pinned and not asked for by the checkpoint's step is kept for later", async () => {
  const pinned: Choices = {
    "forward 1x1x1x4 to 4, 1x1 /1 pad 0": { algorithm: "direct", tile: { rows: 1, columns: 1 } },
  };
  const { events } = await trainOn(pinned, SCENARIO, { stopAfter: 1 });
  const { metadata } = decodeSafeTensors(lastCheckpoint(events).state);
  assertEquals(JSON.parse(metadata.tuning!).pinned, pinned);
  const used = JSON.parse(metadata.tuning!).used;
  const weights = decodeSafeTensors(lastCheckpoint(events).weights);
  assertEquals(JSON.parse(weights.metadata.choices!), used);
  assert(Object.keys(used).length > 6);
  const { events: after } = await trainOn({}, SCENARIO, { resume: lastCheckpoint(events) });
  const final = decodeSafeTensors(lastCheckpoint(after).state).metadata.tuning!;
  assertEquals(JSON.parse(final), { pinned, used });
});

Deno.test("choices of another adapter are not taken over", async () => {
  const own = await oddChoices(SCENARIO, 0);
  const { events } = await trainOn(own, SCENARIO, { stopAfter: 1, driver: "swiftshader" });
  const { events: after } = await trainOn({}, SCENARIO, {
    resume: lastCheckpoint(events),
    driver: "lavapipe",
  });
  const { pinned, used } = JSON.parse(
    decodeSafeTensors(lastCheckpoint(after).state).metadata.tuning!,
  );
  assertEquals(pinned, {});
  assertNotEquals(used, Object.fromEntries(Object.entries(own).sort()));
});

Deno.test("the start event counts what was pinned", async () => {
  const own = await oddChoices(SCENARIO, 0);
  const started = async (choices: Choices) => {
    const { events } = await trainOn(choices, SCENARIO, { stopAfter: 0 });
    return ofType(events, "start")[0]!.tunedShapes;
  };
  assertEquals(await started(own), Object.keys(own).length);
  assertEquals(await started({}), 0);
});
