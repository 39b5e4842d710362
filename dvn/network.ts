import type { Gpu } from "../nn/gpu/gpu.ts";
import { batchNorm } from "../nn/ops/batch_norm.ts";
import { conv2d } from "../nn/ops/conv2d.ts";
import { globalAveragePool } from "../nn/ops/global_average_pool.ts";
import { l2Normalize } from "../nn/ops/l2_normalize.ts";
import { linear } from "../nn/ops/linear.ts";
import { shortcut } from "../nn/ops/shortcut.ts";
import { type Param, ParamStore, type State } from "../nn/params.ts";
import { decodeSafeTensors, encodeSafeTensors, type SafeTensors } from "../nn/safetensors.ts";
import type { Tape } from "../nn/tape.ts";
import type { Tensor } from "../nn/tensor.ts";
import { batchNormLayers, residualBlocks, shortcutMap, stemStride } from "./backbone.ts";
import { type NetworkCost, networkCost } from "./costs.ts";
import type { TaskData } from "./data.ts";
import { type Hierarchy, taskHierarchy, taskLevels } from "./hierarchy.ts";
import { declareParameters, stemNames } from "./parameters.ts";
import { parseScenario } from "./parse_scenario.ts";
import type { Scenario } from "./scenario.ts";
import { describeTask, type TaskInfo } from "./task_info.ts";
import { scenarioPartition, type UnitPartition } from "./unit_partition.ts";
import { VirtualNetwork } from "./virtual_network.ts";

/** Marks a weights file as ours, in its metadata. */
const FORMAT = "deep-virtual-network/1";

/**
 * How batch norm is computed. "training": with the batch's statistics, of which running ones are kept;
 * "inference": with the running ones; `average`: as in training, but the running ones become the
 * average over some runs: a tensor [1] that says 0 at the first run, then 1/2, 2/3, ...
 */
export type Mode = "training" | "inference" | { average: Tensor };

/**
 * One set of weights that holds tasks x levels networks (Kim, Ahn, Torr and Oh, CVPR 2019).
 *
 * All tasks share the trunk, whose channels are cut into units; each task orders the units into a
 * hierarchy. A task has its own stem, and each (task, level) its own head and, unless the scenario
 * shares them, batch-norm parameters and statistics.
 */
export class DeepVirtualNetwork {
  readonly partition: UnitPartition;
  readonly hierarchies: readonly Hierarchy[];
  readonly #virtuals = new Map<string, VirtualNetwork>();

  private constructor(
    readonly gpu: Gpu,
    readonly scenario: Scenario,
    readonly tasks: readonly TaskInfo[],
    readonly store: ParamStore,
  ) {
    this.partition = scenarioPartition(scenario);
    this.hierarchies = tasks.map((_, task) => taskHierarchy(scenario, task));
  }

