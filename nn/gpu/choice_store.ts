import type { TunedChoice, TunedChoices } from "./autotune.ts";
import type { Gpu } from "./gpu.ts";
import type { Choice, Choices } from "./tuning.ts";
import { tuningKey } from "./tuning_key.ts";

/** Where measured choices are remembered: a file, a browser's database. Keys are those of `tuningKey()`. */
export interface ChoiceStore {
  /** What was measured under this key; nothing if none was. */
  load(key: string): Promise<TunedChoices>;
  /** Adds to what is there, also if another process or page has added meanwhile. */
  save(key: string, choices: TunedChoices): Promise<void>;
  /** Forgets all of this key. */
  forget(key: string): Promise<void>;
}

/**
 * Pins what was measured on this adapter before, for what is recorded from now on.
 *
 * @returns It.
 */
export async function pinRemembered(gpu: Gpu, store: ChoiceStore): Promise<TunedChoices> {
  const remembered = await store.load(tuningKey(gpu));
  gpu.tuning.pin(choicesOf(remembered));
  return remembered;
}

/** The choices alone, as `gpu.tuning.pin()` takes them. */
export function choicesOf(tuned: TunedChoices): Choices {
  return Object.fromEntries(Object.entries(tuned).map(([key, { choice }]) => [key, choice]));
}

/** Of what a store holds, whatever that is, the choices that are of the right form. */
export function readTunedChoices(json: unknown): TunedChoices {
  return Object.fromEntries(Object.entries(json ?? {}).filter(([, value]) => isTuned(value)));
}

function isTuned(value: unknown): value is TunedChoice {
  if (!isObject(value) || !isObject(value.standard)) return false;
  const { choice, milliseconds, standard } = value;
  return isChoice(choice) && isTime(milliseconds) && isChoice(standard.choice) &&
    (standard.milliseconds === undefined || isTime(standard.milliseconds));
}

function isChoice(value: unknown): value is Choice {
  if (!isObject(value) || !isObject(value.tile)) return false;
  const { algorithm, tile, ...sizes } = value;
  const numbers = [tile.rows, tile.columns, ...Object.values(sizes)];
  return typeof algorithm === "string" &&
    numbers.every((size) => typeof size === "number" && size > 0 && Number.isFinite(size));
}

function isTime(value: unknown): boolean {
  return typeof value === "number" && value >= 0 && Number.isFinite(value);
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
