/** Which scenario a command is about: one by name, perhaps at another scale, or a file. */
import { parseScenario, type Scenario, ScenarioError, withEpochs } from "../mod.ts";
import {
  builtInScenario,
  describeScale,
  paperScenarioNames,
  type Scale,
  scaleNames,
  scaleScenario,
} from "../paper.ts";
import { type Flag, UsageError } from "./args.ts";
import { readJson } from "./run_folder.ts";

export const SCALE_FLAG = {
  value: scaleNames.join("|"),
  help: "size of a scenario of the paper: as published (paper), or with\n" +
    "narrower layers, fewer of them, fewer epochs and fewer images",
} as const satisfies Flag;

/** What flags change of a scenario. */
export interface ScenarioChanges {
  seed?: number;
  epochs?: number;
  batchSize?: number;
  activations?: Scenario["training"]["activations"];
}

export interface ScenarioChoice {
  scenario: Scenario;
  /** Its name before it was scaled. */
  name: string;
  /** "own" for what is not the paper's. */
  scale: Scale | "own";
  /** What the scale has changed, in one line; undefined if none was asked for. */
  scaled?: string;
}

/**
 * The scenario of a file, or one that comes with the library, with what flags change.
 *
 * @param source A name, or a path: what holds a dot or a slash.
 * @throws {UsageError} If there is none, or it is wrong.
 */
export async function chooseScenario(
  source: string,
  scale: string | undefined,
  { seed, epochs, batchSize, activations }: ScenarioChanges,
): Promise<ScenarioChoice> {
  const isFile = /[./\\]/.test(source);
  const builtIn = isFile ? undefined : findScenario(source);
  const isPaper = builtIn !== undefined && paperScenarioNames.includes(builtIn.name);
  const chosen = readScale(scale, source, isPaper);
  const sized = builtIn && chosen ? scaleScenario(builtIn, chosen) : builtIn;
  const json = sized ? structuredClone(sized) : await readJson(source);
  // What is not of this form is for parseScenario to complain about.
  if (isObject(json)) {
    if (seed !== undefined) json.seed = seed;
    if (sized && epochs !== undefined) json.training = withEpochs(sized.training, epochs);
    if (isObject(json.training)) {
      if (epochs !== undefined) json.training.epochs = epochs;
      if (batchSize !== undefined) json.training.batchSize = batchSize;
      if (activations !== undefined) json.training.activations = activations;
    }
  }
  const scenario = checkScenario(json, source);
  const choice: ScenarioChoice = {
    scenario,
    name: builtIn?.name ?? scenario.name,
    scale: isPaper ? chosen ?? "paper" : "own",
  };
  if (!builtIn || !chosen) return choice;
  const changes = describeScale(builtIn, scenario) || "nothing is changed";
  return { ...choice, scaled: `Scale ${chosen}: ${changes}` };
}

/** @param source Names what the scenario was read from, in errors. */
export function checkScenario(json: unknown, source: string): Scenario {
  try {
    return parseScenario(json);
  } catch (error) {
    if (!(error instanceof ScenarioError)) throw error;
    throw new UsageError(`${source}: ${error.problems.join("; ")}`);
  }
}

function findScenario(name: string): Scenario {
  try {
    return builtInScenario(name);
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    throw new UsageError(`${error.message}; or give a .json file`);
  }
}

function readScale(
  name: string | undefined,
  source: string,
  isPaper: boolean,
): Scale | undefined {
  if (name === undefined) return undefined;
  const scale = scaleNames.find((each) => each === name);
  if (!scale) {
    throw new UsageError(`--scale must be one of ${scaleNames.join(", ")}; got "${name}"`);
  }
  if (!isPaper) {
    throw new UsageError(
      `--scale is for the scenarios of the paper (${
        paperScenarioNames.join(", ")
      }); ${source} says its own size`,
    );
  }
  return scale;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
