/** Which methods a command is about. */
import { levenshteinDistance } from "@std/text/levenshtein-distance";
import type { Method, Run, Scenario } from "../mod.ts";
import { methods } from "../paper.ts";
import { UsageError } from "./args.ts";

/** @throws {UsageError} If there is none of that name. */
export function chooseMethod(name: string): Method {
  const found = methods.find((method) => method.name === name);
  if (found) return found;
  const [nearest] = methods
    .map((method) => ({ ...method, distance: levenshteinDistance(name, method.name) as number }))
    .sort((a, b) => a.distance - b.distance);
  throw new UsageError(
    `no method is named "${name}"; did you mean ${nearest!.name}? --help lists them`,
  );
}

/**
 * What a method trains for a scenario.
 *
 * @throws {UsageError} If it is not for such a scenario.
 */
export function methodRuns(method: Method, scenario: Scenario): Run[] {
  try {
    return method.runs(scenario);
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    throw new UsageError(error.message);
  }
}

/** All methods, one a line, for help texts. */
export function describeMethods(): string {
  const width = Math.max(...methods.map(({ name }) => name.length)) + 2;
  return methods.map(({ name, description }) => `  ${name.padEnd(width)}${description}`).join("\n");
}
