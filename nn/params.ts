import { type Shape, size } from "../shaders/kernel.ts";
import type { Gpu } from "./gpu/gpu.ts";
import type { Initializer } from "./init.ts";
import { Random } from "./random.ts";

/** How a convolution's weight is cut: `[out unit][in unit][tap][c_in][c_out]`, each block contiguous. */
export interface BlockLayout {
  /** Positions of the kernel: height times width. */
  readonly taps: number;
  /** Channels of each input and each output unit. */
  readonly inWidths: readonly number[];
  /** The same of each output unit. */
  readonly outWidths: readonly number[];
}

/** A learned array: a range of a page that holds parameters, gradients and momentum side by side. */
export interface Param {
  /** Unique in its store. */
  readonly name: string;
  /** Outermost first; of a block-major weight, the number of floats. */
  readonly shape: Shape;
  /** Index into `ParamStore.pages`. */
  readonly page: number;
  /** In floats, a multiple of 64, so that the range can be bound by itself. */
  readonly offset: number;
  /** In floats. */
  readonly length: number;
  /** Weight decay applies. */
  readonly decay: boolean;
  /** Absent where the array is one block. */
  readonly layout?: BlockLayout;
}

/** A kept array that is not learned, such as running statistics. */
export interface State {
  /** Unique in its store. */
  readonly name: string;
  /** Outermost first. */
  readonly shape: Shape;
  /** In floats, in the store's one buffer. */
  readonly offset: number;
  /** In floats. */
  readonly length: number;
  /** Absent where the array is one block. */
  readonly layout?: BlockLayout;
}

/** Start of block (out unit, in unit) within its parameter, and its length, in floats. */
export function blockRange(
  { taps, inWidths, outWidths }: BlockLayout,
  outUnit: number,
  inUnit: number,
): { start: number; length: number } {
  const sum = (widths: readonly number[]) => widths.reduce((total, width) => total + width, 0);
  const before = sum(outWidths.slice(0, outUnit)) * sum(inWidths) +
    outWidths[outUnit]! * sum(inWidths.slice(0, inUnit));
  return {
    start: taps * before,
    length: taps * outWidths[outUnit]! * inWidths[inUnit]!,
  };
}

/** Floats between two ranges that can be bound: WebGPU guarantees an alignment of 256 bytes. */
const ALIGNMENT = 64;

/** A part of the three arenas; each is one buffer. */
export interface Page {
  /** Floats in use. */
  readonly length: number;
  /** Of the parameters. */
  readonly values: GPUBuffer;
  /** In the same places. */
  readonly gradients: GPUBuffer;
  /** In the same places. */
  readonly momentum: GPUBuffer;
}

/**
 * All parameters and states of a model, in flat arenas.
 *
 * Parameters, gradients and momentum are three arenas with one layout. An arena is paged where it
 * exceeds what the adapter can bind at once; a parameter never straddles pages.
 */
export class ParamStore {
  /** By name. */
  readonly params: Map<string, Param> = new Map();
  /** By name. */
  readonly states: Map<string, State> = new Map();
  readonly #initial = new Map<string, Initializer>();
  readonly #pageLimit: number;
  readonly #lengths: number[] = [];
  #stateLength = 0;
  readonly #buffers: GPUBuffer[] = [];
  #pages: Page[] | undefined;
  #state: GPUBuffer | undefined;

  /**
   * Starts empty.
   *
   * @param seed Of the initial values; each parameter draws from a stream of its own name.
   * @param pageBytes Lower than the adapter's limit only in tests.
   */
  constructor(readonly gpu: Gpu, readonly seed: number, pageBytes?: number) {
    const { maxStorageBufferBindingSize, maxBufferSize } = gpu.device.limits;
    const bytes = Math.min(
      pageBytes ?? Infinity,
      maxStorageBufferBindingSize,
      maxBufferSize,
    );
    this.#pageLimit = Math.floor(bytes / 4);
  }

