/** Measured kernel choices, remembered in a file of the cache. */
import { dirname, join } from "node:path";
import { type ChoiceStore, type Gpu, pinRemembered, type TunedChoices } from "../mod.ts";
import { readTunedChoices } from "../nn/gpu/choice_store.ts";
import { defaultCacheDir } from "./adapter/swiftshader.ts";
import type { Flag } from "./args.ts";
import { withLock } from "./file_lock.ts";
import { why, writeAtomically } from "./run_folder.ts";

export const NO_TUNING_FLAG = {
  help: 'choose kernels by default, whatever "deno task tune" has measured',
} as const satisfies Flag;

/** Adapters and versions of the kernels that are kept: those saved last. */
const MOST_KEYS = 16;

/** Where `deno task tune` leaves what it finds. */
export function tuningPath(): string {
  return join(defaultCacheDir(), "tuning.json");
}

/** Pins what was measured on this adapter, unless the user does not want that. */
export async function useRemembered(
  gpu: Gpu,
  { "no-tuning": isOff }: { "no-tuning": boolean },
): Promise<void> {
  if (!isOff) await pinRemembered(gpu, new TuningFile());
}

/**
 * A JSON file: for each key of `tuningKey()` the choices of each shape. Several processes may use it at
 * once. One that is damaged is told of, and replaced when something is saved.
 */
export class TuningFile implements ChoiceStore {
  /** @param warn Told of a file that cannot be used. */
  constructor(
    readonly path: string = tuningPath(),
    readonly warn: (line: string) => void = (line) => console.error(line),
  ) {}

  async load(key: string): Promise<TunedChoices> {
    const all = await this.#read();
    return Object.hasOwn(all, key) ? readTunedChoices(all[key]) : {};
  }

  async save(key: string, choices: TunedChoices): Promise<void> {
    await this.#change((all) => {
      const { [key]: before, ...others } = all;
      const kept = Object.entries(others).slice(-MOST_KEYS + 1);
      return { ...Object.fromEntries(kept), [key]: { ...readTunedChoices(before), ...choices } };
    });
  }

  async forget(key: string): Promise<void> {
    await this.#change(({ [key]: _, ...others }) => others);
  }

  async #change(change: (all: Record<string, unknown>) => Record<string, unknown>) {
    try {
      await Deno.mkdir(dirname(this.path), { recursive: true });
      await withLock(`${this.path}.lock`, () => {}, async () => {
        const text = JSON.stringify(change(await this.#read()), null, 1);
        await writeAtomically(this.path, text + "\n");
      });
    } catch (error) {
      this.warn(`${this.path} cannot be written (${why(error)}): what was measured is not kept`);
    }
  }

  async #read(): Promise<Record<string, unknown>> {
    let text;
    try {
      text = await Deno.readTextFile(this.path);
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) {
        this.warn(`${this.path} cannot be read (${why(error)}): kernels are chosen by default`);
      }
      return {};
    }
    try {
      const all = JSON.parse(text);
      if (typeof all === "object" && all !== null && !Array.isArray(all)) return all;
    } catch { /* told below */ }
    this.warn(
      `${this.path} is damaged: kernels are chosen by default, until "deno task tune" replaces it`,
    );
    return {};
  }
}
