/** Deep virtual networks on all of the paper's scenarios, on real pictures, at the smallest scale. */
import { paperScenarioNames } from "../../dvn/scenarios/index.ts";
import { checkAnswers, smallScenario, testOn, trainMethod } from "./training.ts";

for (const name of paperScenarioNames) {
  const scenario = smallScenario(name);
  await testOn(scenario, `${name}: losses fall, and answers beat guessing`, async () => {
    for (const trained of await trainMethod("dvn", scenario)) checkAnswers(trained);
  });
}
