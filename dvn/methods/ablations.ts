import type { Method, Run } from "../method.ts";
import type { Scenario } from "../scenario.ts";
import { dvnMethod } from "./dvn.ts";

/** DVN with one choice changed, to see what the choice is worth. */
export const ablations: readonly Method[] = [
  ablation("dvn-shared-bn", "one batch norm for all networks", (scenario) => ({
    batchNorm: { ...scenario.batchNorm, affine: "shared", statistics: "shared" },
  })),
  // As US-Nets, which recalibrate the statistics of one set of scales and shifts: arXiv 1903.05134.
  ablation("dvn-recalibrated-bn", "shared batch norm, statistics measured again", (scenario) => ({
    batchNorm: { ...scenario.batchNorm, affine: "shared", statistics: "recalibrated" },
  })),
  ablation("dvn-distilled", "lower levels learn the highest's answers", ({ training }) => ({
    training: { ...training, lowerLevels: "top-level" },
  })),
  ablation("dvn-sandwich", "lowest, highest and one level between in a step", ({ training }) => ({
    training: { ...training, levelSampling: "sandwich" },
  })),
  ablation("dvn-alternating", "an update for each task in turn", ({ training }) => ({
    training: { ...training, mixing: "alternate" },
  })),
  ablation("dvn-same-order", "all tasks start with unit 1", () => ({ orders: "same" })),
  ablation("dvn-random-order", "units join in an order drawn from the seed", () => ({
    orders: "random",
  })),
  ablation("dvn-reversed-order", "units join from last to first", ({ orders }) => ({
    orders: typeof orders === "string" ? "reversed" : orders.map((order) => order.toReversed()),
  })),
];

function ablation(
  name: string,
  what: string,
  change: (scenario: Scenario) => Partial<Scenario>,
): Method {
  return {
    name,
    description: `dvn, but ${what}`,
    runs(scenario) {
      const runs = dvnMethod.runs({ ...scenario, ...change(scenario) });
      if (training(runs) === training(dvnMethod.runs(scenario))) {
        throw new RangeError(
          `${name} would train ${scenario.name} as dvn does (${what}): leave it out here`,
        );
      }
      return runs.map((run) => ({ ...run, method: name }));
    },
  };
}

/** All of the runs that ablations change, as text to compare. */
function training(runs: Run[]): string {
  return JSON.stringify(runs.map(({ scenario, phases }) => {
    const { units, orders, batchNorm } = scenario;
    return [phases, batchNorm, units > 1 ? orders : "one unit"];
  }));
}
