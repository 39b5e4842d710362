/** The worker: all that uses the GPU or decodes pictures, so that the page stays responsive. */
import {
  type Dataset,
  loadDigits,
  type PictureFormat,
  preparePicture,
  selectClasses,
} from "../../datasets.ts";
import { cutOut, openStreaming, type StreamingProgress } from "../../files.ts";
import { digitsScenario, type NetworkScore, type TaskData } from "../../mod.ts";
import { Networks } from "./networks.ts";
import { decodeFile } from "./picture_file.ts";
import type {
  Arguments,
  FromWorker,
  InputPicture,
  NetworkView,
  RequestName,
  Result,
  StreamAnswer,
  ToWorker,
  WorkerEvent,
} from "./protocol.ts";
import { readScores } from "./run_results.ts";
import { TRAINED, Training } from "./training.ts";

const send = (message: FromWorker) => globalThis.postMessage(message);
const tell = (event: WorkerEvent) => send({ event });

const networks = new Networks(() =>
  tell({ type: "notice", text: "The graphics device was lost; a new one is opened." })
);
let hasGpu = false;
let digits: Dataset;
/** The built-in tasks' images. */
let data: Record<string, TaskData>;
let training: Training;
/** Ends the stream under way. */
let streaming = new AbortController();

type Handlers = {
  [Name in RequestName]: (args: Arguments<Name>) => Result<Name> | Promise<Result<Name>>;
};

const handlers: Handlers = {
  async open() {
    digits = await loadDigits();
    data = Object.fromEntries(
      digitsScenario.tasks.map(({ name, classes }) => [
        name,
        classes ? selectClasses(digits, classes) : digits,
      ]),
    );
    training = new Training(networks, data, tell);
    const tasks = digitsScenario.tasks.map(({ name }) => ({ ...data[name]!, name }));
    const network = networks.set(
      TRAINED,
      "Trained here",
      digitsScenario,
      tasks.map((task) => ({ ...task, classes: [...task.classes] })),
    );
    try {
      const gpu = await networks.gpu();
      hasGpu = true;
      return { adapter: gpu.describe(), software: gpu.adapterClass === "software", network };
    } catch (error) {
      return { problem: (error as Error).message, software: false, network };
    }
  },
  train: ({ epochs, seed }) => training.start(epochs, seed),
  pause: () => training.pause(),
  resume: () => training.resume(),
  stop: () => training.stop(),
  view: ({ id }) => networks.view(id),
  load: (options) => load(options),
  test: ({ id }) => test(id),
  async measure({ id, task }) {
    if (training.isActive) throw new Error("pause the training first: it would disturb the clock");
    return await networks.use(id, async (net) => {
      const times = [];
      for (const { level } of networks.view(id).costs.filter((cost) => cost.task === task)) {
        times.push({ level, ...await net.virtual(task, { level }).measure() });
      }
      return times;
    });
  },
  picture: ({ id, task, source }) => picture(id, task, source),
  predict: ({ id, task, choice, bytes }) =>
    networks.use(id, async (net) => {
      const virtual = net.virtual(task, choice);
      await virtual.prepare(); // compiling is no part of an answer's time
      const start = performance.now();
      const probabilities = await virtual.predict(bytes);
      const milliseconds = performance.now() - start;
      return { level: virtual.level, bytes: virtual.cost.bytes, probabilities, milliseconds };
    }),
  checkpoint({ id }) {
    const { weights, view } = networks.entry(id);
    if (!weights) throw new RangeError(`${view.name}: it is not trained yet`);
    return weights;
  },
  cut: ({ id, task, level }) => networks.use(id, (net) => cutOut(net.virtual(task, { level }))),
  stream: ({ url, task, picture }) => stream(url, task, picture),
  stopStream: () => streaming.abort(new Error("Stopped.")),
  async loseDevice() {
    (await networks.gpu()).device.destroy();
  },
};

async function load(options: Arguments<"load">): Promise<NetworkView> {
  const { id, name } = options;
  if (!("url" in options)) {
    return await networks.load(id, name, new Uint8Array(options.bytes), hasGpu);
  }
  const response = await fetch(options.url);
  if (!response.ok) throw new Error(`${name}: the server says ${response.status}`);
  const view = await networks.load(id, name, new Uint8Array(await response.arrayBuffer()), hasGpu);
  // Accuracies are welcome, and not needed.
  const results = await fetch(new URL("results.jsonl", new URL(options.url, location.href)))
    .catch(() => undefined);
  if (results?.ok) networks.scores(id, readScores(await results.text().catch(() => "")));
  return view;
}

