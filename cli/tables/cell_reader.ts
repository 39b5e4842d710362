import { parseScenario, ScenarioError } from "../../dvn/parse_scenario.ts";
import type { Scenario } from "../../dvn/scenario.ts";
import {
  list,
  number,
  oneOf,
  type Reader,
  record,
  SchemaError,
  text,
  value,
  wholeNumber,
} from "../../dvn/schema.ts";
import type { CellNetwork, CellResult, CellTask } from "../experiment/cell.ts";

const MOST = Number.MAX_SAFE_INTEGER;

const word = text("some text", /./s);
const count = wholeNumber(0, MOST);
const positive = number("a number above 0", (value) => value > 0);

/** JSON has no NaN, which is the loss of a network that has diverged: it writes null. */
const loss: Reader<number> = (json, path) => json === null ? NaN : number()(json, path);

/** Fills in what the scenarios of earlier versions did not have. */
const settings: Reader<Scenario> = (json, path) => {
  try {
    return parseScenario(json);
  } catch (error) {
    if (!(error instanceof ScenarioError)) throw error;
    throw new SchemaError(error.problems.map((problem) => `${path}: ${problem}`));
  }
};

/** An object of these fields; any others are passed over. */
function known<T extends object>(fields: { [K in keyof T]-?: Reader<T[K]> }): Reader<T> {
  const reader = record(fields);
  return (json, path) => {
    if (typeof json !== "object" || json === null || Array.isArray(json)) return reader(json, path);
    return reader(
      Object.fromEntries(Object.entries(json).filter(([name]) => name in fields)),
      path,
    );
  };
}

const task = known<CellTask>({
  name: word,
  dataset: word,
  classes: count,
  height: count,
  width: count,
  channels: count,
  trainImages: count,
  testImages: count,
});

const network = known<CellNetwork>({
  run: word,
  task: word,
  level: wholeNumber(1, MOST),
  units: list("a list of unit IDs", wholeNumber(1, MOST)),
  parameters: known<CellNetwork["parameters"]>({
    trunk: count,
    stem: count,
    head: count,
    batchNorm: count,
    total: count,
  }),
  bytes: count,
  macs: count,
  density: positive,
  accuracy: number("a number from 0 to 1", (value) => value >= 0 && value <= 1),
  loss,
  msPerImage: positive,
  timeSource: oneOf("timestamp-query", "wall clock"),
  batch: wholeNumber(1, MOST),
  speedUp: positive,
});

const cell = known<CellResult>({
  scenario: word,
  scale: word,
  method: word,
  seed: count,
  settings,
  time: value("a time", (json): json is string => !Number.isNaN(Date.parse(String(json)))),
  seconds: number(),
  adapter: word,
  tasks: list("a list of tasks", task),
  networks: list("a list of networks", network),
  bytesHeld: count,
});

/**
 * Checks a line of an experiment's `results.jsonl`.
 *
 * @param json Parsed JSON.
 * @throws {SchemaError} If it is no result of a cell; it names each field that is wrong.
 */
export function parseCell(json: unknown): CellResult {
  const result = cell(json, "");
  const names = result.settings.tasks.map(({ name }) => name);
  const strangers = result.networks.filter((network) => !names.includes(network.task));
  if (strangers.length > 0) {
    const [{ task }] = strangers as [CellNetwork];
    throw new SchemaError([
      `a network is of task "${task}", but the tasks are ${names.join(", ")}`,
    ]);
  }
  return result;
}
