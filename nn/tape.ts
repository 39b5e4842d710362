import { type Kernel, type Shape, type Shapes, size } from "../shaders/kernel.ts";
import { elementwiseKernel } from "../shaders/elementwise.ts";
import { AdapterError, ShapeError } from "./gpu/errors.ts";
import { type Gpu, has16Bit } from "./gpu/gpu.ts";
import { compilePlan, type Plan } from "./gpu/plan.ts";
import { blockRange, type Param, type ParamStore, type State } from "./params.ts";
import { type Dispatch, elementBytes, type Format, type Home, type Tensor } from "./tensor.ts";

interface BackwardRule {
  readonly output: Tensor;
  readonly rule: (gradient: Tensor) => void;
  readonly scope: string;
}

/**
 * Records ops on shape-only tensors. Recording costs no GPU work; {@linkcode Tape.compile} makes a
 * {@linkcode Plan} of it, to be run any number of times.
 */
export class Tape {
  /** All that was recorded, in the order of execution. */
  readonly dispatches: Dispatch[] = [];
  readonly #gradients = new Map<Tensor, Tensor>();
  readonly #touched = new Map<Param, Set<number>>();
  readonly #tensors = new WeakSet<Tensor>();
  #rules: BackwardRule[] = [];
  #differentiates = true;
  #scope = "";

  /**
   * Starts empty.
   *
   * @param gpu Whose driver the kernels' tiles are chosen for, and where `compile()` puts the plan.
   * @param mapFormat How activations and their gradients, [n, h, w, c], are stored; sums are 32-bit always.
   * @throws {AdapterError} If the adapter has no 16-bit floats, and they are asked for.
   */
  constructor(readonly gpu: Gpu, readonly mapFormat: Format = "f32") {
    if (mapFormat === "f16" && !has16Bit(gpu)) {
      throw new AdapterError(
        "Tape",
        `${gpu.describe()}: this adapter has no shader-f16 feature; keep activations in 32 bits`,
      );
    }
  }

  /** Names what is recorded inside `work`, for profiles and errors. */
  scope<T>(name: string, work: () => T): T {
    const outer = this.#scope;
    this.#scope = outer ? `${outer}.${name}` : name;
    try {
      return work();
    } finally {
      this.#scope = outer;
    }
  }

  /**
   * What is recorded inside `work` needs no gradient, whatever it reads: for a teacher, or for features
   * that are frozen. It costs no backward pass, and none goes through it to what came before.
   */
  withoutGradient<T>(work: () => T): T {
    const outer = this.#differentiates;
    this.#differentiates = false;
    try {
      return work();
    } finally {
      this.#differentiates = outer;
    }
  }

  /** A tensor that the CPU fills through `plan.input(tensor)` before a run. */
  input(label: string, shape: Shape, needsGradient = false): Tensor {
    return this.#tensor(label, shape, { kind: "input" }, { needsGradient });
  }

  /** A tensor that several dispatches fill, each a part of it, through their "update" bindings. */
  scratch(label: string, shape: Shape, format: Format = "f32"): Tensor {
    const name = this.#scope ? `${label} ${this.#scope}` : label;
    return this.#tensor(name, shape, { kind: "scratch" }, { format });
  }

  /**
   * Some rows of a tensor, along its first extent, as a tensor that shares its memory.
   *
   * @throws {ShapeError} If it has not so many, or they do not begin at a multiple of 256 bytes, as
   *   WebGPU wants of a binding.
   */
  part(x: Tensor, first: number, count: number): Tensor {
    const [rows, ...rest] = x.shape;
    const offset = first * size(rest);
    const aligned = 256 / elementBytes(x);
    if (first < 0 || first + count > rows! || offset % aligned) {
      throw new ShapeError(
        `part: rows ${first} to ${
          first + count
        } of ${x.label} [${x.shape}] must be there, and begin ` +
          `at a multiple of ${aligned} elements, got ${offset}`,
      );
    }
    if (count === rows) return x;
    const home: Home = { kind: "part", whole: x, offset };
    return this.#tensor(x.label, [count, ...rest], home, { format: x.format });
  }

