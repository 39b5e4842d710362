/** Which cells an experiment has: methods x seeds. */
import type { Method, Scenario } from "../../mod.ts";
import { ablationNames } from "../../paper.ts";
import { UsageError } from "../args.ts";
import { chooseMethod, methodRuns } from "../method_choice.ts";

/** One method, trained with one seed. */
export interface Cell {
  method: Method;
  seed: number;
}

/** Seeds first, so that the first of them soon compares all methods. */
export function grid(methods: readonly Method[], seeds: readonly number[]): Cell[] {
  return seeds.flatMap((seed) => methods.map((method) => ({ method, seed })));
}

export function describeCell({ method, seed }: Cell): string {
  return `${method.name}, seed ${seed}`;
}

/** A larger number is a seed, typed without the comma that a list of one has. */
const MOST_SEEDS = 100;

/**
 * Reads "3", which is seeds 1 to 3, or a list: "1,4", or "4," for seed 4 alone.
 *
 * @throws {UsageError} If it is neither, or holds a seed twice.
 */
export function readSeeds(text: string): number[] {
  const numbers = text.split(",").filter((part) => part !== "").map(Number);
  if (!/^\d+(,\d+)*,?$/.test(text) || !numbers.every(Number.isSafeInteger)) {
    throw new UsageError(
      `--seeds must be how many, such as 3, or a list, such as "1,4"; got "${text}"`,
    );
  }
  if (text.includes(",")) {
    if (new Set(numbers).size === numbers.length) return numbers;
    throw new UsageError(`--seeds names a seed twice; got "${text}"`);
  }
  const [count] = numbers as [number];
  if (count < 1 || count > MOST_SEEDS) {
    throw new UsageError(
      `--seeds must be how many, from 1 to ${MOST_SEEDS}; got ${text}, and seed ${text} alone is "${text},"`,
    );
  }
  return Array.from({ length: count }, (_, i) => i + 1);
}

/**
 * The methods that are asked for, else those that the paper compares on such a scenario.
 *
 * @param names Of `--methods`, with commas between.
 * @param paperName The scenario's name before it was scaled.
 * @param ablation DVN and all its ablations that change something of such a scenario.
 * @throws {UsageError} If a method does not exist, is not for such a scenario, or is named twice.
 */
export function chooseMethods(
  scenario: Scenario,
  paperName: string,
  { names, ablation }: { names?: string; ablation: boolean },
): Method[] {
  if (names !== undefined && ablation) {
    throw new UsageError("--methods and --ablation exclude each other");
  }
  if (ablation) {
    const all = ["dvn", ...ablationNames].map(chooseMethod);
    return all.filter((method) => applies(method, scenario));
  }
  const chosen = (names?.split(",") ?? defaultMethods(scenario, paperName)).map(chooseMethod);
  if (new Set(chosen).size < chosen.length) {
    throw new UsageError(`--methods names a method twice; got "${names}"`);
  }
  for (const method of chosen) methodRuns(method, scenario);
  return chosen;
}

function defaultMethods({ sequential }: Scenario, paperName: string): string[] {
  if (sequential) {
    return ["feature-extraction", "da-cnn", "lwf", "nestednet", "dvn", "fine-tuning"];
  }
  const joint = ["baseline", "packnet", "nestednet", "dvn"];
  if (paperName === "J2") return [...joint, "nestednet-per-task"];
  if (paperName === "H1") return [...joint, "baseline-narrow"];
  return joint;
}

function applies(method: Method, scenario: Scenario): boolean {
  try {
    methodRuns(method, scenario);
    return true;
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    return false;
  }
}
