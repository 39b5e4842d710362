import type { Scenario } from "../../mod.ts";
import {
  builtInScenario,
  describeScale,
  paperScenarioNames,
  scaleNames,
  scaleScenario,
} from "../../paper.ts";
import { scenarioWithEpochs } from "../../dvn/scenarios/scale.ts";

/** How an experiment's settings differ from the paper's scenario of the same name, as it is built in. */
export interface Differences {
  /** In size, in one line; empty if in nothing. */
  sizes: string;
  /** In what a scale does not change, see {@linkcode compareSettings}. */
  choices: string[];
}

/**
 * Compares with the scenario of the paper.
 *
 * @param scale At which the experiment was run; sizes that differ are those it sets, and further ones.
 * @returns undefined if the paper has none of that name.
 */
export function compareWithPaper(
  name: string,
  scale: string,
  settings: Scenario,
): Differences | undefined {
  if (!paperScenarioNames.includes(name)) return undefined;
  const builtIn = builtInScenario(name);
  const known = scaleNames.find((each) => each === scale);
  const { epochs, batchSize } = settings.training;
  const scaled = known ? scaleScenario(builtIn, known) : builtIn;
  // Only if needed: milestones that are stretched by 1 may still be rounded.
  const expected = scaled.training.epochs === epochs ? scaled : scenarioWithEpochs(scaled, epochs);
  const sized = { ...expected, training: { ...expected.training, batchSize } };
  return {
    sizes: describeScale(builtIn, settings),
    choices: compareSettings(sized, settings),
  };
}

/** The fields in which two scenarios differ: "training.weightDecay 0.0001 -> 0.0005". */
export function compareSettings(from: Scenario, to: Scenario): string[] {
  const [before, after] = [fieldsOf(from), fieldsOf(to)];
  return [...new Set([...before.keys(), ...after.keys()])]
    .filter((path) => before.get(path) !== after.get(path))
    .map((path) => `${path} ${before.get(path) ?? "none"} -> ${after.get(path) ?? "none"}`);
}

/** What a scenario says, as JSON by path, but for its seed and what it is called. */
export function fieldsOf({ name: _, description: __, seed: ___, ...rest }: Scenario) {
  return new Map(leaves(rest, ""));
}

/** Lists are taken as a whole. */
function leaves(value: object, prefix: string): [path: string, json: string][] {
  return Object.entries(value).flatMap(([key, inner]): [string, string][] =>
    typeof inner === "object" && inner !== null && !Array.isArray(inner)
      ? leaves(inner, `${prefix}${key}.`)
      : [[`${prefix}${key}`, JSON.stringify(inner)]]
  );
}
