/** The worker's networks: their weights outlive the device, the networks themselves do not. */
import {
  convLayers,
  decodeSafeTensors,
  DeepVirtualNetwork,
  describeWeights,
  DeviceLostError,
  Gpu,
  networkCost,
  type NetworkScore,
  type Scenario,
  taskHierarchy,
  taskLevels,
  UnitPartition,
} from "../../mod.ts";
import type { NetworkView, TaskView } from "./protocol.ts";

/** A network by its weights; on the device only while it is the one in use. */
interface Entry {
  view: NetworkView;
  scenario: Scenario;
  weights?: Uint8Array;
  /** On the device that is open now. */
  net?: DeepVirtualNetwork;
  /** Whether the training owns `net`. */
  lent: boolean;
  /** Requests under way: `net` is not freed under them. */
  users: number;
}

export class Networks {
  readonly #entries = new Map<string, Entry>();
  /** What was asked for last. */
  #current: Entry | undefined;
  #gpu: Promise<Gpu> | undefined;

  /** @param onLoss Told when the device was lost and a new one will be opened. */
  constructor(readonly onLoss: () => void) {}

  /** The device, opened when first needed and again after a loss. */
  gpu(): Promise<Gpu> {
    if (!this.#gpu) {
      const opening = this.#gpu = Gpu.open();
      opening.then(
        (gpu) => void gpu.device.lost.then(() => this.forget(gpu)),
        () => {
          if (this.#gpu === opening) this.#gpu = undefined;
        },
      );
    }
    return this.#gpu;
  }

  /**
   * Runs what uses the device; if that is lost meanwhile, opens a new one and runs it again, once.
   */
  async onDevice<T>(work: (gpu: Gpu) => Promise<T>): Promise<T> {
    const gpu = await this.gpu();
    try {
      return await work(gpu);
    } catch (error) {
      if (!await isLost(gpu)) throw error;
      await this.forget(gpu);
      return await work(await this.gpu());
    }
  }

  /** Drops a lost device and all that was on it. Another, opened since, stays. */
  async forget(lost: Gpu): Promise<void> {
    const current = this.#gpu && await this.#gpu.catch(() => undefined);
    if (current !== lost) return;
    this.#gpu = undefined;
    for (const entry of this.#entries.values()) {
      entry.net = undefined;
      entry.lent = false;
    }
    this.onLoss();
  }

  /**
   * Adds or replaces a network; what the old one had on the device is freed.
   *
   * @param lent The network on the device that the training goes on with.
   */
  set(
    id: string,
    name: string,
    scenario: Scenario,
    tasks: readonly TaskView[],
    weights?: Uint8Array,
    lent?: DeepVirtualNetwork,
  ): NetworkView {
    const old = this.#entries.get(id);
    const view = { ...describe(id, name, scenario, tasks), trained: !!weights };
    const entry: Entry = { view, scenario, weights, net: lent, lent: !!lent, users: 0 };
    this.#entries.set(id, entry);
    if (this.#current === old) this.#current = entry;
    if (old) this.#tidy(old);
    return view;
  }

  /** Makes a network of the bytes of a checkpoint. @throws {Error} If they are not one. */
  async load(id: string, name: string, weights: Uint8Array, hasGpu: boolean): Promise<NetworkView> {
    const { scenario, tasks } = describeWeights(decodeSafeTensors(weights).metadata);
    // Only this tells whether the file has the weights that it should: the old one stays if not.
    const net = hasGpu ? await this.onDevice((gpu) => loadFrom(gpu, weights)) : undefined;
    const view = this.set(id, name, scenario, tasks, weights);
    const entry = this.entry(id);
    entry.net = net;
    this.#makeCurrent(entry);
    return view;
  }

  entry(id: string): Entry {
    const entry = this.#entries.get(id);
    if (!entry) throw new RangeError(`there is no network ${id}`);
    return entry;
  }

  view(id: string): NetworkView {
    return this.entry(id).view;
  }

  scores(id: string, scores: NetworkScore[]): void {
    this.entry(id).view.scores = scores;
  }

  /** Keeps the newest checkpoint's weights. */
  keep(id: string, weights: Uint8Array): void {
    this.entry(id).weights = weights;
  }

  /** The training is done with what it lent. */
  release(id: string): void {
    const entry = this.entry(id);
    entry.lent = false;
    this.#tidy(entry);
  }

  /** Asks something of a network, loading it if it is not on the device. */
  use<T>(id: string, work: (net: DeepVirtualNetwork) => Promise<T>): Promise<T> {
    return this.onDevice(async (gpu) => {
      const entry = this.entry(id);
      this.#makeCurrent(entry);
      entry.users++;
      try {
        return await work(await this.#onto(gpu, entry));
      } finally {
        entry.users--;
        this.#tidy(entry);
      }
    });
  }

  async #onto(gpu: Gpu, entry: Entry): Promise<DeepVirtualNetwork> {
    if (entry.net?.gpu === gpu) return entry.net;
    if (!entry.weights) throw new RangeError(`${entry.view.name}: it is not trained yet`);
    const net = await loadFrom(gpu, entry.weights);
    if (entry.net?.gpu === gpu) net.destroy(); // another request was faster
    else entry.net = net;
    return entry.net!;
  }

  #makeCurrent(entry: Entry): void {
    this.#current = entry;
    for (const each of this.#entries.values()) this.#tidy(each);
  }

  /** Frees what a network has on the device, if nobody needs it there. */
  #tidy(entry: Entry): void {
    const isReplaced = this.#entries.get(entry.view.id) !== entry;
    const isKept = !isReplaced && (entry.lent || entry === this.#current);
    if (isKept || entry.users > 0) return;
    entry.net?.destroy();
    entry.net = undefined;
  }
}

/** Networks are trained elsewhere: without gradients they take a third of the memory. */
function loadFrom(gpu: Gpu, weights: Uint8Array): Promise<DeepVirtualNetwork> {
  return DeepVirtualNetwork.load(gpu, weights, { forInference: true });
}

/** Whether the device is gone: promises of a lost one fail in many ways, and this is what tells. */
export async function isLost(gpu: Gpu): Promise<boolean> {
  await new Promise((resolve) => setTimeout(resolve)); // the news may come a turn later
  try {
    gpu.check();
    return false;
  } catch (error) {
    return error instanceof DeviceLostError;
  }
}

/** All that can be said of a network without its weights. */
function describe(
  id: string,
  name: string,
  scenario: Scenario,
  tasks: readonly TaskView[],
): Omit<NetworkView, "trained"> {
  const partition = new UnitPartition(scenario.units, scenario.unitShares);
  return {
    id,
    name,
    scenario: {
      name: scenario.name,
      description: scenario.description,
      units: scenario.units,
      levels: scenario.levels,
    },
    tasks: tasks.map(({ name, classes, height, width, channels, maximum }) => (
      { name, classes, height, width, channels, maximum }
    )),
    orders: tasks.map((_, task) => [...taskHierarchy(scenario, task).order]),
    layers: convLayers(scenario.backbone, scenario.stem).map((layer) => ({
      name: layer.name,
      inWidths: layer.inIsStem ? [layer.inChannels] : partition.widths(layer.inChannels),
      outWidths: partition.widths(layer.outChannels),
    })),
    costs: tasks.flatMap((info, task) =>
      taskLevels(scenario, task).map((level) => networkCost(scenario, task, level, info))
    ),
    scores: [],
    testable: scenario.tasks.every(({ dataset }) => dataset === "digits"),
  };
}
