import type { Method } from "../method.ts";
import { dvnMethod } from "./dvn.ts";

/** DVN's variants, by which one choice at a time is judged. */
const ABLATIONS: readonly Method[] = [];

/** All there are. */
export const methods: readonly Method[] = [
  dvnMethod,
  ...ABLATIONS,
];

export const methodNames: readonly string[] = methods.map(({ name }) => name);

/** Those of them that are DVN with one choice changed. */
export const ablationNames: readonly string[] = ABLATIONS.map(({ name }) => name);

/** @throws {RangeError} If there is no method of that name; the message names those there are. */
export function findMethod(name: string): Method {
  const found = methods.find((method) => method.name === name);
  if (found) return found;
  throw new RangeError(`no method is named "${name}"; there are ${methodNames.join(", ")}`);
}
