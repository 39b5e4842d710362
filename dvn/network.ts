import type { Gpu } from "../nn/gpu/gpu.ts";
import { batchNorm } from "../nn/ops/batch_norm.ts";
import { conv2d } from "../nn/ops/conv2d.ts";
import { globalAveragePool } from "../nn/ops/global_average_pool.ts";
import { linear } from "../nn/ops/linear.ts";
import { shortcut } from "../nn/ops/shortcut.ts";
import { type Param, ParamStore, type State } from "../nn/params.ts";
import { decodeSafeTensors, encodeSafeTensors, type SafeTensors } from "../nn/safetensors.ts";
import type { Tape } from "../nn/tape.ts";
import type { Tensor } from "../nn/tensor.ts";
import { residualBlocks, shortcutMap, stemStride } from "./backbone.ts";
import { type NetworkCost, networkCost } from "./costs.ts";
import type { TaskData } from "./data.ts";
import { type Hierarchy, taskHierarchy } from "./hierarchy.ts";
import { declareParameters } from "./parameters.ts";
import { parseScenario } from "./parse_scenario.ts";
import type { Scenario } from "./scenario.ts";
import { describeTask, type TaskInfo } from "./task_info.ts";
import { UnitPartition } from "./unit_partition.ts";
import { VirtualNetwork } from "./virtual_network.ts";

/** Marks a weights file as ours, in its metadata. */
const FORMAT = "deep-virtual-network/1";

/**
 * One set of weights that holds tasks x levels networks (Kim, Ahn, Torr and Oh, CVPR 2019).
 *
 * All tasks share the trunk, whose channels are cut into units; each task orders the units into a
 * hierarchy. A task has its own stem, and each (task, level) its own head and, unless the scenario
 * shares them, batch-norm parameters and statistics.
 */
export class DeepVirtualNetwork {
  readonly store: ParamStore;
  readonly partition: UnitPartition;
  readonly hierarchies: readonly Hierarchy[];
  readonly #virtuals = new Map<string, VirtualNetwork>();

  private constructor(
    readonly gpu: Gpu,
    readonly scenario: Scenario,
    readonly tasks: readonly TaskInfo[],
  ) {
    this.store = new ParamStore(gpu, scenario.seed);
    this.partition = new UnitPartition(scenario.units);
    this.hierarchies = tasks.map((_, task) => taskHierarchy(scenario, task));
    declareParameters(this.store, scenario, tasks, this.hierarchies);
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
    const net = new DeepVirtualNetwork(gpu, scenario, tasks);
    await net.store.allocate();
    return net;
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
    const net = new DeepVirtualNetwork(
      gpu,
      parseScenario(JSON.parse(scenario)),
      JSON.parse(tasks),
    );
    await net.store.allocate();
    net.restore(file);
    return net;
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
        ...metadata,
      },
    });
  }

  get taskNames(): string[] {
    return this.tasks.map(({ name }) => name);
  }

  /** What every (task, level) costs, task by task. */
  costs(): NetworkCost[] {
    return this.tasks.flatMap((_, task) =>
      this.scenario.levels.map((_, index) => this.cost(task, index + 1))
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
    const { levels } = this.scenario;
    const level = "level" in choice ? choice.level : this.#highestLevel(index, choice.budget);
    if (!(level >= 1 && level <= levels.length && Number.isInteger(level))) {
      throw new RangeError(
        `level must be a whole number in [1, ${levels.length}], got ${level}`,
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
    const bytes = this.scenario.levels.map((_, index) => this.cost(task, index + 1).bytes);
    const fitting = bytes.findLastIndex((cost) => cost <= budget);
    if (fitting < 0) {
      const { name } = this.tasks[task]!;
      throw new RangeError(
        `no level of task ${name} fits a budget of ${budget} bytes: level 1, the smallest, needs ` +
          `${bytes[0]} bytes`,
      );
    }
    return fitting + 1;
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

  /**
   * Records a task's stem, which all its levels share: convolution, batch norm, ReLU.
   *
   * @param task Index from 0.
   * @returns [n, outputSize, outputSize, stem channels].
   */
  stem(tape: Tape, task: number, images: Tensor, training: boolean): Tensor {
    const { stem } = this.scenario;
    const info = this.tasks[task]!;
    return tape.scope(`stem.${info.name}`, () => {
      const name = `stem.${info.name}`;
      const y = conv2d(
        tape,
        this.store,
        images,
        this.#param(`${name}.conv.weight`),
        {
          kernel: stem.kernel,
          stride: stemStride(info, stem.outputSize),
          padding: (stem.kernel - 1) / 2,
        },
      );
      return this.#norm(tape, y, `${name}.bn`, `${name}.bn`, training);
    });
  }

  /**
   * Records one virtual network on top of its stem.
   *
   * @param task Index from 0.
   * @param level From 1.
   * @returns Logits [n, classes].
   */
  forward(
    tape: Tape,
    task: number,
    level: number,
    stem: Tensor,
    training: boolean,
  ): Tensor {
    const { backbone, stem: stemSpec, batchNorm } = this.scenario;
    const units = this.hierarchies[task]!.activeUnits(level);
    const prefix = `${this.tasks[task]!.name}.level${level}`;
    return tape.scope(prefix, () => {
      const norm = (x: Tensor, name: string) => {
        const owner = (kind: "affine" | "statistics") =>
          batchNorm[kind] === "private" ? `${prefix}.${name}` : name;
        return tape.scope(
          name,
          () =>
            this.#norm(
              tape,
              x,
              owner("affine"),
              owner("statistics"),
              training,
              units,
            ),
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
      return tape.scope("head", () => {
        const pooled = globalAveragePool(tape, norm(x, "final.bn"));
        const weight = this.#param(`${prefix}.head.weight`);
        return linear(
          tape,
          this.store,
          pooled,
          weight,
          this.#param(`${prefix}.head.bias`),
        );
      });
    });
  }

  #norm(
    tape: Tape,
    x: Tensor,
    affine: string,
    running: string,
    training: boolean,
    units?: readonly number[],
  ): Tensor {
    const { momentum, epsilon } = this.scenario.batchNorm;
    return batchNorm(
      tape,
      this.store,
      x,
      this.#param(`${affine}.affine`),
      this.#state(`${running}.running`),
      { training, momentum, epsilon, relu: true, units },
    );
  }
}
