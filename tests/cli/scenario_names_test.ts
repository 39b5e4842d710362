/** Scenarios by name, and their sizes, on the command line. */
import { assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { UsageError } from "../../cli/args.ts";
import { main as train } from "../../cli/train.ts";
import { createNetwork } from "../../cli/train_run.ts";
import { dvnMethod } from "../../dvn/methods/dvn.ts";
import type { Scenario } from "../../dvn/scenario.ts";
import { builtInScenario } from "../../dvn/scenarios/index.ts";
import type { Gpu } from "../../nn/gpu/gpu.ts";
import { scaleScenario, withEpochs } from "../../dvn/scenarios/scale.ts";

/** What --print-scenario prints. */
async function printed(...args: string[]): Promise<Scenario> {
  const log = console.log;
  const lines: string[] = [];
  console.log = (line: string) => lines.push(line);
  try {
    assertEquals(await train([...args, "--print-scenario"]), 0);
  } finally {
    console.log = log;
  }
  return JSON.parse(lines.join("\n"));
}

Deno.test("train takes a scenario's name in any case, and a scale", async () => {
  const j3 = builtInScenario("J3");
  assertEquals(await printed("j3"), j3);
  assertEquals(await printed("J3", "--scale", "paper"), j3);
  const ci = scaleScenario(j3, "ci");
  assertEquals(await printed("J3", "--scale", "ci"), ci);
  assertEquals(
    await printed("J3", "--scale", "ci", "--epochs", "10", "--seed", "4"),
    { ...ci, seed: 4, training: withEpochs(ci.training, 10) },
  );
});

Deno.test("train --f16 stores activations in 16 bits, where the adapter can", async () => {
  const scenario = await printed("--f16");
  assertEquals(scenario.training.activations, "f16");
  assertEquals((await printed()).training.activations, "f32");
  const old = { device: { features: new Set() }, describe: () => "old GPU, gpu" };
  const [run] = dvnMethod.runs(scenario);
  const error = await assertRejects(
    () => createNetwork(old as unknown as Gpu, run!, {}),
    UsageError,
  );
  assertEquals(
    error.message,
    "activations in 16 bits need an adapter with shader-f16, and this is old GPU, gpu; leave out " +
      '--f16, or "activations" of the scenario\'s training',
  );
});

const MISTAKES: [args: string[], message: string][] = [
  [
    ["J4"],
    'no built-in scenario is named "J4"; there are digits, J1, J2, J3, J3-thirds, H1, S1, S2; or give a .json file',
  ],
  [
    ["J1", "--scale", "tiny"],
    '--scale must be one of paper, gpu-30min, cpu-30min, ci; got "tiny"',
  ],
  [
    ["--scale", "ci"],
    "--scale is for the scenarios of the paper (J1, J2, J3, J3-thirds, H1, S1, S2); digits says its own size",
  ],
  [["mine.json", "--scale", "ci"], "mine.json says its own size"],
  [["--resume", "runs/none", "--scale", "ci"], "leave out --scale"],
  [["--resume", "runs/none", "--f16"], "leave out --f16"],
];
for (const [args, message] of MISTAKES) {
  Deno.test(`train ${args.join(" ")}: ${message}`, async () => {
    const error = await assertRejects(() => train(args), UsageError);
    assertStringIncludes((error as UsageError).message, message);
  });
}
