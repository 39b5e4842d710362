import type { Archive } from "./archives.ts";

/**
 * Where a reader gets files from: a folder, a server.
 *
 * ```ts
 * const server: FileSource = {
 *   name: "https://example.org/data",
 *   async read(path) {
 *     const response = await fetch(`https://example.org/data/${path}`);
 *     if (response.status === 404) return undefined;
 *     if (!response.ok) throw new Error(`${response.url}: ${response.status}`);
 *     return new Uint8Array(await response.arrayBuffer());
 *   },
 * };
 * ```
 */
export interface FileSource {
  /** What errors put before the path of a file. */
  readonly name: string;
  /**
   * Reads a whole file.
   *
   * @param path Folders and file, with "/" between.
   * @returns Its bytes; undefined if there is no such file.
   */
  read(path: string): Promise<Uint8Array | undefined>;
}

/** A file of a dataset is missing or is not what it should be. */
export class DatasetError extends Error {
  /** Survives minifiers. */
  override name = "DatasetError";

  /**
   * Of one file.
   *
   * @param archive Holds the file.
   * @param kind Whether the file is there at all.
   * @param problem Names the file, the record in it and what is wrong.
   */
  constructor(
    readonly archive: Archive,
    readonly kind: "missing" | "damaged",
    readonly problem: string,
  ) {
    super(
      `${problem}; unpack ${archive.url.split("/").at(-1)} ${
        kind === "missing" ? "there" : "again"
      }, which is at ${archive.url}`,
    );
  }
}

/** The folder of one dataset; what is wrong in it is told as a {@linkcode DatasetError}. */
export class DatasetFiles {
  constructor(readonly source: FileSource, readonly archive: Archive) {}

  /**
   * @param path Of a file, in the folder of the archive.
   * @throws {DatasetError} If there is no such file, or nothing in it.
   */
  async read(path: string): Promise<Uint8Array> {
    const bytes = await this.source.read(`${this.archive.folder}/${path}`);
    if (!bytes) {
      const problem = `${this.#locate(path)}: no such file`;
      throw new DatasetError(this.archive, "missing", problem);
    }
    if (bytes.length === 0) throw this.damaged(path, "it is empty");
    return bytes;
  }

  /** The lines of a text file, without empty ones at its end. */
  async readLines(path: string): Promise<string[]> {
    const text = new TextDecoder().decode(await this.read(path));
    return text.trimEnd().split(/\r?\n/);
  }

  /**
   * The names of classes, one a line.
   *
   * @throws {DatasetError} If there are more or fewer than `count`.
   */
  async readNames(path: string, count: number): Promise<string[]> {
    const names = await this.readLines(path);
    if (names.length !== count || names.some((name) => name.trim() === "")) {
      const found = names.filter((name) => name.trim() !== "").length;
      throw this.damaged(path, `it holds ${found} class names, not ${count}`);
    }
    return names;
  }

  /**
   * The fixed-size records of a file.
   *
   * @returns How many there are.
   * @throws {DatasetError} If the last is cut short.
   */
  countRecords(path: string, bytes: Uint8Array, recordBytes: number): number {
    const count = bytes.length / recordBytes;
    if (!Number.isInteger(count)) {
      throw this.damaged(
        path,
        `it is cut short or of another kind: ${bytes.length} bytes are not whole records of ${recordBytes}`,
      );
    }
    return count;
  }

  /** @param place The path, and where in the file, such as "test_batch.bin, record 3 (from 0)". */
  damaged(place: string, problem: string): DatasetError {
    const located = `${this.#locate(place)}: ${problem}`;
    return new DatasetError(this.archive, "damaged", located);
  }

  #locate(path: string): string {
    return `${this.source.name}/${this.archive.folder}/${path}`;
  }
}
