import { ceilDiv, size } from "../../shaders/kernel.ts";
import { TEXTURE_WIDTH } from "../../shaders/specialize.ts";
import { bytesOf, type Dispatch, elementBytes, type Tensor, wholeOf } from "../tensor.ts";
import { GpuError, OutOfMemoryError } from "./errors.ts";
import { type Gpu, SMALLER, type TexelFormat, texelFormat } from "./gpu.ts";

/** What one kernel takes in one run of a plan. */
export interface KernelTime {
  /** Its label. */
  kernel: string;
  /** How often it ran. */
  dispatches: number;
  /** In all of them. */
  milliseconds: number;
}

/** What {@linkcode Plan.profile} finds. */
export interface Profile {
  /** Longest first. */
  kernels: KernelTime[];
  /** Scratch memory of the plan, which other plans may share. */
  scratchBytes: number;
  /** All memory held on the device. */
  bytesHeld: number;
}

/** Offsets of storage and uniform bindings: the alignment every adapter accepts, in bytes. */
const ALIGNMENT = 256;

/** Timestamps one query set may hold. */
const MAX_QUERIES = 4096;

/** A row of {@linkcode TEXTURE_WIDTH} texels. */
const ROW_BYTES = { rgba32float: 16 * TEXTURE_WIDTH, rgba16float: 8 * TEXTURE_WIDTH } as const;

/** A tensor to be copied into a texture, whole rows first, then what is left. */
interface TextureCopy {
  readonly source: GPUBufferBinding;
  readonly texture: GPUTexture;
  readonly texels: number;
  readonly bytesPerRow: number;
}

interface Step {
  readonly copies: readonly TextureCopy[];
  readonly pipeline: GPUComputePipeline;
  readonly bindGroup: GPUBindGroup;
  readonly dispatch: Dispatch;
}

/**
 * Scratch memory that all plans of a device share: plans run one after another, and nothing in
 * scratch outlives a run. Compile the largest plan first.
 */
class ScratchPool<Resource> {
  readonly #resources: { resource: Resource; size: number; users: number }[] = [];

  constructor(
    readonly make: (size: number) => Resource,
    readonly free: (resource: Resource, size: number) => void,
  ) {}

  /** One resource for each size; sizes may come in any order. */
  take(sizes: readonly number[]): Resource[] {
    const order = sizes.map((_, i) => i).sort((a, b) => sizes[b]! - sizes[a]!);
    const unused = [...this.#resources].sort((a, b) => b.size - a.size);
    const taken: Resource[] = [];
    for (const i of order) {
      const size = sizes[i]!;
      // Largest need, largest resource: if this one is too small, all are.
      let entry = unused[0];
      if (entry && entry.size >= size) unused.shift();
      else {this.#resources.push(
          entry = { resource: this.make(size), size, users: 0 },
        );}
      entry.users++;
      taken[i] = entry.resource;
    }
    return taken;
  }

  release(resources: readonly Resource[]): void {
    for (const resource of resources) {
      const index = this.#resources.findIndex((entry) => entry.resource === resource);
      const entry = this.#resources[index]!;
      if (--entry.users > 0) continue;
      this.#resources.splice(index, 1);
      this.free(resource, entry.size);
    }
  }
}

/** Sizes of textures are in rows of {@linkcode TEXTURE_WIDTH} texels. */
type Scratch =
  & { buffers: ScratchPool<GPUBuffer> }
  & Record<TexelFormat, ScratchPool<GPUTexture>>;

const scratchOf = new WeakMap<Gpu, Scratch>();

function sharedScratch(gpu: Gpu): Scratch {
  let scratch = scratchOf.get(gpu);
  if (!scratch) {
    const textures = (format: TexelFormat) =>
      new ScratchPool<GPUTexture>(
        (rows) => {
          gpu.bytesHeld += rows * ROW_BYTES[format];
          return gpu.device.createTexture({
            label: "scratch",
            size: [TEXTURE_WIDTH, rows],
            format,
            usage: STORAGE_BINDING_COPY_DST,
          });
        },
        (texture, rows) => {
          gpu.bytesHeld -= rows * ROW_BYTES[format];
          texture.destroy();
        },
      );
    scratch = {
      buffers: new ScratchPool(
        (bytes) => gpu.buffer("scratch", bytes),
        (buffer) => gpu.free(buffer),
      ),
      rgba32float: textures("rgba32float"),
      rgba16float: textures("rgba16float"),
    };
    scratchOf.set(gpu, scratch);
  }
  return scratch;
}

