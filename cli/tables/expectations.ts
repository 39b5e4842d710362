/** What the paper's results lead one to expect of a faithful run. */
import type { Scenario } from "../../mod.ts";
import { formatRatio } from "../format.ts";
import { averageLead, contest } from "./comparison.ts";
import type { Findings, NetworkKey } from "./findings.ts";
import { type BySeed, differenceBySeed, meanOf, median } from "./statistics.ts";
import { formatPoints, methodLabel } from "./wording.ts";

export interface Expectation {
  statement: string;
  /** Undefined if not all that it is about has run, with a common seed. */
  test: (findings: Findings) => Verdict | undefined;
}

export interface Verdict {
  /** Judged by means over the seeds. */
  holds: boolean;
  /** What it rests on. */
  figures: string;
}

/** What a single unit may lose on average against full networks, points. In the paper it loses 0.8. */
const UNIT_LOSS = 1;

/** Compared in other ways than the best level with the method's best. */
const COMPARED_BY_SIZE = ["baseline-narrow", "nestednet-per-task"];

/** They learn later tasks on features that stay as they are. */
const FROZEN = ["feature-extraction", "da-cnn"];

/**
 * What to expect of DVN in a scenario.
 *
 * @param rivals Methods that the paper compares with it there.
 */
export function expectations(scenario: Scenario, rivals: readonly string[]): Expectation[] {
  const levels = scenario.levels.map((_, i): NetworkKey => ({ method: "dvn", level: i + 1 }));
  const [unit] = levels as [NetworkKey];
  const list: Expectation[] = [];
  const expect = (statement: string, test: Expectation["test"]) => list.push({ statement, test });
  if (levels.length > 1) {
    expect(
      "The top level is at least as accurate as level 1, for each task",
      (findings) => grows(findings, unit, levels.at(-1)!),
    );
  }
  if (levels.length > 2) {
    expect(
      "No level is less accurate than the one below it, for any task",
      (findings) => neverFalls(findings, levels),
    );
  }
  if (rivals.includes("baseline")) {
    expect(
      `Level 1 loses at most ${UNIT_LOSS} point on average against full networks`,
      (findings) =>
        judge(averageLead(findings, unit, { method: "baseline" }), (mean) => mean >= -UNIT_LOSS),
    );
  }
  if (rivals.includes("baseline-narrow")) {
    expect(
      "Level 1 beats networks of its size on average",
      (findings) => judge(averageLead(findings, unit, { method: "baseline-narrow" }), isPositive),
    );
  }
  for (const rival of rivals.filter((method) => !COMPARED_BY_SIZE.includes(method))) {
    expect(`The best level beats ${methodLabel(rival)} on average`, (findings) => {
      const found = contest(findings, (method) => method === rival);
      return found && judge(found.lead, isPositive);
    });
  }
  if (rivals.includes("nestednet-per-task")) {
    expect(
      "Every level beats that of NestedNets trained for one task each, on average",
      (findings) => leadsAtEachLevel(findings, levels),
    );
  }
  for (const frozen of rivals.filter((method) => FROZEN.includes(method))) {
    expect(
      `${
        methodLabel(frozen)
      } is better than LwF at task 1, and worse than LwF and NestedNet at task 2`,
      (findings) => keepsButHardlyLearns(findings, { method: frozen }),
    );
  }
  if (levels.length > 1) {
    expect(
      "Level 1 is faster than the top level, but not by as much as it has fewer parameters",
      (findings) => isFaster(findings, unit),
    );
  }
  return list;
}

const isPositive = (mean: number) => mean > 0;

/** What the accuracy of `a` is above that of `b` for a task, points. */
function lead(findings: Findings, task: number, a: NetworkKey, b: NetworkKey): BySeed {
  return differenceBySeed(findings.accuracy(a, task), findings.accuracy(b, task));
}

/** Undefined if there is nothing to judge. */
function judge(points: BySeed, rule: (mean: number) => boolean): Verdict | undefined {
  if (points.size === 0) return undefined;
  return { holds: rule(meanOf([...points.values()])), figures: formatPoints(points) };
}

/** Undefined if one of them is. */
function every(verdicts: readonly (Verdict | undefined)[]): Verdict | undefined {
  const known = verdicts.filter((verdict) => verdict !== undefined);
  if (known.length < verdicts.length) return undefined;
  return {
    holds: known.every(({ holds }) => holds),
    figures: known.map(({ figures }) => figures).join("; "),
  };
}

function named(name: string, verdict: Verdict | undefined): Verdict | undefined {
  return verdict && { ...verdict, figures: `${name} ${verdict.figures}` };
}

function grows(findings: Findings, from: NetworkKey, to: NetworkKey): Verdict | undefined {
  return every(findings.tasks.map((name, task) => {
    return named(name, judge(lead(findings, task, to, from), (mean) => mean >= 0));
  }));
}

function neverFalls(findings: Findings, levels: readonly NetworkKey[]): Verdict | undefined {
  const steps = findings.tasks.flatMap((name, task) =>
    levels.slice(1).map((level, i) => {
      const growth = lead(findings, task, level, levels[i]!);
      return { growth, mean: meanOf([...growth.values()]), from: `${name}, level ${i + 1}` };
    })
  );
  if (steps.some(({ growth }) => growth.size === 0)) return undefined;
  const up = steps.filter(({ mean }) => mean >= 0).length;
  const least = steps.toSorted((a, b) => a.mean - b.mean)[0]!;
  return {
    holds: up === steps.length,
    figures: `${up} of ${steps.length} steps, the smallest from ${least.from}, ` +
      `${formatPoints(least.growth)}`,
  };
}

/** On average over the tasks. */
function leadsAtEachLevel(
  findings: Findings,
  levels: readonly NetworkKey[],
): Verdict | undefined {
  const verdicts = levels.map((dvn) => {
    const other = { ...dvn, method: "nestednet-per-task" };
    return named(`level ${dvn.level}`, judge(averageLead(findings, dvn, other), isPositive));
  });
  return every(verdicts);
}

function keepsButHardlyLearns(findings: Findings, frozen: NetworkKey): Verdict | undefined {
  const against = (method: string, task: number, rule: (mean: number) => boolean) =>
    named(
      `${findings.tasks[task]} against ${methodLabel(method)}`,
      judge(lead(findings, task, frozen, { method }), rule),
    );
  return every([
    against("lwf", 0, isPositive),
    against("lwf", 1, (mean) => mean < 0),
    against("nestednet", 1, (mean) => mean < 0),
  ]);
}

function isFaster(findings: Findings, level: NetworkKey): Verdict | undefined {
  const speedUps = [...findings.speedUp(level).values()];
  const density = findings.density(level);
  if (speedUps.length === 0 || density === undefined) return undefined;
  const speedUp = median(speedUps);
  return {
    holds: speedUp > 1 && speedUp < 1 / density,
    figures: `${formatRatio(speedUp)} as fast with ${formatRatio(1 / density)} fewer weights`,
  };
}
