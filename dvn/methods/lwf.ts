import type { Method, Phase } from "../method.ts";
import { headLosses } from "./losses.ts";
import { fullNetwork } from "./networks.ts";
import { sequentialOnly, type SequentialScenario, stages } from "./stages.ts";

/**
 * Learning without forgetting: eq. (6) on a network without levels. Before each later stage the new
 * task's head may first learn alone.
 *
 * Source: Li and Hoiem, ECCV 2016.
 */
export const lwf: Method = {
  name: "lwf",
  description: "learning without forgetting: a full network, old tasks kept by distillation",
  runs(scenario) {
    const network = fullNetwork(sequentialOnly("lwf", scenario));
    const phases = stages(network).flatMap((phase, task) => withWarmUp(phase, task, network));
    return [{ method: "lwf", name: "all", scenario: network, phases }];
  },
};

function withWarmUp(phase: Phase, task: number, network: SequentialScenario): Phase[] {
  const epochs = network.sequential.warmupEpochs;
  if (task === 0 || epochs === 0) return [phase];
  const { copies, ...rest } = phase; // done at the first phase of the stage
  const warmUp: Phase = {
    name: `${phase.name} head`,
    epochs,
    updates: [{ variants: [headLosses(network, task)] }],
  };
  return [copies ? { ...warmUp, copies } : warmUp, rest];
}
