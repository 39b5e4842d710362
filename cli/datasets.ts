import { loadDigits, selectClasses } from "../mod.ts";
import type { Dataset } from "../datasets/image_set.ts";
import type { Scenario } from "../dvn/scenario.ts";
import { UsageError } from "./args.ts";

/** The datasets a scenario can name. */
const DATASETS: Record<string, {
  load: () => Promise<Dataset>;
  /** Light ink on black, framed: drawings and photographs must be made like it. */
  ink: boolean;
}> = {
  digits: { load: loadDigits, ink: true },
};

/** Whether pictures for this dataset are ink on a page. */
export function isInk(dataset: string): boolean {
  return DATASETS[dataset]?.ink ?? false;
}

/**
 * Loads what the tasks of a scenario are trained on, each dataset once.
 *
 * @throws {UsageError} If a dataset or a class does not exist.
 */
export async function loadTasks(
  { tasks }: Scenario,
): Promise<Record<string, Dataset>> {
  const loaded = new Map<string, Dataset>();
  const result: Record<string, Dataset> = {};
  for (const [i, { name, dataset, classes }] of tasks.entries()) {
    const source = DATASETS[dataset];
    if (!source) {
      throw new UsageError(
        `tasks[${i}].dataset "${dataset}" is not known; known are: ${
          Object.keys(DATASETS).join(", ")
        }`,
      );
    }
    const data = loaded.get(dataset) ?? await source.load();
    loaded.set(dataset, data);
    const last = data.classes.length - 1;
    if (classes?.some((label) => label > last)) {
      throw new UsageError(
        `tasks[${i}].classes: ${dataset} has classes 0 to ${last}, got [${classes}]`,
      );
    }
    result[name] = classes ? selectClasses(data, classes) : data;
  }
  return result;
}
