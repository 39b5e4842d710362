import type { Param } from "../../nn/params.ts";
import type { Method, Phase } from "../method.ts";
import type { Scenario } from "../scenario.ts";
import { ownLosses } from "./losses.ts";
import { nestedNetwork, withoutArrival } from "./networks.ts";

/**
 * PackNet+: PackNet (Mallya and Lazebnik, CVPR 2018) by groups of channels. On the levels of NestedNet,
 * task after task trains those weights of its level that the level below has not; the others are
 * used as they are. The groups are given beforehand, so nothing is pruned.
 *
 * The same whether a scenario's tasks come together or one after another.
 * Source: as Ahn, Kim and Oh (ICCV 2019) describe the method of Kim, Ahn, Torr and Oh (CVPR 2019).
 */
export const packNet: Method = {
  name: "packnet",
  description:
    "PackNet+: task after task on a larger level, with the weights of those before frozen",
  runs(scenario) {
    const network = withOwnParts(withoutArrival(nestedNetwork(scenario)));
    const { tasks, training } = network;
    const phases = tasks.map(({ name }, task): Phase => ({
      name,
      epochs: training.epochs,
      updates: [{ variants: [ownLosses(network, task)] }],
      ...task > 0 && {
        frozen: (param: Param, block: number) => isBelow(param, block, task, tasks.length),
      },
    }));
    return [{ method: "packnet", name: "all", scenario: network, phases }];
  },
};

/**
 * Each task has a stem and batch norms of its own: what tasks share beside the trunk's weights would
 * move with a later task, and the answers of the earlier ones with it.
 */
function withOwnParts(scenario: Scenario): Scenario {
  const { stem, batchNorm } = scenario;
  return {
    ...scenario,
    stem: { ...stem, sharing: "task" },
    batchNorm: { ...batchNorm, affine: "private", statistics: "private" },
  };
}

/**
 * Whether a block joins two of the first `level` units; the trunk's first convolution reads the stem as
 * one unit, which is in every level.
 */
function isBelow({ layout }: Param, block: number, level: number, units: number): boolean {
  if (layout?.outWidths.length !== units) return false; // not the trunk's
  const inUnits = layout.inWidths.length;
  return Math.floor(block / inUnits) < level && block % inUnits < level;
}
