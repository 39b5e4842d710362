import type { Method } from "../method.ts";
import { jointPhase } from "./losses.ts";
import { stages } from "./stages.ts";

/**
 * Deep virtual networks: every level of every task, jointly by eq. (4), or by eq. (6) as tasks arrive.
 * The paper writes plain sums.
 *
 * Source: Kim, Ahn, Torr and Oh, CVPR 2019.
 */
export const dvnMethod: Method = {
  name: "dvn",
  description: "deep virtual networks: one set of weights, a hierarchy of levels for each task",
  runs(scenario) {
    const { sequential } = scenario;
    const phases = sequential ? stages({ ...scenario, sequential }) : [jointPhase(scenario)];
    return [{ method: "dvn", name: "all", scenario, phases }];
  },
};
