import type { Method, Phase } from "../method.ts";
import { jointPhase, ownLosses, updates } from "./losses.ts";
import { nestedNetwork, onlyTask } from "./networks.ts";
import { stages } from "./stages.ts";

/**
 * NestedNet for several tasks: level j of one network is task j's. All weights of a level learn from
 * its task, so lower levels learn from several.
 *
 * It averages the losses, where DVN sums them. As tasks arrive it is trained by eq. (6), like DVN and
 * LwF.
 *
 * Source: Kim, Ahn and Oh, CVPR 2018; and, for its use here, Kim, Ahn, Torr and Oh, CVPR 2019, Sec. 4.
 */
export const nestedNet: Method = {
  name: "nestednet",
  description: "NestedNet: nested levels of one network, one for each task",
  runs(scenario) {
    const network = nestedNetwork(scenario);
    const { sequential } = network;
    const phases = sequential ? stages({ ...network, sequential }) : [averaged(network)];
    return [{ method: "nestednet", name: "all", scenario: network, phases }];
  },
};

function averaged(network: ReturnType<typeof nestedNetwork>): Phase {
  const weight = 1 / network.tasks.length;
  const losses = network.tasks.map((_, task) =>
    ownLosses(network, task).map((loss) => ({ ...loss, weight }))
  );
  return { ...jointPhase(network), updates: updates(network.training, losses) };
}

/**
 * NestedNet of one task, for each task anew: a hierarchy of levels by eq. (1). The paper compares DVN
 * at equal densities with it.
 */
export const nestedNetPerTask: Method = {
  name: "nestednet-per-task",
  description: "NestedNet: for each task a network of nested levels, trained by itself",
  runs: ({ tasks, ...rest }) =>
    tasks.map(({ name }, task) => {
      const scenario = onlyTask({ tasks, ...rest }, task);
      return { method: "nestednet-per-task", name, scenario, phases: [jointPhase(scenario)] };
    }),
};
