import type { Constants } from "./kernel.ts";

/** Lanes of a workgroup, and of these how many make a result together: powers of two; see team.wgsl. */
export interface Teams {
  lanes: number;
  team: number;
}

/** The constants of team.wgsl. */
export function teamConstants({ lanes, team }: Teams): Constants {
  return { LANES: lanes, TEAM: team, STEPS: Math.log2(team) };
}