/**
 * Assigns each scratch tensor a slot, such that tensors alive at the same time never share one.
 * Whole buffers are reused, never parts: one dispatch may not read and write one buffer.
 *
 * The largest tensors come first, each into the smallest slot that is free for its lifetime (Pisarchyk
 * and Lee, arXiv 2001.03288, "greedy by size"): what comes later is smaller and fits between.
 *
 * @returns Slot of each tensor, and the bytes of each slot.
 */
export function assignSlots(
  dispatches: readonly Pick<Dispatch, "tensors">[],
): { slots: Map<Tensor, number>; sizes: number[] } {
  const lifetimes = new Map<Tensor, { first: number; last: number; bytes: number }>();
  dispatches.forEach(({ tensors }, i) => {
    for (const tensor of tensors.map(wholeOf)) {
      if (tensor.home.kind !== "scratch") continue;
      const lifetime = lifetimes.get(tensor);
      if (lifetime) lifetime.last = i;
      else lifetimes.set(tensor, { first: i, last: i, bytes: bytesOf(tensor) });
    }
  });
  const slots = new Map<Tensor, number>();
  const sizes: number[] = [];
  /** For each slot, the dispatches during which it is taken. */
  const taken: Uint8Array[] = [];
  // Of tensors of one size, those that live longest first.
  const order = [...lifetimes].sort(([, a], [, b]) =>
    b.bytes - a.bytes || (b.last - b.first) - (a.last - a.first) || a.first - b.first
  );
  for (const [tensor, { first, last, bytes }] of order) {
    // Slots were made in order of size: the last free one is the smallest.
    let slot = taken.findLastIndex((busy) => !busy.subarray(first, last + 1).includes(1));
    if (slot < 0) {
      slot = sizes.push(bytes) - 1;
      taken.push(new Uint8Array(dispatches.length));
    }
    taken[slot]!.fill(1, first, last + 1);
    slots.set(tensor, slot);
  }
  return { slots, sizes };
}

/**
 * Makes a plan of recorded dispatches; called by `Tape.compile()`.
 *
 * @throws {ShaderError} If a kernel does not compile.
 * @throws {OutOfMemoryError} If a tensor cannot be bound at once, or the memory cannot be had.
 * @throws {ValidationError} If a tensor does not fit its binding.
 */
export async function compilePlan(
  gpu: Gpu,
  label: string,
  dispatches: readonly Dispatch[],
): Promise<Plan> {
  for (const { label, tensors } of dispatches) {
    checkBindable(gpu, label, tensors);
  }
  const pipelines = await Promise.all(
    dispatches.map((dispatch) =>
      gpu.pipeline(
        dispatch.kernel,
        dispatch.constants,
        texturedBindings(gpu, dispatch).length > 0,
        dispatch.halves,
      )
    ),
  );
  let plan: Plan | undefined;
  try {
    return await gpu.guard(
      `compile ${label}`,
      () => plan = new Plan(gpu, label, dispatches, pipelines),
    );
  } catch (error) {
    plan?.destroy();
    throw error;
  }
}

function checkBindable(
  gpu: Gpu,
  operation: string,
  tensors: readonly Tensor[],
): void {
  const most = gpu.device.limits.maxStorageBufferBindingSize;
  for (const tensor of tensors) {
    const bytes = bytesOf(tensor);
    if (bytes > most) {
      throw new OutOfMemoryError(
        operation,
        `${tensor.label} [${tensor.shape}] has ${bytes} bytes, and this device binds at most ${most} at once; ` +
          SMALLER,
      );
    }
  }
}

/** Indices of the bindings that a dispatch reads through textures: all that its kernel offers, or none. */
function texturedBindings(gpu: Gpu, { kernel, tensors }: Dispatch): number[] {
  if (!gpu.readsThroughTextures) return [];
  const indices = Object.keys(kernel.bindings).flatMap((name, i) =>
    kernel.textures?.includes(name) ? [i] : []
  );
  const most = gpu.device.limits.maxTextureDimension2D;
  return indices.every((i) => textureRows(tensors[i]!) <= most) ? indices : [];
}

