/** How networks and numbers are called in the tables. */
import type { NetworkKey } from "./findings.ts";
import { type BySeed, summarize, type Summary } from "./statistics.ts";

/** Stands where nothing was run. */
export const NOT_RUN = "not run";
/** Stands where the paper has no number. */
export const NONE = "–";

const METHODS: Record<string, string> = {
  dvn: "DVN",
  baseline: "Baseline",
  "baseline-narrow": "Narrow baseline",
  nestednet: "NestedNet",
  "nestednet-per-task": "NestedNet per task",
  packnet: "PackNet+",
  lwf: "LwF",
  "feature-extraction": "Feature extraction",
  "da-cnn": "DA-CNN",
  "fine-tuning": "Fine-tuning",
};

export function methodLabel(method: string): string {
  return METHODS[method] ?? method;
}

export function networkLabel({ method, level }: NetworkKey): string {
  return level === undefined ? methodLabel(method) : `${methodLabel(method)}, level ${level}`;
}

/** Percent, as the paper has it: "94.8 ± 0.2", or "94.8" of a single seed. */
export function formatAccuracy(values: BySeed, digits = 1): string {
  const summary = summarize(values.values());
  return summary ? formatSummary(summary, (value) => value.toFixed(digits), digits) : NOT_RUN;
}

/** Points of percent: "+0.53 ± 0.21". */
export function formatPoints(values: BySeed): string {
  const summary = summarize(values.values());
  return summary ? formatSummary(summary, (value) => signed(value, 2), 2) : NOT_RUN;
}

function formatSummary(
  { mean, spread }: Summary,
  format: (mean: number) => string,
  digits: number,
): string {
  return spread === undefined ? format(mean) : `${format(mean)} ± ${spread.toFixed(digits)}`;
}

/** "+0.50", "-0.80", and "0.00" without a sign. */
export function signed(value: number, digits: number): string {
  const text = value.toFixed(digits);
  if (Number(text) === 0) return text.replace("-", "");
  return value > 0 ? `+${text}` : text.replace("-", "−");
}

/** [1, 2, 3] -> "1 to 3"; [1, 4] -> "1, 4". */
export function formatSeeds(seeds: readonly number[]): string {
  const sorted = [...new Set(seeds)].sort((a, b) => a - b);
  const [first] = sorted;
  const unbroken = sorted.length > 2 && sorted.every((seed, i) => seed === first! + i);
  return unbroken ? `${first} to ${sorted.at(-1)}` : sorted.join(", ");
}

/** ["a", "b", "c"] -> "a, b and c". */
export function listed(words: readonly string[]): string {
  return words.length > 1 ? `${words.slice(0, -1).join(", ")} and ${words.at(-1)}` : words.join("");
}
