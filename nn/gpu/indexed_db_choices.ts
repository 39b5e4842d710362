import type { TunedChoices } from "./autotune.ts";
import { type ChoiceStore, readTunedChoices } from "./choice_store.ts";

const TABLE = "choices";

/** Remembers measured choices in the browser, for this origin. */
export class IndexedDbChoices implements ChoiceStore {
  /** @param name Of the database. */
  constructor(readonly name = "deep-virtual-networks tuning") {}

  async load(key: string): Promise<TunedChoices> {
    return await this.#transact(
      "readonly",
      async (table) => readTunedChoices(await done(table.get(key))),
    );
  }

  async save(key: string, choices: TunedChoices): Promise<void> {
    // One transaction: no other page's can come between reading and writing.
    await this.#transact("readwrite", async (table) => {
      const before = readTunedChoices(await done(table.get(key)));
      await done(table.put({ ...before, ...choices }, key));
    });
  }

  async forget(key: string): Promise<void> {
    await this.#transact("readwrite", (table) => done(table.delete(key)));
  }

  /** @throws {DOMException} If the browser keeps no databases, as in some private windows. */
  async #transact<T>(
    mode: IDBTransactionMode,
    work: (table: IDBObjectStore) => Promise<T>,
  ): Promise<T> {
    const opening = indexedDB.open(this.name, 1);
    opening.onupgradeneeded = () => opening.result.createObjectStore(TABLE);
    const database = await done(opening);
    try {
      const transaction = database.transaction(TABLE, mode);
      const ended = new Promise<void>((resolve, reject) => {
        transaction.oncomplete = () => resolve();
        transaction.onabort = () => reject(transaction.error);
      });
      ended.catch(() => {}); // told below, if the work itself did not fail first
      const result = await work(transaction.objectStore(TABLE));
      await ended;
      return result;
    } finally {
      database.close();
    }
  }
}

function done<T>(request: IDBRequest<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}