const TEXEL_FORMATS = ["rgba32float", "rgba16float"] as const satisfies readonly TexelFormat[];

/** Each tensor that a dispatch reads through a texture, once. */
function texturedTensors(gpu: Gpu, dispatch: Dispatch): Record<TexelFormat, Tensor[]> {
  const found: Record<TexelFormat, Tensor[]> = { rgba32float: [], rgba16float: [] };
  for (const binding of texturedBindings(gpu, dispatch)) {
    const tensor = dispatch.tensors[binding]!;
    const same = found[texelFormat(tensor.format === "f16")];
    if (!same.includes(tensor)) same.push(tensor);
  }
  return found;
}

function textureRows({ shape }: Tensor): number {
  return ceilDiv(size(shape), 4 * TEXTURE_WIDTH);
}

/**
 * A compiled step: replaying it encodes prebuilt state into one pass and submits once. Nothing waits
 * for the GPU but {@linkcode Plan.read} and {@linkcode Plan.profile}.
 */
export class Plan {
  #steps: Step[] = [];
  /** Of a run: one more than copies come between its dispatches. */
  #passes = 1;
  #scratch: GPUBuffer[] = [];
  readonly #textures: Record<TexelFormat, GPUTexture[]> = { rgba32float: [], rgba16float: [] };
  readonly #owned: GPUBuffer[] = [];
  readonly #outputs = new Map<Tensor, GPUBuffer>();
  readonly #inputs = new Map<Tensor, { offset: number; bytes: number }>();
  /** The CPU's copy of all inputs; uploaded as one. */
  #staging = new ArrayBuffer(0);
  #inputBuffer: GPUBuffer | undefined;
  #destroyed = false;

  /** Use `Tape.compile()`. */
  constructor(
    readonly gpu: Gpu,
    readonly label: string,
    dispatches: readonly Dispatch[],
    pipelines: readonly GPUComputePipeline[],
  ) {
    try {
      this.#build(dispatches, pipelines);
    } catch (error) {
      this.destroy();
      throw error;
    }
  }