  /** A tensor whose values never change. */
  constant(label: string, data: Uint32Array | Float32Array): Tensor {
    return this.#tensor(label, [data.length], { kind: "constant", data });
  }

  /** A range of a buffer that outlives the plan; offset in bytes, a multiple of 256. */
  bound(label: string, shape: Shape, buffer: GPUBuffer, offset = 0): Tensor {
    return this.#tensor(label, shape, { kind: "bound", buffer, offset });
  }

  /** A parameter's values, for reading. */
  param(store: ParamStore, { name, shape, page, offset }: Param): Tensor {
    return this.bound(name, shape, store.pages[page]!.values, offset * 4);
  }

  /** A state's values, for reading and updating. */
  state(store: ParamStore, { name, shape, offset }: State): Tensor {
    return this.bound(name, shape, store.stateBuffer, offset * 4);
  }

  /**
   * Where a kernel leaves its share of a parameter's gradient. The first writer of a block in a step
   * overwrites it, which saves clearing the arena; later ones add.
   *
   * @param blocks Indices `outUnit * inUnits + inUnit` the kernel will write; default: the whole.
   * @returns The gradient, and for each block whether to add.
   */
  gradientSink(
    store: ParamStore,
    param: Param,
    blocks: readonly number[] = [0],
  ): { gradient: Tensor; adds: boolean[] } {
    const { name, shape, page, offset } = param;
    const touched = this.#touched.get(param) ?? new Set<number>();
    this.#touched.set(param, touched);
    const adds = blocks.map((block) => touched.has(block));
    for (const block of blocks) touched.add(block);
    const gradient = this.bound(
      `gradient of ${name}`,
      shape,
      store.pages[page]!.gradients,
      offset * 4,
    );
    return { gradient, adds };
  }

  /** Ranges of each page whose gradients this tape writes, in floats, ascending and merged. */
  touchedRanges(
    frozen: (param: Param, block: number) => boolean,
  ): TouchedRange[] {
    const ranges: TouchedRange[] = [];
    for (const [param, blocks] of this.#touched) {
      for (const block of blocks) {
        if (frozen(param, block)) continue;
        const { layout, page, offset, decay, length } = param;
        const inUnits = layout?.inWidths.length ?? 1;
        const range = layout
          ? blockRange(layout, Math.floor(block / inUnits), block % inUnits)
          : { start: 0, length };
        const start = offset + range.start;
        ranges.push({ page, start, end: start + range.length, decay });
      }
    }
    ranges.sort((a, b) => a.page - b.page || a.start - b.start);
    const merged: TouchedRange[] = [];
    for (const range of ranges) {
      const last = merged.at(-1);
      const joins = last && last.page === range.page &&
        last.decay === range.decay &&
        last.end === range.start;
      if (joins) last.end = range.end;
      else merged.push(range);
    }
    return merged;
  }

