/** DVN against other methods, seed by seed: a difference without its spread means little. */
import { averageAccuracy, bestOf, type Findings, type NetworkKey, networksOf } from "./findings.ts";
import { type BySeed, differenceBySeed } from "./statistics.ts";

/** A network of DVN and one of another method. */
export interface Contest {
  dvn: NetworkKey;
  other: NetworkKey;
  /** What DVN's average accuracy is above the other's, points, for each seed that both have. */
  lead: BySeed;
}

/** Of DVN with one choice changed. */
export function isAblation(method: string): boolean {
  return method.startsWith("dvn-");
}

/**
 * The best level of DVN against the best network of other methods, by average accuracy.
 *
 * @param others Default: all methods but DVN's ablations.
 * @returns undefined unless both have run with the same seed.
 */
export function contest(
  findings: Findings,
  others = (method: string) => !isAblation(method),
): Contest | undefined {
  const rivals = findings.networks().filter(({ method }) => method !== "dvn" && others(method));
  const dvn = bestOf(findings, networksOf(findings, "dvn"));
  const other = bestOf(findings, rivals);
  if (!dvn || !other) return undefined;
  const lead = averageLead(findings, dvn, other);
  return lead.size > 0 ? { dvn, other, lead } : undefined;
}

/** What the average accuracy of `a` is above that of `b`, points. */
export function averageLead(findings: Findings, a: NetworkKey, b: NetworkKey): BySeed {
  return differenceBySeed(averageAccuracy(findings, a), averageAccuracy(findings, b));
}
