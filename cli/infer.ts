/**
 * Classifies pictures with one of the networks of a run.
 *
 *     deno task infer --run DIR --task NAME (--budget SIZE | --level N) <image files>
 *
 * @module
 */
import { DeepVirtualNetwork, Gpu, SafeTensorsError, type VirtualNetwork } from "../mod.ts";
import { taskLevels } from "../dvn/hierarchy.ts";
import { prepareAdapter } from "./adapter.ts";
import {
  byteSize,
  COMMON_FLAGS,
  describeFlags,
  type Flag,
  parseCommandLine,
  runCommand,
  UsageError,
  wholeNumber,
} from "./args.ts";
import { isInk } from "./datasets.ts";
import { formatBytes, formatCount, formatLarge, formatPercent } from "./format.ts";
import {
  cropToProportions,
  decodePicture,
  type PictureFormat,
  resize,
  toBytes,
  toRaster,
} from "./images.ts";
import { detectInk, type Ink, readInk } from "./ink.ts";
import { RunFolder, why } from "./run_folder.ts";
import { NO_TUNING_FLAG, useRemembered } from "./tuning_file.ts";

const FLAGS = {
  run: { value: "DIR", help: "the run's folder, such as runs/digits-seed1" },
  task: { value: "NAME", help: "which task; needed if the run has several" },
  budget: {
    value: "SIZE",
    help: "take the highest level within this memory: 40KB, 64KiB, 1.5MB",
  },
  level: { value: "N", help: "take this level; without either, the top one" },
  top: { value: "N", help: "classes to name for each picture (3)" },
  ink: {
    value: "KIND",
    help: "light, dark (than the page) or none (take pictures as they are);\n" +
      "for digits, if not given, it is seen from each picture",
  },
  json: { help: "print one JSON object" },
  "no-tuning": NO_TUNING_FLAG,
  ...COMMON_FLAGS,
} as const satisfies Record<string, Flag>;

const HELP = `Classifies pictures with one of the networks of a run.

  deno task infer --run DIR --task NAME (--budget SIZE | --level N) <image files>

${describeFlags(FLAGS)}

Pictures are PNG, JPEG, PGM or PPM. Photographs are cut to the network's proportions
around their middle and resized. Handwriting is cut to the ink, and dark ink on a light
page becomes light on dark, as the digits are that the network has learned from; a
picture that has the network's size already is only turned light on dark.
Exit code: 0 done, 1 failed, 2 a wrong flag, file or value; what could be read of
several pictures is answered in any case.

  deno task infer --run runs/digits-seed1 --task digits --budget 40KB tests/fixtures/digits/*.png
  deno task infer --run runs/digits-seed1 --task low --level 1 --json three.jpg`;

/** What is said about one picture. */
type Answer =
  & { file: string }
  & ({
    /** How the picture was read, for handwriting. */
    ink?: Ink;
    top: { class: string; probability: number }[];
  } | { error: string });

/** @returns The exit code. */
export async function main(args: string[]): Promise<number> {
  const { flags, operands: files } = parseCommandLine(args, FLAGS);
  if (flags.help) {
    console.log(HELP);
    return 0;
  }
  const { run, budget, level, ink } = flags;
  if (!run) throw new UsageError("--run is needed: --run runs/<name>");
  if (budget && level) {
    throw new UsageError("--budget and --level exclude each other");
  }
  if (ink && !["light", "dark", "none"].includes(ink)) {
    throw new UsageError(`--ink must be light, dark or none; got "${ink}"`);
  }
  const choice = budget
    ? { budget: byteSize("budget", budget) }
    : level
    ? { level: wholeNumber("level", level, 1) }
    : undefined;
  const count = wholeNumber("top", flags.top ?? "3", 1);
  if (files.length === 0) {
    throw new UsageError("name at least one picture; --help shows how");
  }
  const weights = await (await RunFolder.open(run)).readModel();

  const { line } = await prepareAdapter();
  const gpu = await Gpu.open();
  try {
    await useRemembered(gpu, flags);
    const net = await load(gpu, weights, run);
    const task = chooseTask(net.taskNames, flags.task);
    const network = chooseNetwork(net, task, choice);
    const { dataset } = net.scenario.tasks.find(({ name }) => name === task)!;
    const inkOf = ink ?? (isInk(dataset) ? "auto" : "none");
    if (inkOf !== "none" && network.channels !== 1) {
      throw new UsageError(
        `--ink ${ink} is for grey pictures; ${task} has colour`,
      );
    }
    const answers = await classify(network, files, inkOf as InkChoice, count);
    if (flags.json) {
      const { cost } = network;
      console.log(JSON.stringify({ run, ...cost, pictures: answers }, null, 2));
    } else {
      console.log(line);
      console.log(describeNetwork(network, net, choice?.budget));
      console.log(describeAnswers(answers));
    }
    const bad = answers.filter((answer) => "error" in answer);
    for (const { file, error } of bad) {
      console.error(`error: ${file}: ${error}`);
    }
    return bad.length > 0 ? 2 : 0;
  } finally {
    gpu.destroy();
  }
}

