import { featureChannels } from "../backbone.ts";
import type { Method } from "../method.ts";
import { featurePhases } from "./feature_extraction.ts";
import { fullNetwork } from "./networks.ts";
import { sequentialOnly } from "./stages.ts";

/**
 * DA-CNN, made deeper: the first task's network, frozen; each later task learns two fully connected
 * layers, here as wide as the features, and a head.
 *
 * Source: Wang, Ramanan and Hebert, "Growing a Brain", CVPR 2017.
 */
export const daCnn: Method = {
  name: "da-cnn",
  description:
    "the first task's network, frozen, with two new layers and a head for each later task",
  runs(scenario) {
    const network = fullNetwork(sequentialOnly("da-cnn", scenario));
    const width = featureChannels(network.backbone);
    const tasks = network.tasks.map((task, index) =>
      index === 0 ? task : { ...task, hidden: [width, width] }
    );
    const deeper = { ...network, tasks };
    return [{ method: "da-cnn", name: "all", scenario: deeper, phases: featurePhases(deeper) }];
  },
};
