import type { Scenario } from "../../mod.ts";
import { ablationNames, findMethod } from "../../paper.ts";
import { averageLead, isAblation } from "./comparison.ts";
import type { Block } from "./document.ts";
import { averageAccuracy, networksOf } from "./findings.ts";
import type { ResultGroup } from "./result_group.ts";
import type { Subject } from "./subject.ts";
import { formatAccuracy, formatPoints, listed, NONE, NOT_RUN } from "./wording.ts";

/** DVN with one choice changed against DVN, at the lowest level and the highest. */
export function ablationBlocks({ title, settings }: Subject, results: ResultGroup): Block[] {
  const done = results.methods.filter(isAblation);
  const missing = ablationNames.filter((name) => !done.includes(name) && applies(name, settings));
  if (done.length === 0) {
    const remedy = "the flag `--ablation` of `deno task experiment` runs them";
    return [{ kind: "note", text: `DVN with one choice changed: ${NOT_RUN}; ${remedy}.` }];
  }
  const ends = [
    { group: "level 1", index: 0 },
    { group: "top level", index: -1 },
  ];
  return [
    { kind: "subheading", text: "DVN with one choice changed" },
    {
      kind: "table",
      label: `Ablations, ${title}`,
      columns: [
        { title: "method" },
        { title: "seeds" },
        ...ends.flatMap(({ group }) => [
          { group, title: "accuracy" },
          { group, title: "minus dvn" },
        ]),
      ],
      rows: ["dvn", ...done].map((method) => [
        method,
        String(results.cellsOf(method).length),
        ...ends.flatMap(({ index }) => endCells(results, method, index)),
      ]),
    },
    {
      kind: "note",
      text: "Accuracy averaged over the tasks, %; differences of the same seed, points." +
        (missing.length > 0 ? ` Not run: ${listed(missing)}.` : ""),
    },
  ];
}

/** Whether an ablation changes anything of a scenario. */
function applies(name: string, settings: Scenario): boolean {
  try {
    findMethod(name).runs(settings);
    return true;
  } catch (error) {
    if (error instanceof RangeError) return false;
    throw error;
  }
}

/** @param index Of the level: 0 for the lowest, -1 for the highest. */
function endCells(results: ResultGroup, method: string, index: number): string[] {
  const [network, dvn] = [method, "dvn"].map((name) => networksOf(results, name).at(index));
  if (!network) return [NOT_RUN, NOT_RUN];
  const accuracy = formatAccuracy(averageAccuracy(results, network), 2);
  if (method === "dvn") return [accuracy, NONE];
  return [accuracy, dvn ? formatPoints(averageLead(results, network, dvn)) : NOT_RUN];
}