/** Scores a network of the built-in tasks on their test images. */
async function test(id: string): Promise<NetworkScore[]> {
  const { costs, testable, name } = networks.view(id);
  if (!testable) {
    throw new Error(`${name}: only networks of the built-in digits can be tested here`);
  }
  const scores = await networks.use(id, async (net) => {
    const scores: NetworkScore[] = [];
    for (const { task, level } of costs) {
      const { classes } = networks.view(id).tasks.find(({ name }) => name === task)!;
      const found = selectClasses(digits, classes.map(Number));
      const { height, width, channels, test } = found;
      const count = test.length;
      const images = new Uint8Array(count * height * width * channels);
      const labels = new Uint32Array(count);
      test.read(Uint32Array.from({ length: count }, (_, i) => i), images, labels);
      const answers = await net.virtual(task, { level }).predict(images);
      let [hits, loss] = [0, 0];
      labels.forEach((label, i) => {
        const row = answers.subarray(i * classes.length, (i + 1) * classes.length);
        if (row.indexOf(Math.max(...row)) === label) hits++;
        loss -= Math.log(Math.max(row[label]!, 1e-30));
      });
      scores.push({ task, level, count, accuracy: hits / count, loss: loss / count });
    }
    return scores;
  });
  networks.scores(id, scores);
  return scores;
}

async function picture(
  id: string,
  task: string,
  source: Arguments<"picture">["source"],
): Promise<InputPicture> {
  const { view, scenario } = networks.entry(id);
  const { width, height, channels, maximum } = view.tasks.find(({ name }) => name === task)!;
  const format = { width, height, channels, maximum };
  if (source.kind === "test") {
    const images = data[task] ?? digits;
    if (images.width !== width || images.height !== height || images.channels !== channels) {
      throw new Error("there are test pictures for networks of the built-in digits only");
    }
    const bytes = new Uint8Array(width * height * channels);
    images.test.read(Uint32Array.of(source.index % images.test.length), bytes, new Uint32Array(1));
    return { ...format, bytes };
  }
  const isDigits = scenario.tasks.find(({ name }) => name === task)!.dataset === "digits";
  const { width: w, height: h, data: rgba } = source.kind === "file"
    ? await decodeFile(source.file)
    : source.pixels;
  // As `deno task infer` does it: handwriting is framed and turned light on dark, photographs are not.
  const prepared = preparePicture(
    { width: w, height: h, rgba },
    format,
    isDigits ? "auto" : "none",
  );
  return { ...format, ...prepared };
}

/** Fetches a network level by level and lets each level answer. */
function stream(url: string, task: string, picture?: InputPicture): Promise<void> {
  streaming.abort(new Error("Another one is fetched."));
  const { signal } = streaming = new AbortController();
  const begun = performance.now();
  return networks.onDevice(async (gpu) => {
    tell({ type: "streamBegins" }); // again, if the device was lost
    const report = (progress: StreamingProgress, answer?: StreamAnswer) => {
      const { level, bytesLoaded: bytes, bytesTotal: totalBytes } = progress;
      // Since the click, not since what arrived: the level below may have been answering meanwhile.
      const milliseconds = performance.now() - begun;
      tell({ type: "stream", event: { level, bytes, totalBytes, milliseconds, answer } });
    };
    const onProgress = (progress: StreamingProgress) => report(progress);
    const network = await openStreaming(url, task, { gpu, signal, onProgress });
    try {
      for await (const progress of network.upgrades()) {
        const { bytes, of } = fitting(network.virtual(progress.level), picture);
        const probabilities = await network.virtual(progress.level).predict(bytes);
        signal.throwIfAborted();
        report(progress, { probabilities, of });
      }
    } finally {
      network.destroy();
    }
  });
}

/** What a network reads: the picture if it has the format; else a test picture of the digits, or a blank one. */
function fitting(
  format: PictureFormat,
  picture?: InputPicture,
): { bytes: Uint8Array; of: StreamAnswer["of"] } {
  const { width, height, channels, maximum } = format;
  const fits = (other: PictureFormat) =>
    other.width === width && other.height === height && other.channels === channels &&
    other.maximum === maximum;
  if (picture && fits(picture)) return { bytes: picture.bytes, of: "the picture above" };
  const bytes = new Uint8Array(width * height * channels);
  if (!fits(digits)) return { bytes, of: "a blank picture" };
  digits.test.read(Uint32Array.of(0), bytes, new Uint32Array(1));
  return { bytes, of: "a test picture" };
}

globalThis.addEventListener("message", async ({ data }: MessageEvent<ToWorker>) => {
  const { id, name, args } = data;
  try {
    const handler = handlers[name] as (args: unknown) => unknown;
    send({ id, result: await handler(args) });
  } catch (error) {
    const { name, message } = error as Error;
    send({ id, error: { name, message } });
  }
});
