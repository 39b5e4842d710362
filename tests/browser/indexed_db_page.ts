/** The script of the page that indexed_db_test.ts opens. */
import type { TunedChoices } from "../../nn/gpu/autotune.ts";
import { IndexedDbChoices } from "../../nn/gpu/indexed_db_choices.ts";

/** What the test calls. */
export interface IndexedDbCalls {
  load(key: string): Promise<TunedChoices>;
  save(key: string, choices: TunedChoices): Promise<void>;
  forget(key: string): Promise<void>;
  /** Puts there what this library would not. */
  saveRaw(key: string, value: unknown): Promise<void>;
}

declare global {
  var choices: IndexedDbCalls;
}

const store = new IndexedDbChoices("test");

globalThis.choices = {
  load: (key) => store.load(key),
  save: (key, choices) => store.save(key, choices),
  forget: (key) => store.forget(key),
  saveRaw: (key, value) =>
    new Promise((resolve) => {
      const opening = indexedDB.open("test", 1);
      opening.onsuccess = () => {
        const transaction = opening.result.transaction("choices", "readwrite");
        transaction.objectStore("choices").put(value, key);
        transaction.oncomplete = () => {
          opening.result.close();
          resolve();
        };
      };
    }),
};
