import { testGpu } from "../gpu.ts";
import { cases } from "./cases.ts";
import { runCase } from "./harness.ts";

for (const opCase of cases) {
  Deno.test(opCase.name, async () => await runCase(opCase, await testGpu(opCase.driver)));
}