  /**
   * Records one dispatch.
   *
   * @param inputs Tensors for the kernel's "read" and "update" bindings.
   * @param outputs Shapes for its "write" bindings; new tensors.
   */
  run<Args, const Out extends string>(
    kernel: Kernel<Args>,
    inputs: Record<string, Tensor>,
    outputs: Record<Out, Shape>,
    args: Args,
  ): Record<Out, Tensor> {
    const made = {} as Record<Out, Tensor>;
    const label = this.#scope ? `${kernel.label} ${this.#scope}` : kernel.label;
    const tensors = Object.entries(kernel.bindings).map(([name, access]) => {
      if (access !== "write") {
        const tensor = inputs[name];
        if (!tensor) throw new Error(`${label}: no tensor for binding ${name}`);
        if (!this.#tensors.has(tensor)) {
          throw new Error(
            `${label}: ${tensor.label} is of another tape; a step is recorded on one`,
          );
        }
        return tensor;
      }
      const shape = outputs[name as Out];
      if (!shape) throw new Error(`${label}: no shape for binding ${name}`);
      const isMap = shape.length === 4 && !kernel.sums?.includes(name);
      return made[name as Out] = this.#tensor(`${label}: ${name}`, shape, { kind: "scratch" }, {
        format: isMap ? this.mapFormat : "f32",
      });
    });
    const shapes: Shapes = Object.fromEntries(
      Object.keys(kernel.bindings).map((name, i) => [name, tensors[i]!.shape]),
    );
    this.dispatches.push({
      kernel: kernel as Kernel<never>,
      label,
      constants: kernel.constants?.(shapes, args) ?? {},
      extents: kernel.extents?.(shapes, args) ?? [],
      workgroups: kernel.workgroups(shapes, args),
      tensors,
      halves: Object.keys(kernel.bindings).filter((_, i) => tensors[i]!.format === "f16"),
    });
    return made;
  }

  #tensor(
    label: string,
    shape: Shape,
    home: Home,
    { needsGradient = false, format = "f32" }: { needsGradient?: boolean; format?: Format } = {},
  ): Tensor {
    if (!shape.every((extent) => Number.isInteger(extent) && extent > 0)) {
      throw new ShapeError(
        `${label}: extents must be whole and positive, got [${shape}]`,
      );
    }
    const tensor = { label, shape, format, needsGradient, home };
    this.#tensors.add(tensor);
    return tensor;
  }

  /**
   * Gives the rule that turns the gradient of `output` into those of what it was made from. Ops call
   * it where a parameter or an input of theirs needs a gradient; inside
   * {@linkcode Tape.withoutGradient} it does nothing.
   */
  onBackward(output: Tensor, rule: (gradient: Tensor) => void): void {
    if (!this.#differentiates) return;
    output.needsGradient = true;
    this.#rules.push({ output, rule, scope: this.#scope });
  }

  /** The gradient of `x` so far. */
  gradient(x: Tensor): Tensor | undefined {
    return this.#gradients.get(x);
  }

  /**
   * Sets the gradient of `x`. A rule that finds an earlier contribution in {@linkcode Tape.gradient}
   * adds it in its own kernel, so that no dispatch is spent on the sum.
   */
  setGradient(x: Tensor, gradient: Tensor): void {
    this.#gradients.set(x, gradient);
  }

  /** The sum of two contributions to a gradient; the second alone where there is no first. */
  sum(prior: Tensor | undefined, more: Tensor): Tensor {
    if (!prior) return more;
    const { y } = this.run(elementwiseKernel, { a: prior, b: more }, {
      y: more.shape,
    }, { op: "add" });
    return y;
  }

  /** A place on the tape: {@linkcode Tape.backward} can go back to here and no further. */
  mark(): number {
    return this.#rules.length;
  }

  /**
   * Records the backward pass of all ops since `mark`, last first, and forgets their rules, so that
   * several losses can each go back to a shared trunk before the trunk goes back once.
   */
  backward(mark = 0): void {
    for (const { output, rule, scope } of this.#rules.splice(mark).reverse()) {
      const gradient = this.gradient(output);
      if (!gradient) continue;
      const outer = this.#scope;
      this.#scope = scope;
      rule(gradient);
      this.#scope = outer;
      this.#gradients.delete(output);
    }
  }

  /** Keeps a tensor for `plan.read()`. */
  output(x: Tensor): Tensor {
    if (x.home.kind === "scratch") x.home = { kind: "output" };
    return x;
  }

  /** Picks pipelines, assigns memory by lifetime and builds every bind group. */
  compile(label: string): Promise<Plan> {
    return compilePlan(this.gpu, label, this.dispatches);
  }
}

/** A run of floats in a page. */
export interface TouchedRange {
  /** Index into `ParamStore.pages`. */
  page: number;
  /** The first float. */
  start: number;
  /** Behind the last float. */
  end: number;
  /** Weight decay applies. */
  decay: boolean;
}