async function load(gpu: Gpu, weights: Uint8Array, run: string) {
  try {
    return await DeepVirtualNetwork.load(gpu, weights);
  } catch (error) {
    if (!(error instanceof RangeError || error instanceof SafeTensorsError)) {
      throw error;
    }
    throw new UsageError(`cannot use the model in ${run}: ${error.message}`);
  }
}

type InkChoice = Ink | "auto" | "none";

function chooseTask(names: readonly string[], name: string | undefined) {
  const task = name ?? (names.length === 1 ? names[0] : undefined);
  if (task === undefined || !names.includes(task)) {
    const got = name === undefined ? "is needed" : `"${name}" is not there`;
    throw new UsageError(`--task ${got}; the run has ${names.join(", ")}`);
  }
  return task;
}

function chooseNetwork(
  net: DeepVirtualNetwork,
  task: string,
  choice: { level: number } | { budget: number } | undefined,
): VirtualNetwork {
  const level = taskLevels(net.scenario, net.taskNames.indexOf(task)).at(-1)!;
  try {
    return net.virtual(task, choice ?? { level });
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    throw new UsageError(error.message);
  }
}

/** All pictures that can be read, in one batch. */
async function classify(
  network: VirtualNetwork,
  files: string[],
  ink: InkChoice,
  count: number,
): Promise<Answer[]> {
  const pictures = await Promise.all(files.map((file) => {
    return readPicture(file, network, ink);
  }));
  const readable = pictures.filter((picture) => "bytes" in picture);
  const size = network.height * network.width * network.channels;
  const batch = new Uint8Array(readable.length * size);
  readable.forEach(({ bytes }, i) => batch.set(bytes, i * size));
  const probabilities = readable.length > 0 ? await network.predict(batch) : new Float32Array();
  const classes = network.classes.length;
  return pictures.map((picture): Answer => {
    if ("error" in picture) return picture;
    const row = readable.indexOf(picture) * classes;
    const top = network.classes
      .map((name, i) => ({ class: name, probability: probabilities[row + i]! }))
      .sort((a, b) => b.probability - a.probability)
      .slice(0, count);
    return { file: picture.file, ink: picture.ink, top };
  });
}

async function readPicture(
  file: string,
  format: PictureFormat,
  choice: InkChoice,
): Promise<
  { file: string; bytes: Uint8Array; ink?: Ink } | {
    file: string;
    error: string;
  }
> {
  try {
    const picture = await decodePicture(await Deno.readFile(file));
    const raster = toRaster(picture, format.channels);
    const { width, height, maximum } = format;
    if (choice === "none") {
      const part = cropToProportions(raster, width, height);
      return { file, bytes: toBytes(resize(part, width, height), maximum) };
    }
    const ink = choice === "auto" ? detectInk(raster) : choice;
    return { file, ink, bytes: toBytes(readInk(raster, ink, format), maximum) };
  } catch (error) {
    return { file, error: why(error) };
  }
}

function describeNetwork(
  { task, level, cost }: VirtualNetwork,
  { scenario }: DeepVirtualNetwork,
  budget: number | undefined,
): string {
  const bytes = formatBytes(cost.bytes);
  return [
    `${task}, level ${level} of ${scenario.levels.length}: ` +
    `${formatCount(cost.parameters.total)} parameters`,
    budget ? `${bytes} of the ${formatBytes(budget)} allowed` : bytes,
    `${formatLarge(cost.macs)} MACs an image`,
  ].join(", ");
}

function describeAnswers(answers: Answer[]): string {
  const width = Math.max(...answers.map(({ file }) => file.length));
  return answers.flatMap((answer) => {
    if ("error" in answer) return [];
    const classes = answer.top.map((best) =>
      `${best.class} ${formatPercent(best.probability).padStart(7)}`
    );
    const note = answer.ink === "dark" ? ["(dark ink on a light page)"] : [];
    return [answer.file.padEnd(width), ...classes, ...note].join("   ");
  }).join("\n");
}

if (import.meta.main) await runCommand(main);