  static async #make(
    gpu: Gpu,
    scenario: Scenario,
    tasks: readonly TaskInfo[],
  ): Promise<DeepVirtualNetwork> {
    const store = new ParamStore(gpu, scenario.seed);
    const net = new DeepVirtualNetwork(gpu, scenario, tasks, store);
    declareParameters(store, scenario, tasks, net.hierarchies);
    await store.allocate();
    return net;
  }

  /**
   * Makes a network with fresh weights, the same for the same seed.
   *
   * @param data For each task's name, its images.
   * @throws {RangeError} If a task has no data, or its pictures do not fit the stem.
   */
  static async create(
    gpu: Gpu,
    scenario: Scenario,
    data: Readonly<Record<string, TaskData>>,
  ): Promise<DeepVirtualNetwork> {
    const tasks = scenario.tasks.map(({ name }) => {
      const taskData = data[name];
      if (!taskData) {
        throw new RangeError(
          `DeepVirtualNetwork.create: no data for task ${name}; got ${
            Object.keys(data).join(", ")
          }`,
        );
      }
      return describeTask(name, taskData, scenario.normalization);
    });
    return await DeepVirtualNetwork.#make(gpu, scenario, tasks);
  }

  /**
   * Makes a network from a weights file.
   *
   * @throws {SafeTensorsError} If the bytes are not a safetensors file.
   * @throws {RangeError} If they are not a deep virtual network's.
   */
  static async load(
    gpu: Gpu,
    weights: Uint8Array,
  ): Promise<DeepVirtualNetwork> {
    const file = decodeSafeTensors(weights);
    const { format, scenario, tasks } = file.metadata;
    if (format !== FORMAT || !scenario || !tasks) {
      throw new RangeError(
        `DeepVirtualNetwork.load: the file's metadata must say format ${FORMAT} and hold scenario ` +
          `and tasks, got ${
            format ? `format ${format}` : "no format"
          }; use a run's model.safetensors`,
      );
    }
    const net = await DeepVirtualNetwork.#make(
      gpu,
      parseScenario(JSON.parse(scenario)),
      JSON.parse(tasks),
    );
    net.restore(file);
    return net;
  }

  /** The network as it is now, with weights of its own that cannot be trained. */
  async frozenCopy(): Promise<DeepVirtualNetwork> {
    const { gpu, scenario, tasks, store } = this;
    return new DeepVirtualNetwork(gpu, scenario, tasks, await store.frozenCopy());
  }

  /**
   * Makes stem and batch norm of all levels of a task those of a network of another task, as far as
   * they have the same units. Heads stay.
   *
   * @param from Task, index from 0, and level, from 1.
   * @param to Index from 0.
   * @throws {RangeError} If the pictures of the two have not as many channels.
   */
  async copyTask(from: { task: number; level: number }, to: number): Promise<void> {
    const { backbone, stem } = this.scenario;
    const [first, second] = [this.tasks[from.task]!, this.tasks[to]!];
    if (first.channels !== second.channels) {
      throw new RangeError(
        `task ${second.name} cannot begin with the stem of task ${first.name}, since its pictures ` +
          `have ${second.channels} channels and not ${first.channels}; let new tasks begin fresh`,
      );
    }
    const values = await this.store.read();
    const copy = (
      source: string,
      target: string,
      moves: readonly (readonly [number, number])[],
    ) => {
      const old = values.get(source);
      const now = values.get(target);
      if (!old || !now) return; // shared by all
      for (const [at, into] of moves) now[into] = old[at]!;
      this.store.write(target, now);
    };
    const [oldStem, newStem] = [this.#stem(from.task), this.#stem(to)];
    for (const part of ["weight", "affine", "running"] as const) {
      const { length } = values.get(oldStem[part])!;
      copy(oldStem[part], newStem[part], Array.from({ length }, (_, i) => [i, i] as const));
    }
    const channelsOf = (task: number, level: number, channels: number) =>
      this.partition.channelsOf(channels, this.hierarchies[task]!.activeUnits(level));
    for (const level of taskLevels(this.scenario, to)) {
      for (const { name, channels, split } of batchNormLayers(backbone, stem)) {
        if (!split) continue;
        const old = channelsOf(from.task, from.level, channels);
        const now = channelsOf(to, level, channels);
        const moves = now.flatMap((channel, into) => {
          const at = old.indexOf(channel);
          if (at < 0) return [];
          return [[at, into], [old.length + at, now.length + into]] as const;
        });
        for (const part of ["affine", "running"]) {
          copy(
            `${this.#prefix(from.task, from.level)}.${name}.${part}`,
            `${this.#prefix(to, level)}.${name}.${part}`,
            moves,
          );
        }
      }
    }
  }

  /** Overwrites all parameters and states. @throws {RangeError} If names or shapes differ. */
  restore({ tensors }: SafeTensors): void {
    const known = [
      ...this.store.params.values(),
      ...this.store.states.values(),
    ];
    for (const { name, shape } of known) {
      const tensor = tensors.get(name);
      if (tensor?.shape.join() !== shape.join()) {
        throw new RangeError(
          `weights: ${name} should be [${shape}], the file has ` +
            `${tensor ? `[${tensor.shape}]` : "none"}; it belongs to another scenario`,
        );
      }
    }
    const extra = [...tensors.keys()].find((name) => !known.some((item) => item.name === name));
    if (extra) {
      throw new RangeError(
        `weights: the file has ${extra}, which this scenario has not`,
      );
    }
    for (const { name } of known) {
      this.store.write(name, tensors.get(name)!.data);
    }
  }

  /** All parameters and states as a safetensors file that {@linkcode DeepVirtualNetwork.load} reads. */
  async weights(
    metadata: Record<string, string> = {},
  ): Promise<Uint8Array<ArrayBuffer>> {
    const { params, states } = this.store;
    const values = await this.store.read();
    return encodeSafeTensors({
      tensors: new Map(
        [...values].map(([name, data]) => {
          const { shape } = params.get(name) ?? states.get(name)!;
          return [name, { shape: [...shape], data }];
        }),
      ),
      metadata: {
        format: FORMAT,
        scenario: JSON.stringify(this.scenario),
        tasks: JSON.stringify(this.tasks),
        orders: JSON.stringify(this.hierarchies.map(({ order }) => order)),
        adapter: this.gpu.describe(),
        choices: JSON.stringify(this.gpu.tuning.choices),
        ...metadata,
      },
    });
  }

  get taskNames(): string[] {
    return this.tasks.map(({ name }) => name);
  }

  /** What every network costs, task by task. */
  costs(): NetworkCost[] {
    return this.tasks.flatMap((_, task) =>
      taskLevels(this.scenario, task).map((level) => this.cost(task, level))
    );
  }

  /** @param task Index from 0. @param level From 1. */
  cost(task: number, level: number): NetworkCost {
    return networkCost(this.scenario, task, level, this.tasks[task]!);
  }

  /**
   * One of the networks: of a level, or of the highest level that fits a budget.
   *
   * @param choice `level` from 1; or `budget` in bytes of parameters.
   * @throws {RangeError} If there is no such task or level, or no level fits; the message then names
   *   the smallest possible budget.
   */
  virtual(
    task: string,
    choice: { level: number } | { budget: number },
  ): VirtualNetwork {
    const index = this.taskNames.indexOf(task);
    if (index < 0) {
      throw new RangeError(
        `no task is named ${task}; there are ${this.taskNames.join(", ")}`,
      );
    }
    const levels = taskLevels(this.scenario, index);
    const level = "level" in choice ? choice.level : this.#highestLevel(index, choice.budget);
    if (!levels.includes(level)) {
      throw new RangeError(
        `task ${task} has ${levels.length === 1 ? "level" : "levels"} ${
          levels.join(", ")
        }, got ${level}`,
      );
    }
    const key = `${index} ${level}`;
    let virtual = this.#virtuals.get(key);
    if (!virtual) {
      this.#virtuals.set(key, virtual = new VirtualNetwork(this, index, level));
    }
    return virtual;
  }

  #highestLevel(task: number, budget: number): number {
    const levels = taskLevels(this.scenario, task);
    const bytes = levels.map((level) => this.cost(task, level).bytes);
    const fitting = bytes.findLastIndex((cost) => cost <= budget);
    if (fitting < 0) {
      const { name } = this.tasks[task]!;
      throw new RangeError(
        `no level of task ${name} fits a budget of ${budget} bytes: level ${
          levels[0]
        }, the smallest, ` +
          `needs ${bytes[0]} bytes`,
      );
    }
    return levels[fitting]!;
  }

  /** Frees all GPU memory of the network and its plans. */
  destroy(): void {
    for (const virtual of this.#virtuals.values()) virtual.destroy();
    this.#virtuals.clear();
    this.store.destroy();
  }

  #param(name: string): Param {
    return this.store.params.get(name)!;
  }

  #state(name: string): State {
    return this.store.states.get(name)!;
  }

  #stem(task: number): ReturnType<typeof stemNames> {
    return stemNames(this.scenario, this.tasks[task]!);
  }

  #prefix(task: number, level: number): string {
    return `${this.tasks[task]!.name}.level${level}`;
  }

  /**
   * Records a task's stem, which all its levels share: convolution, batch norm, ReLU.
   *
   * @param task Index from 0.
   * @returns [n, outputSize, outputSize, stem channels].
   */
  stem(tape: Tape, task: number, images: Tensor, mode: Mode): Tensor {
    const { stem } = this.scenario;
    const info = this.tasks[task]!;
    const { weight, affine, running } = this.#stem(task);
    return tape.scope(`stem.${info.name}`, () => {
      const y = conv2d(tape, this.store, images, this.#param(weight), {
        kernel: stem.kernel,
        stride: stemStride(info, stem.outputSize),
        padding: (stem.kernel - 1) / 2,
      });
      return this.#norm(tape, y, affine, running, mode);
    });
  }

  /**
   * Records one virtual network on top of its stem.
   *
   * @param task Index from 0.
   * @param level From 1.
   * @returns Logits [n, classes].
   */
  forward(tape: Tape, task: number, level: number, stem: Tensor, mode: Mode): Tensor {
    return this.head(tape, task, level, this.features(tape, task, level, stem, mode));
  }

  /**
   * Records the trunk at one level of a task, down to the pooled features.
   *
   * @returns [n, channels of the level's units in the last stage], padded to a multiple of 4.
   */
  features(tape: Tape, task: number, level: number, stem: Tensor, mode: Mode): Tensor {
    const { backbone, stem: stemSpec, batchNorm } = this.scenario;
    const units = this.hierarchies[task]!.activeUnits(level);
    const prefix = this.#prefix(task, level);
    const norm = (x: Tensor, name: string) => {
      const affine = batchNorm.affine === "private" ? `${prefix}.${name}` : name;
      const running = batchNorm.statistics === "shared" ? name : `${prefix}.${name}`;
      return tape.scope(
        name,
        () => this.#norm(tape, x, `${affine}.affine`, `${running}.running`, mode, units),
      );
    };
    const conv = (
      x: Tensor,
      name: string,
      stride: number,
      inIsStem: boolean,
      add?: Tensor,
    ) =>
      tape.scope(
        name,
        () =>
          conv2d(tape, this.store, x, this.#param(`${name}.weight`), {
            kernel: 3,
            stride,
            padding: 1,
            inUnits: inIsStem ? [0] : units,
            outUnits: units,
            add,
          }),
      );
    return tape.scope(prefix, () => {
      let x = stem;
      for (const block of residualBlocks(backbone, stemSpec)) {
        const { name, stride, inIsStem } = block;
        const activated = inIsStem ? x : norm(x, `${name}.bn1`);
        const skip = stride === 1 && !inIsStem ? x : tape.scope(`${name}.shortcut`, () =>
          shortcut(
            tape,
            x,
            shortcutMap(block, this.partition, units),
            stride,
          ));
        const middle = conv(activated, `${name}.conv1`, stride, inIsStem);
        x = conv(norm(middle, `${name}.bn2`), `${name}.conv2`, 1, false, skip);
      }
      const last = norm(x, "final.bn");
      return tape.scope("head", () => globalAveragePool(tape, last));
    });
  }

  /**
   * Records what follows the pooled features: the task's hidden layers, if it has any, and the head.
   *
   * @returns Logits [n, classes].
   */
  head(tape: Tape, task: number, level: number, features: Tensor): Tensor {
    const prefix = this.#prefix(task, level);
    const layer = (x: Tensor, name: string) => {
      const [weight, bias] = [this.#param(`${name}.weight`), this.#param(`${name}.bias`)];
      return linear(tape, this.store, x, weight, bias);
    };
    return tape.scope(`${prefix}.head`, () => {
      let x = features;
      this.scenario.tasks[task]!.hidden?.forEach((_, i) => {
        const name = `${prefix}.hidden${i + 1}`;
        const scale = this.#param(`${name}.scale`);
        x = l2Normalize(tape, this.store, layer(x, name), scale, { relu: true });
      });
      return layer(x, `${prefix}.head`);
    });
  }

  #norm(
    tape: Tape,
    x: Tensor,
    affine: string,
    running: string,
    mode: Mode,
    units?: readonly number[],
  ): Tensor {
    const { momentum, epsilon } = this.scenario.batchNorm;
    return batchNorm(
      tape,
      this.store,
      x,
      this.#param(affine),
      this.#state(running),
      {
        training: mode !== "inference",
        momentum: typeof mode === "object" ? mode.average : momentum,
        epsilon,
        relu: true,
        units,
      },
    );
  }
}
