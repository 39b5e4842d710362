/** The thread that owns the GPU: loads networks and classifies pictures, one message after another. */
import {
  AdapterError,
  DeepVirtualNetwork,
  DeviceLostError,
  Gpu,
  OutOfMemoryError,
} from "../../mod.ts";

/** A picture to classify. */
export interface Job {
  /** The weights file. */
  weights: string;
  /** Which version of it. */
  version: string;
  task: string;
  level: number;
  image: Uint8Array;
}

/** What became of a {@linkcode Job}. */
export type Outcome =
  | { kind: "done"; probabilities: Float32Array; milliseconds: number }
  /** The device was lost; another one will be opened. */
  | { kind: "lost"; code: "device_lost"; message: string }
  | { kind: "failed"; code: string; message: string };

/** Networks kept loaded, those used last. */
const KEPT = 4;

let gpu: Promise<Gpu> | undefined;
const networks = new Map<string, DeepVirtualNetwork>();

async function openGpu(): Promise<Gpu> {
  gpu ??= Gpu.open();
  try {
    return await gpu;
  } catch (error) {
    gpu = undefined;
    throw error;
  }
}

async function network({ weights, version }: Job): Promise<DeepVirtualNetwork> {
  const key = `${version} ${weights}`;
  let net = networks.get(key);
  networks.delete(key);
  net ??= await DeepVirtualNetwork.load(await openGpu(), await Deno.readFile(weights), {
    forInference: true,
  });
  networks.set(key, net); // the last in the map's order
  for (const [old, unused] of [...networks].slice(0, -KEPT)) {
    unused.destroy();
    networks.delete(old);
  }
  return net;
}

async function perform(job: Job): Promise<Outcome> {
  const net = await network(job);
  const virtual = net.virtual(job.task, { level: job.level });
  await virtual.prepare();
  const start = performance.now();
  const probabilities = await virtual.predict(job.image);
  return { kind: "done", probabilities, milliseconds: performance.now() - start };
}

/** That the device was lost, if it was: promises of a lost one fail in many ways. */
async function lossBehind(error: unknown): Promise<DeviceLostError | undefined> {
  await new Promise((resolve) => setTimeout(resolve)); // the news may come a turn later
  try {
    (await gpu)?.check();
  } catch (fault) {
    error = fault;
  }
  return error instanceof DeviceLostError ? error : undefined;
}

async function answer(job: Job): Promise<Outcome> {
  try {
    return await perform(job);
  } catch (error) {
    const loss = await lossBehind(error);
    if (loss) {
      gpu = undefined;
      networks.clear(); // gone with the device
      return { kind: "lost", code: "device_lost", message: loss.message };
    }
    const { message } = error as Error;
    const code = error instanceof AdapterError
      ? "no_adapter"
      : error instanceof OutOfMemoryError
      ? "out_of_memory"
      : "predict_failed";
    return { kind: "failed", code, message };
  }
}

/** What a worker's global has that a page's has not. */
const worker = globalThis as unknown as {
  onmessage: (event: MessageEvent<Job>) => void;
  postMessage(outcome: Outcome): void;
};
worker.onmessage = async ({ data }) => worker.postMessage(await answer(data));
