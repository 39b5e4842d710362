import type { Method } from "../method.ts";
import { fullNetwork } from "./networks.ts";
import { sequentialOnly, stages } from "./stages.ts";

/** Each task trains the whole network in turn; what that does to earlier ones is the lower bound on them. */
export const fineTuning: Method = {
  name: "fine-tuning",
  description: "a full network that goes on with each task, and forgets the ones before",
  runs(scenario) {
    const network = fullNetwork(sequentialOnly("fine-tuning", scenario));
    const phases = stages(network, { keep: false });
    return [{ method: "fine-tuning", name: "all", scenario: network, phases }];
  },
};
