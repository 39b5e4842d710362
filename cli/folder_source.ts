import { join } from "node:path";
import type { FileSource } from "../datasets/dataset_files.ts";
import { UsageError } from "./args.ts";
import { why } from "./run_folder.ts";

/** The files of a folder, for the readers of datasets. */
export function folderSource(folder: string): FileSource {
  return {
    name: folder.replace(/(?<=.)[/\\]+$/, ""),
    read: async (path) => {
      try {
        return await Deno.readFile(join(folder, path));
      } catch (error) {
        if (error instanceof Deno.errors.NotFound) return undefined;
        throw new UsageError(
          `cannot read ${join(folder, path)}: ${why(error)}`,
        );
      }
    },
  };
}
