import type { Method } from "../method.ts";
import { ablations } from "./ablations.ts";
import { baseline, narrowBaseline } from "./baseline.ts";
import { daCnn } from "./da_cnn.ts";
import { dvnMethod } from "./dvn.ts";
import { featureExtraction } from "./feature_extraction.ts";
import { fineTuning } from "./fine_tuning.ts";
import { lwf } from "./lwf.ts";
import { nestedNet, nestedNetPerTask } from "./nestednet.ts";
import { packNet } from "./packnet.ts";

/** All there are. */
export const methods: readonly Method[] = [
  dvnMethod,
  baseline,
  narrowBaseline,
  nestedNet,
  nestedNetPerTask,
  packNet,
  lwf,
  featureExtraction,
  daCnn,
  fineTuning,
  ...ablations,
];

/** Of all methods. */
export const methodNames: readonly string[] = methods.map(({ name }) => name);

/** Those of them that are DVN with one choice changed. */
export const ablationNames: readonly string[] = ablations.map(({ name }) => name);

/** The method of a name. @throws {RangeError} If there is none; the message names those there are. */
export function findMethod(name: string): Method {
  const found = methods.find((method) => method.name === name);
  if (found) return found;
  throw new RangeError(`no method is named "${name}"; there are ${methodNames.join(", ")}`);
}
