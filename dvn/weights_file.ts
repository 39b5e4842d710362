import { parseScenario } from "./parse_scenario.ts";
import type { Scenario } from "./scenario.ts";
import { type TaskInfo, taskInfos } from "./task_info.ts";

/** Marks a weights file as ours, in its metadata. */
export const WEIGHTS_FORMAT = "deep-virtual-network/1";

/**
 * What a weights file says of its network, without the weights.
 *
 * @param metadata Of the file's header: see {@linkcode decodeSafeTensorsHeader}.
 * @throws {RangeError} If it is not a deep virtual network's.
 */
export function describeWeights(
  metadata: Readonly<Record<string, string>>,
): { scenario: Scenario; tasks: TaskInfo[] } {
  const { format, scenario, tasks } = metadata;
  if (format !== WEIGHTS_FORMAT || !scenario || !tasks) {
    throw new RangeError(
      `weights: the file's metadata must say format ${WEIGHTS_FORMAT} and hold scenario ` +
        `and tasks, got ${
          format ? `format ${format}` : "no format"
        }; use a run's model.safetensors`,
    );
  }
  const read = <T>(name: string, json: string, parse: (value: unknown) => T): T => {
    try {
      return parse(JSON.parse(json));
    } catch (error) {
      const { message } = error as Error;
      throw new RangeError(
        `weights: the file's ${name} cannot be used: ${message}`,
      );
    }
  };
  const parsed = {
    scenario: read("scenario", scenario, parseScenario),
    tasks: read("tasks", tasks, (value) => taskInfos(value, "tasks")),
  };
  const names = [parsed.scenario, parsed].map(({ tasks }) => tasks.map(({ name }) => name).join());
  if (names[0] !== names[1]) {
    throw new RangeError(
      `weights: the file's scenario has tasks ${names[0]}, but it describes ${names[1]}`,
    );
  }
  return parsed;
}
