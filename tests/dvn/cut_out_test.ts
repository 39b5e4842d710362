import { assert, assertEquals } from "@std/assert";
import { cutOut } from "../../dvn/cut_out.ts";
import type { TaskData } from "../../dvn/data.ts";
import { DeepVirtualNetwork } from "../../dvn/network.ts";
import type { Scenario } from "../../dvn/scenario.ts";
import { decodeSafeTensors, type SafeTensors } from "../../nn/safetensors.ts";
import { testGpu } from "../gpu.ts";
import * as reference from "../reference/mod.ts";
import { tinyScenario, tinyTask } from "./tiny.ts";

/** Three units of other widths, stages of two blocks; the second task's units join in another order. */
const SCENARIO = tinyScenario({
  backbone: { kind: "custom", widths: [8, 10], blocks: 2 },
  stem: { kernel: 3, channels: 7, outputSize: 4, sharing: "task" },
  units: 3,
  levels: [1, 2, 3],
});
const DATA: Record<string, TaskData> = { a: tinyTask(1), b: tinyTask(3, { side: 8 }) };
const COUNT = 3;

/** A network whose every array is random: scales near 1, variances above 0. */
async function randomNetwork(scenario: Scenario): Promise<DeepVirtualNetwork> {
  const net = await DeepVirtualNetwork.create(await testGpu(), scenario, DATA);
  let seed = 100;
  for (const [name, values] of await net.store.read()) {
    const noise = reference.random([values.length], seed++);
    const spread = /affine|running|scale/.test(name) ? 0.4 : 0.3;
    net.store.write(name, values.map((value, i) => value + spread * noise[i]!));
  }
  return net;
}

/** What the file alone says of some pictures: softmax probabilities, in float64. */
function run({ tensors, metadata }: SafeTensors, bytes: Uint8Array): Float64Array {
  const json = (name: string) => JSON.parse(metadata[name]!);
  const { height, width, channels, scale, shift } = json("input");
  const classes: string[] = json("classes");
  const blocks: { name: string; stride: 1 | 2; shortcut: number[] }[] = json("blocks");
  const array = (name: string) => Float64Array.from(tensors.get(name)!.data);
  const channelsOf = (name: string) => tensors.get(name)!.shape.at(-1)!;
  const norms = [
    "stem.bn",
    ...blocks.flatMap(({ name }, i) => i === 0 ? [`${name}.bn2`] : [`${name}.bn1`, `${name}.bn2`]),
    "final.bn",
  ];
  const logits = reference.residualNetworkInference(
    {
      shape: [bytes.length / (height * width * channels), height, width, channels],
      stem: {
        co: channelsOf("stem.conv.weight"),
        kernel: tensors.get("stem.conv.weight")!.shape[0]!,
        ...json("stem"),
      },
      blocks: blocks.map(({ name, stride, shortcut }) => ({
        co: channelsOf(`${name}.conv2.weight`),
        stride,
        map: Int32Array.from(shortcut),
      })),
      classes: classes.length,
      batchNorm: { epsilon: Number(metadata.epsilon), momentum: 0 },
    },
    {
      stem: array("stem.conv.weight"),
      convs: blocks.flatMap(({ name }) =>
        ["conv1", "conv2"].map((c) => array(`${name}.${c}.weight`))
      ),
      affines: norms.map((name) => array(`${name}.affine`)),
      headWeight: array("head.weight"),
      headBias: array("head.bias"),
    },
    norms.map((name) => array(`${name}.running`)),
    Float64Array.from(bytes, (byte, i) => byte * scale[i % channels] + shift[i % channels]),
  );
  return logits.map((_, i) => {
    const row = logits.subarray(i - i % classes.length, i - i % classes.length + classes.length);
    return Math.exp(logits[i]!) / row.reduce((sum, logit) => sum + Math.exp(logit), 0);
  });
}

for (const kind of ["private", "shared"] as const) {
  Deno.test(`cutOut() of one network holds its values alone, and they answer as it does, batch norm ${kind}`, async () => {
    const net = await randomNetwork({
      ...SCENARIO,
      batchNorm: { ...SCENARIO.batchNorm, affine: kind, statistics: kind },
    });
    for (const task of ["a", "b"]) {
      for (const level of [1, 2, 3]) {
        const virtual = net.virtual(task, { level });
        const { height, width, channels } = virtual;
        const images = Uint8Array.from({ length: COUNT * height * width * channels }, (_, i) => {
          return (i * 37 + 11 * level) % 256;
        });
        const file = decodeSafeTensors(await cutOut(virtual, { note: "kept" }));
        const values = [...file.tensors.values()].reduce((sum, { data }) => sum + data.length, 0);
        assertEquals(4 * values, virtual.cost.bytes);
        assertEquals(file.metadata.note, "kept");
        assertEquals(
          JSON.parse(file.metadata.units!),
          virtual.cost.units.toSorted((a, b) => a - b),
        );
        const got = run(file, images);
        const want = await virtual.predict(images);
        for (const [i, probability] of want.entries()) {
          assert(
            Math.abs(got[i]! - probability) < 1e-4,
            `${task}, level ${level}: ${got[i]} for ${probability}`,
          );
        }
      }
    }
    net.destroy();
  });
}

Deno.test("cutOut() of a network with hidden layers holds those too", async () => {
  const [a, b] = SCENARIO.tasks;
  const net = await randomNetwork({ ...SCENARIO, tasks: [{ ...a!, hidden: [6, 5] }, b!] });
  const virtual = net.virtual("a", { level: 2 });
  const { tensors } = decodeSafeTensors(await cutOut(virtual));
  const values = [...tensors.values()].reduce((sum, { data }) => sum + data.length, 0);
  assertEquals(4 * values, virtual.cost.bytes);
  assertEquals(tensors.get("hidden2.weight")!.shape, [6, 5]);
  assertEquals(tensors.get("head.weight")!.shape, [5, 3]);
  net.destroy();
});
