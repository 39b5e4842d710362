import { testGpu } from "../gpu.ts";
import { cases } from "./cases.ts";
import { runCase } from "./harness.ts";

for (const opCase of cases) {
  Deno.test(opCase.name, async () => await runCase(opCase, await testGpu()));
}

// The other tile sizes, and buffers where software reads through textures.
for (const opCase of cases) {
  Deno.test(`${opCase.name}, as tuned for GPUs`, async () => {
    await runCase(opCase, await testGpu("gpu"));
  });
}
