import type { Method, Phase } from "../method.ts";
import { headLosses } from "./losses.ts";
import { fullNetwork } from "./networks.ts";
import { sequentialOnly, type SequentialScenario, stages } from "./stages.ts";

/** The first task's network, frozen; each later task learns a linear head on its features. */
export const featureExtraction: Method = {
  name: "feature-extraction",
  description: "the first task's network, frozen, with a new head for each later task",
  runs(scenario) {
    const network = fullNetwork(sequentialOnly("feature-extraction", scenario));
    const phases = featurePhases(network);
    return [{ method: "feature-extraction", name: "all", scenario: network, phases }];
  },
};

/** The first task as ever; then of each later one what follows the features of the first. */
export function featurePhases(network: SequentialScenario): Phase[] {
  return stages(network).map(({ name, epochs, updates }, task) => {
    if (task === 0) return { name, epochs, updates };
    return {
      name,
      epochs,
      updates: [{ variants: [headLosses(network, task)] }],
      copies: [{ from: { task: 0, level: 1 }, to: task }],
    };
  });
}