  #build(
    dispatches: readonly Dispatch[],
    pipelines: readonly GPUComputePipeline[],
  ): void {
    const { gpu, label } = this;
    const { device } = gpu;
    const { slots, sizes } = assignSlots(dispatches);
    this.#scratch = sharedScratch(gpu).buffers.take(sizes);
    // The n-th tensor of a format that a dispatch reads through textures takes the n-th texture of it.
    const textured = dispatches.map((dispatch) => texturedTensors(gpu, dispatch));
    for (const format of TEXEL_FORMATS) {
      const rows: number[] = [];
      for (const tensors of textured) {
        tensors[format].forEach((tensor, n) => {
          rows[n] = Math.max(rows[n] ?? 0, textureRows(tensor));
        });
      }
      this.#textures[format] = sharedScratch(gpu)[format].take(rows);
    }
    const views = new Map(
      TEXEL_FORMATS.flatMap((format) => this.#textures[format])
        .map((texture) => [texture, texture.createView()]),
    );

    const tensors = new Set(dispatches.flatMap(({ tensors }) => tensors.map(wholeOf)));
    const inputs = new Arena();
    const constants = new Arena();
    const constantRanges = new Map<Tensor, { offset: number; bytes: number }>();
    for (const tensor of tensors) {
      const { home, label } = tensor;
      const bytes = bytesOf(tensor);
      if (home.kind === "input") {
        this.#inputs.set(tensor, inputs.reserve(bytes));
      }
      if (home.kind === "constant") {
        constantRanges.set(tensor, constants.reserve(bytes, home.data));
      }
      if (home.kind === "output") {
        this.#outputs.set(tensor, this.#own(gpu.buffer(label, bytes)));
      }
    }
    const uniforms = new Arena();
    const uniformRanges = dispatches.map(({ extents }) =>
      extents.length
        ? uniforms.reserve(
          ceilDiv(extents.length, 4) * 16,
          new Uint32Array(extents),
        )
        : undefined
    );
    this.#staging = new ArrayBuffer(inputs.bytes);
    if (inputs.bytes) {
      this.#inputBuffer = this.#own(
        gpu.buffer(`${label} inputs`, inputs.bytes),
      );
    }
    const constantBuffer = this.#upload(
      `${label} constants`,
      constants,
      STORAGE_COPY_DST,
    );
    const uniformBuffer = this.#upload(
      `${label} extents`,
      uniforms,
      UNIFORM_COPY_DST,
    );

    const resource = (tensor: Tensor): GPUBufferBinding => {
      const { home } = tensor;
      const bytes = bytesOf(tensor);
      switch (home.kind) {
        case "scratch":
          return { buffer: this.#scratch[slots.get(tensor)!]!, size: bytes };
        case "output":
          return { buffer: this.#outputs.get(tensor)!, size: bytes };
        case "input":
          return {
            buffer: this.#inputBuffer!,
            offset: this.#inputs.get(tensor)!.offset,
            size: bytes,
          };
        case "constant":
          return {
            buffer: constantBuffer!,
            offset: constantRanges.get(tensor)!.offset,
            size: bytes,
          };
        case "bound":
          return { buffer: home.buffer, offset: home.offset, size: bytes };
        case "part": {
          const { buffer, offset = 0 } = resource(home.whole);
          return { buffer, offset: offset + elementBytes(tensor) * home.offset, size: bytes };
        }
      }
    };
    this.#steps = dispatches.map((dispatch, i) => {
      const buffers = dispatch.tensors.map(resource);
      const resources: GPUBindingResource[] = [...buffers];
      const bindings = texturedBindings(gpu, dispatch);
      const copies = TEXEL_FORMATS.flatMap((format) =>
        textured[i]![format].map((tensor, n): TextureCopy => {
          const texture = this.#textures[format][n]!;
          for (const binding of bindings) {
            if (dispatch.tensors[binding] === tensor) resources[binding] = views.get(texture)!;
          }
          return {
            source: buffers[dispatch.tensors.indexOf(tensor)]!,
            texture,
            texels: ceilDiv(size(tensor.shape), 4),
            bytesPerRow: ROW_BYTES[format],
          };
        })
      );
      const uniform = uniformRanges[i];
      if (uniform) {
        resources.push({
          buffer: uniformBuffer!,
          offset: uniform.offset,
          size: uniform.bytes,
        });
      }
      const bindGroup = gpu.watch(dispatch.label, () =>
        device.createBindGroup({
          label: dispatch.label,
          layout: gpu.bindGroupLayout(dispatch.kernel, bindings.length > 0, dispatch.halves),
          entries: resources.map((resource, binding) => ({
            binding,
            resource,
          })),
        }));
      return { copies, pipeline: pipelines[i]!, bindGroup, dispatch };
    });
    this.#passes += this.#steps.filter(({ copies }) => copies.length).length;
  }

  #own(buffer: GPUBuffer): GPUBuffer {
    this.#owned.push(buffer);
    return buffer;
  }

  #upload(
    label: string,
    arena: Arena,
    usage: GPUBufferUsageFlags,
  ): GPUBuffer | undefined {
    if (!arena.bytes) return undefined;
    const buffer = this.#own(this.gpu.buffer(label, arena.bytes, usage));
    this.gpu.device.queue.writeBuffer(buffer, 0, arena.contents());
    return buffer;
  }

  /** Dispatches in a run. */
  get dispatchCount(): number {
    return this.#steps.length;
  }

  /** Bytes of scratch memory, which other plans may share. */
  get scratchBytes(): number {
    return this.#scratch.reduce((total, { size }) => total + size, 0);
  }

  /**
   * The CPU's copy of an input; what it holds at the next run is uploaded.
   *
   * @param view Reads the 4-byte elements as this type; bytes are packed four to an element.
   */
  input<T>(
    tensor: Tensor,
    view: new (buffer: ArrayBuffer, offset: number, length: number) => T,
  ): T {
    const range = this.#inputs.get(tensor);
    if (!range) {
      throw new RangeError(
        `plan ${this.label}: ${tensor.label} is not an input of it`,
      );
    }
    const elementBytes = (view as unknown as { BYTES_PER_ELEMENT: number }).BYTES_PER_ELEMENT;
    return new view(this.#staging, range.offset, range.bytes / elementBytes);
  }

  /**
   * Uploads the inputs and submits the step. Returns at once.
   *
   * @param times So many in a row, all with these inputs.
   */
  run(times = 1): void {
    this.#checkAlive("run");
    this.gpu.watch(`run ${this.label}`, () => {
      this.#uploadInputs();
      const { device } = this.gpu;
      const encoder = device.createCommandEncoder({ label: this.label });
      this.#encode(encoder, times);
      device.queue.submit([encoder.finish()]);
    });
  }

  #checkAlive(operation: string): void {
    if (this.#destroyed) {
      throw new GpuError(`${operation} ${this.label}`, "the plan is destroyed");
    }
  }

  /**
   * @param first Timestamps of the first pass,
   * @param last and of the last one.
   */
  #encode(
    encoder: GPUCommandEncoder,
    runs: number,
    first?: GPUComputePassTimestampWrites,
    last?: GPUComputePassTimestampWrites,
  ): void {
    let left = runs * this.#passes;
    const begin = () => {
      const timestampWrites = --left || !last ? first : { ...first, ...last };
      first = undefined;
      return encoder.beginComputePass({ label: this.label, timestampWrites });
    };
    while (left > 0) {
      let pass = begin();
      let current: GPUComputePipeline | undefined;
      for (
        const { copies, pipeline, bindGroup, dispatch: { workgroups: [x, y, z] } } of this.#steps
      ) {
        if (copies.length) {
          pass.end();
          for (const copy of copies) copyToTexture(encoder, copy);
          pass = begin();
          current = undefined;
        }
        if (pipeline !== current) pass.setPipeline(current = pipeline);
        pass.setBindGroup(0, bindGroup);
        pass.dispatchWorkgroups(x, y, z);
      }
      pass.end();
    }
  }

  #uploadInputs(): void {
    if (this.#inputBuffer) {
      this.gpu.device.queue.writeBuffer(this.#inputBuffer, 0, this.#staging);
    }
  }

  /** An output as the last run left it. */
  async read(tensor: Tensor): Promise<Float32Array> {
    this.#checkAlive("read");
    const buffer = this.#outputs.get(tensor);
    if (!buffer) {
      throw new RangeError(
        `plan ${this.label}: ${tensor.label} is not kept; mark it with tape.output() before compile()`,
      );
    }
    const bytes = await this.gpu.read(buffer, 0, bytesOf(tensor));
    return new Float32Array(tensor.format === "f16" ? new Float16Array(bytes) : bytes);
  }

  /**
   * Runs the step once, or some times in a row: timestamps may be coarse.
   *
   * @returns Milliseconds of GPU time of one run from its start to its end, gaps between kernels included;
   *   0 if the timestamps do not tell it.
   * @throws {GpuError} If the adapter has no timestamp queries.
   */
  async time(runs = 1): Promise<number> {
    const [start, end] = await this.#timestamps(
      "time",
      2,
      (encoder, querySet) => {
        // On passes that compute (but where copies come first, which none can measure): nothing keeps empty
        // ones in order with these, or has them take place.
        const first = { querySet, beginningOfPassWriteIndex: 0 };
        this.#encode(encoder, runs, first, { querySet, endOfPassWriteIndex: 1 });
      },
    );
    return Math.max(0, Number(end! - start!)) / 1e6 / runs;
  }

  /**
   * Runs the step once with a timestamp around each dispatch. Copies into textures are not counted.
   *
   * @throws {GpuError} If the adapter has no timestamp queries.
   */
  async profile(): Promise<Profile> {
    const times = new Map<string, KernelTime>();
    const perSet = MAX_QUERIES / 2;
    for (let first = 0; first < this.#steps.length; first += perSet) {
      const steps = this.#steps.slice(first, first + perSet);
      const stamps = await this.#timestamps(
        "profile",
        2 * steps.length,
        (encoder, querySet) => {
          steps.forEach(({ copies, pipeline, bindGroup, dispatch }, i) => {
            const { label, workgroups: [x, y, z] } = dispatch;
            for (const copy of copies) copyToTexture(encoder, copy);
            const pass = encoder.beginComputePass({
              label,
              timestampWrites: {
                querySet,
                beginningOfPassWriteIndex: 2 * i,
                endOfPassWriteIndex: 2 * i + 1,
              },
            });
            pass.setPipeline(pipeline);
            pass.setBindGroup(0, bindGroup);
            pass.dispatchWorkgroups(x, y, z);
            pass.end();
          });
        },
      );
      steps.forEach(({ dispatch: { kernel: { label } } }, i) => {
        const time = times.get(label) ??
          { kernel: label, dispatches: 0, milliseconds: 0 };
        time.dispatches++;
        time.milliseconds += Number(stamps[2 * i + 1]! - stamps[2 * i]!) / 1e6;
        times.set(label, time);
      });
    }
    return {
      kernels: [...times.values()].sort((a, b) => b.milliseconds - a.milliseconds),
      scratchBytes: this.scratchBytes,
      bytesHeld: this.gpu.bytesHeld,
    };
  }

  /** Uploads the inputs, submits what `encode` records, and reads the timestamps it wrote, in ns. */
  async #timestamps(
    operation: string,
    count: number,
    encode: (encoder: GPUCommandEncoder, querySet: GPUQuerySet) => void,
  ): Promise<BigUint64Array> {
    const { device } = this.gpu;
    const label = `${operation} ${this.label}`;
    if (!device.features.has("timestamp-query")) {
      throw new GpuError(label, "this adapter has no timestamp-query feature");
    }
    this.#checkAlive(operation);
    this.#uploadInputs();
    const querySet = device.createQuerySet({ label, type: "timestamp", count });
    const resolved = this.gpu.buffer(label, 8 * count, QUERY_RESOLVE_COPY_SRC);
    try {
      const encoder = device.createCommandEncoder({ label });
      encode(encoder, querySet);
      encoder.resolveQuerySet(querySet, 0, count, resolved, 0);
      device.queue.submit([encoder.finish()]);
      return new BigUint64Array(await this.gpu.read(resolved));
    } finally {
      querySet.destroy();
      this.gpu.free(resolved);
    }
  }

  /** Frees what no other plan uses. The plan cannot be used again. */
  destroy(): void {
    sharedScratch(this.gpu).buffers.release(this.#scratch.splice(0));
    for (const format of TEXEL_FORMATS) {
      sharedScratch(this.gpu)[format].release(this.#textures[format].splice(0));
    }
    for (const buffer of this.#owned.splice(0)) this.gpu.free(buffer);
    this.#destroyed = true;
  }
}

function copyToTexture(
  encoder: GPUCommandEncoder,
  { source, texture, texels, bytesPerRow }: TextureCopy,
): void {
  const { buffer, offset = 0 } = source;
  const rows = Math.floor(texels / TEXTURE_WIDTH);
  const rest = texels % TEXTURE_WIDTH;
  if (rows) {
    encoder.copyBufferToTexture({ buffer, offset, bytesPerRow }, { texture }, [
      TEXTURE_WIDTH,
      rows,
    ]);
  }
  if (rest) {
    encoder.copyBufferToTexture(
      { buffer, offset: offset + rows * bytesPerRow, bytesPerRow },
      { texture, origin: [0, rows] },
      [rest, 1],
    );
  }
}

const STORAGE_BINDING_COPY_DST: GPUTextureUsageFlags = 0x08 | 0x02;
const STORAGE_COPY_DST: GPUBufferUsageFlags = 0x80 | 0x08 | 0x04;
const UNIFORM_COPY_DST: GPUBufferUsageFlags = 0x40 | 0x08;
const QUERY_RESOLVE_COPY_SRC: GPUBufferUsageFlags = 0x200 | 0x04;

/** Ranges laid end to end in one buffer. */
class Arena {
  bytes = 0;
  readonly #data: { offset: number; data: Uint32Array | Float32Array }[] = [];

  reserve(
    bytes: number,
    data?: Uint32Array | Float32Array,
  ): { offset: number; bytes: number } {
    const offset = this.bytes;
    this.bytes += ceilDiv(bytes, ALIGNMENT) * ALIGNMENT;
    if (data) this.#data.push({ offset, data });
    return { offset, bytes };
  }

  contents(): Uint8Array<ArrayBuffer> {
    const contents = new Uint8Array(this.bytes);
    for (const { offset, data } of this.#data) {
      contents.set(
        new Uint8Array(data.buffer, data.byteOffset, data.byteLength),
        offset,
      );
    }
    return contents;
  }
}
