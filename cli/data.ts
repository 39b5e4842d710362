/**
 * Fetches a dataset.
 *
 *     deno task data <name> [flags]
 *
 * @module
 */
import { join } from "node:path";
import type { Archive } from "../datasets/archives.ts";
import {
  COMMON_FLAGS,
  describeFlags,
  type Flag,
  parseCommandLine,
  runCommand,
  UsageError,
} from "./args.ts";
import { archiveOf, archives, DATA_FOLDER, loadDataset } from "./datasets.ts";
import { DownloadError } from "./download.ts";
import { formatBytes, formatCount } from "./format.ts";
import { obtain } from "./obtain.ts";
import { why } from "./run_folder.ts";

const FLAGS = {
  dir: {
    value: "DIR",
    help: `where the dataset's folder is put (${DATA_FOLDER})`,
  },
  from: { value: "FILE", help: "unpack this archive and fetch nothing" },
  url: { value: "URL", help: "fetch the archive from this address instead" },
  force: { help: "replace the folder where there is one" },
  ...COMMON_FLAGS,
} as const satisfies Record<string, Flag>;

const HELP =
  `Fetches a dataset from its official address and unpacks it where the other commands look.

  deno task data <name> [flags]

${describeArchives()}

${describeFlags(FLAGS)}

Size and checksum are compared with the published ones before anything is unpacked. After Ctrl-C or
a broken connection the same command goes on where it stopped. Images without labels are left out.
Exit code: 0 done, 1 failed, 2 a wrong flag, file or value, 130 interrupted.

  deno task data cifar-10
  deno task data tiny-imagenet --dir /big/disk
  deno task data stl-10 --from ~/Downloads/stl10_binary.tar.gz`;

/** @returns The exit code. */
export async function main(args: string[]): Promise<number> {
  const { flags, operands } = parseCommandLine(args, FLAGS);
  if (flags.help) {
    console.log(HELP);
    return 0;
  }
  if (operands.length !== 1) {
    const names = archives.map(({ name }) => name).join(", ");
    throw new UsageError(`name one dataset of ${names}`);
  }
  const archive = archiveOf(operands[0]!);
  const { from, url, force } = flags;
  if (from && url) throw new UsageError("--from and --url exclude each other");
  if (url && !/^https?:/.test(URL.parse(url)?.protocol ?? "")) {
    throw new UsageError(
      `--url must begin with http:// or https://; got "${url}"`,
    );
  }
  if (from) await checkFile(from);
  const dir = (flags.dir ?? DATA_FOLDER).replace(/(?<=.)[/\\]+$/, "");
  const interrupt = interruptSignal();
  try {
    await obtain(archive, dir, {
      ...{ from, url, force },
      signal: interrupt.signal,
      log: (line) => console.error(line),
    });
  } catch (error) {
    if (interrupt.signal.aborted) {
      console.error("Interrupted; the same command goes on from here.");
      return 130;
    }
    if (!(error instanceof DownloadError)) throw error;
    console.error(`error: ${error.message}`);
    return 1;
  } finally {
    interrupt.dispose();
  }
  console.log(await describeDataset(archive, dir));
  return 0;
}

async function checkFile(path: string): Promise<void> {
  try {
    if ((await Deno.stat(path)).isDirectory) {
      throw new UsageError(
        `--from ${path} is a folder, not an archive; if the dataset is unpacked in it, use it with --data`,
      );
    }
  } catch (error) {
    if (error instanceof UsageError) throw error;
    throw new UsageError(`cannot read ${path}: ${why(error)}`);
  }
}

/** Reads the dataset, which proves that it can be used. */
async function describeDataset(archive: Archive, dir: string): Promise<string> {
  const { train, test, classes, ...size } = await loadDataset(
    archive.name,
    dir,
  );
  return `${archive.name}: ${formatCount(train.length)} training and ${
    formatCount(test.length)
  } test images of ${size.height}x${size.width}x${size.channels}, ${classes.length} classes, in ${
    join(dir, archive.folder)
  }`;
}

function describeArchives(): string {
  const width = Math.max(...archives.map(({ name }) => name.length)) + 2;
  return archives
    .map(({ name, bytes, url, source }) =>
      `  ${name.padEnd(width)}${formatBytes(bytes).padStart(7)}  ${url}\n` +
      `${" ".repeat(width + 11)}${source}`
    )
    .join("\n");
}

/** Aborted by Ctrl-C. */
function interruptSignal(): { signal: AbortSignal; dispose: () => void } {
  const controller = new AbortController();
  const onSignal = () => controller.abort(new Error("interrupted"));
  const signals: Deno.Signal[] = Deno.build.os === "windows"
    ? ["SIGINT", "SIGBREAK"]
    : ["SIGINT", "SIGTERM"];
  for (const signal of signals) Deno.addSignalListener(signal, onSignal);
  return {
    signal: controller.signal,
    dispose: () => {
      for (const signal of signals) {
        Deno.removeSignalListener(signal, onSignal);
      }
    },
  };
}

if (import.meta.main) await runCommand(main);
