import type { Scenario } from "../scenario.ts";
import { digitsScenario } from "./digits.ts";
import { h1 } from "./h1.ts";
import { j1 } from "./j1.ts";
import { j2 } from "./j2.ts";
import { j3, j3Thirds } from "./j3.ts";
import { s1 } from "./s1.ts";
import { s2 } from "./s2.ts";

/** Those of the paper: trained jointly, then in sequence. */
const PAPER = [j1, j2, j3, j3Thirds, h1, s1, s2];

const ALL = [digitsScenario, ...PAPER];

/** What {@linkcode builtInScenario} knows. */
export const scenarioNames: readonly string[] = ALL.map(({ name }) => name);

/** Those of them that are the paper's. */
export const paperScenarioNames: readonly string[] = PAPER.map(({ name }) => name);

/**
 * A copy of a scenario that comes with the library.
 *
 * @param name Upper and lower case alike.
 * @throws {RangeError} If there is none of that name; the message names those there are.
 */
export function builtInScenario(name: string): Scenario {
  const found = ALL.find((scenario) => scenario.name.toLowerCase() === name.toLowerCase());
  if (!found) {
    throw new RangeError(
      `no built-in scenario is named "${name}"; there are ${scenarioNames.join(", ")}`,
    );
  }
  return structuredClone(found);
}
