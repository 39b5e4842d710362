/** The methods that DVN is compared with, and its ablations, on real pictures at the smallest scale. */
import { assert, assertEquals } from "@std/assert";
import { ablationNames, methodNames } from "../../dvn/methods/index.ts";
import { checkAnswers, smallScenario, testOn, type Trained, trainMethod } from "./training.ts";

/** Where each is tried: J1 and H1 train jointly, S1 in sequence; sandwiches need J2's four levels. */
const SCENARIO: Record<string, string> = {
  baseline: "J1",
  "baseline-narrow": "H1",
  nestednet: "J1",
  "nestednet-per-task": "H1",
  packnet: "J1",
  lwf: "S1",
  "feature-extraction": "S1",
  "da-cnn": "S1",
  "fine-tuning": "S1",
  "dvn-sandwich": "J2",
};

Deno.test("every method is tried", () => {
  const others = ["dvn", ...ablationNames];
  assertEquals(
    methodNames.filter((name) => !(name in SCENARIO) && !others.includes(name)),
    [],
  );
});

for (const method of methodNames.filter((name) => name !== "dvn")) {
  const name = SCENARIO[method] ?? "H1";
  const scenario = smallScenario(name);
  await testOn(
    scenario,
    `${method} on ${name}: losses fall, and answers beat guessing`,
    async () => {
      for (const trained of await trainMethod(method, scenario)) {
        checkAnswers(trained);
        if (["packnet", "feature-extraction", "da-cnn"].includes(method)) checkKept(trained);
      }
    },
  );
}

{
  const scenario = smallScenario("S1");
  await testOn(scenario, "nestednet on S1: losses fall, and answers beat guessing", async () => {
    for (const trained of await trainMethod("nestednet", scenario)) checkAnswers(trained);
  });
}

/** The first task's scores are, to the bit, what they were before the second was learnt. */
function checkKept({ run, phases }: Trained): void {
  const first = run.scenario.tasks[0]!.name;
  const scores = phases.map(({ test }) => test.filter(({ task }) => task === first));
  assert(scores[0]!.length > 0);
  assertEquals(scores.at(-1), scores[0]);
}