  /** Declares a parameter. @throws {RangeError} If it exceeds a page, or its name is taken. */
  param(
    name: string,
    shape: Shape,
    init: Initializer,
    options: { decay: boolean; layout?: BlockLayout },
  ): Param {
    if (size(shape) > this.#pageLimit) {
      throw new RangeError(
        `parameter ${name} [${shape}] has ${size(shape)} floats; this adapter can ` +
          `bind ${this.#pageLimit} at once; use fewer channels`,
      );
    }
    const length = this.#declare(name, shape, init);
    const last = this.#lengths.length - 1;
    const start = alignUp(this.#lengths[last] ?? 0);
    const fits = last >= 0 && start + length <= this.#pageLimit;
    const page = fits ? last : last + 1;
    const offset = fits ? start : 0;
    this.#lengths[page] = offset + length;
    const param = { name, shape, page, offset, length, ...options };
    this.params.set(name, param);
    return param;
  }

  /** Declares a state. */
  state(
    name: string,
    shape: Shape,
    init: Initializer,
    layout?: BlockLayout,
  ): State {
    const length = this.#declare(name, shape, init);
    const offset = alignUp(this.#stateLength);
    this.#stateLength = offset + length;
    const state = { name, shape, offset, length, layout };
    this.states.set(name, state);
    return state;
  }

  #declare(name: string, shape: Shape, init: Initializer): number {
    if (this.#pages) {
      throw new Error(`${name}: declared after the store's buffers were made`);
    }
    if (this.#initial.has(name)) {
      throw new RangeError(`two parameters are named ${name}`);
    }
    this.#initial.set(name, init);
    return size(shape);
  }

  /** Makes the buffers and uploads the initial values. Declare everything before. */
  async allocate(): Promise<void> {
    await this.#make("allocate parameters", () => {
      this.#pages = this.#lengths.map((length, page) => ({
        length,
        values: this.#buffer(`parameters page ${page}`, length),
        gradients: this.#buffer(`gradients page ${page}`, length),
        momentum: this.#buffer(`momentum page ${page}`, length),
      }));
      this.#state = this.#buffer("states", this.#stateLength);
      for (const [name, init] of this.#initial) {
        const values = new Float32Array(this.#locate(name, "values").length);
        init(values, new Random(this.seed, name));
        this.write(name, values);
      }
    });
    this.#initial.clear();
  }

  /**
   * Makes the buffers for inference alone, all zero, to be filled by {@linkcode ParamStore.write} and
   * {@linkcode ParamStore.writePart}: a third of the memory. Declare everything before.
   */
  async allocateForInference(): Promise<void> {
    await this.#make("allocate parameters", () => this.#allocateValues("parameters", "states"));
    this.#initial.clear();
  }

  /**
   * All values and states as they are now, in memory of their own: a third of what this store holds,
   * since a copy cannot be trained.
   */
  async frozenCopy(): Promise<ParamStore> {
    const copy = new ParamStore(this.gpu, this.seed);
    for (const [name, param] of this.params) copy.params.set(name, param);
    for (const [name, state] of this.states) copy.states.set(name, state);
    copy.#lengths.push(...this.#lengths);
    copy.#stateLength = this.#stateLength;
    await copy.#make("copy parameters", () => {
      copy.#allocateValues("copy of parameters", "copy of states");
      copy.copyFrom(this);
    });
    return copy;
  }

  #allocateValues(values: string, states: string): void {
    this.#pages = this.#lengths.map((length, page) => ({
      length,
      values: this.#buffer(`${values} page ${page}`, length),
      get gradients(): GPUBuffer {
        throw new Error("a frozen network has no gradients; train the one it was made of");
      },
      get momentum(): GPUBuffer {
        throw new Error("a frozen network has no momentum; train the one it was made of");
      },
    }));
    this.#state = this.#buffer(states, this.#stateLength);
  }

  /** Takes over all values and states of a store with the same declarations, such as its frozen copy. */
  copyFrom(other: ParamStore): void {
    const { device } = this.gpu;
    const encoder = device.createCommandEncoder({ label: "copy parameters" });
    const copy = (from: GPUBuffer, to: GPUBuffer) =>
      encoder.copyBufferToBuffer(from, 0, to, 0, from.size);
    this.pages.forEach(({ values }, page) => copy(other.pages[page]!.values, values));
    copy(other.stateBuffer, this.stateBuffer);
    device.queue.submit([encoder.finish()]);
  }

  /** Sets all momenta to zero. */
  clearMomentum(): void {
    const { device } = this.gpu;
    const encoder = device.createCommandEncoder({ label: "clear momentum" });
    for (const { momentum } of this.pages) encoder.clearBuffer(momentum);
    device.queue.submit([encoder.finish()]);
  }

  /** Runs what makes the buffers; if that fails, frees those that are there. */
  async #make(operation: string, work: () => void): Promise<void> {
    try {
      await this.gpu.guard(operation, work);
    } catch (error) {
      this.destroy();
      throw error;
    }
  }

  #buffer(label: string, length: number): GPUBuffer {
    const buffer = this.gpu.buffer(label, paddedBytes(length));
    this.#buffers.push(buffer);
    return buffer;
  }

  /** The pages' buffers. */
  get pages(): readonly Page[] {
    if (!this.#pages) {
      throw new Error(
        "ParamStore: call allocate() before using the parameters",
      );
    }
    return this.#pages;
  }

  /** Holds all states. @throws {Error} Before `allocate()`. */
  get stateBuffer(): GPUBuffer {
    if (!this.#state) {
      throw new Error("ParamStore: call allocate() before using the states");
    }
    return this.#state;
  }

  /** Bytes of one arena's worth of parameters, padding included. */
  get parameterBytes(): number {
    return this.#lengths.reduce(
      (total, length) => total + paddedBytes(length),
      0,
    );
  }

  /** Overwrites a parameter or a state; or, with `arena`, a parameter's momentum. */
  write(
    name: string,
    values: Float32Array,
    arena: "values" | "momentum" = "values",
  ): void {
    const { buffer, offset, length } = this.#locate(name, arena);
    if (values.length !== length) {
      throw new RangeError(
        `${name}: has ${length} values, got ${values.length}`,
      );
    }
    this.gpu.device.queue.writeBuffer(
      buffer,
      offset * 4,
      values as Float32Array<ArrayBuffer>,
    );
  }

  /**
   * Overwrites a part of a parameter or a state.
   *
   * @param start Its first float.
   * @throws {RangeError} If the part does not lie within.
   */
  writePart(name: string, start: number, values: Float32Array): void {
    const { buffer, offset, length } = this.#locate(name, "values");
    if (!Number.isInteger(start) || start < 0 || start + values.length > length) {
      throw new RangeError(
        `${name}: has ${length} values, got ${values.length} to write from ${start} on`,
      );
    }
    this.gpu.device.queue.writeBuffer(
      buffer,
      (offset + start) * 4,
      values as Float32Array<ArrayBuffer>,
    );
  }

  /** Reads every parameter and state (`values`) or every momentum, in order of declaration. */
  async read(
    arena: "values" | "gradients" | "momentum" = "values",
  ): Promise<Map<string, Float32Array>> {
    // Copies are submitted at once, so that they are of one moment.
    const [pages, states] = await Promise.all([
      Promise.all(this.pages.map((page) => this.gpu.read(page[arena]))),
      arena === "values" ? this.gpu.read(this.stateBuffer) : undefined,
    ]);
    const result = new Map<string, Float32Array>();
    for (const { name, page, offset, length } of this.params.values()) {
      result.set(name, new Float32Array(pages[page]!, offset * 4, length));
    }
    if (states) {
      for (const { name, offset, length } of this.states.values()) {
        result.set(name, new Float32Array(states, offset * 4, length));
      }
    }
    return result;
  }

  #locate(name: string, arena: "values" | "momentum") {
    const param = this.params.get(name);
    if (param) return { ...param, buffer: this.pages[param.page]![arena] };
    const state = this.states.get(name);
    if (!state || arena === "momentum") {
      throw new RangeError(`no parameter is named ${name}`);
    }
    return { ...state, buffer: this.stateBuffer };
  }

  /** Frees all buffers. */
  destroy(): void {
    for (const buffer of this.#buffers.splice(0)) this.gpu.free(buffer);
    this.#pages = undefined;
    this.#state = undefined;
  }
}

function alignUp(offset: number): number {
  return Math.ceil(offset / ALIGNMENT) * ALIGNMENT;
}

function paddedBytes(length: number): number {
  return Math.max(1, alignUp(length)) * 4;
}
