import type { Access, Constants, Kernel } from "../../shaders/kernel.ts";
import { readThroughTexture, setConstants, storeAsHalf, unroll } from "../../shaders/specialize.ts";
import {
  AdapterError,
  DeviceLostError,
  GpuError,
  OutOfMemoryError,
  ShaderError,
  ValidationError,
} from "./errors.ts";
import type { Driver } from "./chooser.ts";
import { type Choices, Tuning } from "./tuning.ts";

/** "software": the adapter runs on the CPU (lavapipe, SwiftShader, WARP). */
export type AdapterClass = "gpu" | "software";

/** Which device to open; all of it may be left out. */
export interface GpuOptions {
  /**
   * "max" (default): ask for the adapter's own limits on sizes, only to go faster or to hold larger
   * arenas. "default": stay at the limits that WebGPU guarantees everywhere.
   */
  limits?: "default" | "max";
  /** Passed on to the browser. Default: high-performance. */
  powerPreference?: GPUPowerPreference;
  /**
   * Tune kernels for another driver than the adapter's. Results differ by rounding only; so that tests
   * can run on any machine what GPUs run.
   */
  driver?: Driver;
  /** Which kernels compute what, where the default is not wanted; as of {@linkcode Tuning.choices}. */
  choices?: Choices;
}

/** Limits that are worth raising; all kernels fit the defaults. */
const RAISED_LIMITS = ["maxBufferSize", "maxStorageBufferBindingSize"] as const;

/** Features that are used where the adapter has them. */
const USED_FEATURES: readonly GPUFeatureName[] = ["timestamp-query", "shader-f16"];

/**
 * A device with what every plan shares: its pipelines, its count of bytes held and its errors.
 *
 * WebGPU reports most faults after the fact; they are kept here and thrown, as typed errors, by the
 * next {@linkcode Gpu.check}, which each run and read calls.
 */
export class Gpu {
  /** Whether it is a GPU. */
  readonly adapterClass: AdapterClass;
  /** What kernels are tuned for. */
  readonly driver: Driver;
  /** Which kernel computes what. */
  readonly tuning: Tuning;
  /** Kernels read their large inputs through textures: buffer loads are slow on software. */
  readonly readsThroughTextures: boolean;
  /** Device memory held by buffers made here, in bytes. */
  bytesHeld = 0;
  readonly #pipelines = new Map<
    Kernel<never>,
    Map<string, Promise<GPUComputePipeline>>
  >();
  readonly #layouts = new Map<string, GPUBindGroupLayout>();
  #fault: GpuError | undefined;

  private constructor(
    readonly device: GPUDevice,
    readonly info: GPUAdapterInfo,
    { driver, choices }: GpuOptions,
  ) {
    const name = `${info.vendor} ${info.architecture} ${info.device} ${info.description}`;
    const software = info.isFallbackAdapter ||
      /llvmpipe|swiftshader|basic render/i.test(name);
    this.adapterClass = software ? "software" : "gpu";
    const softwareDriver = /llvmpipe/i.test(name) ? "lavapipe" : "swiftshader";
    this.driver = driver ?? (software ? softwareDriver : "gpu");
    this.tuning = new Tuning(this.driver, choices);
    this.readsThroughTextures = this.driver !== "gpu";
    device.addEventListener("uncapturederror", (event) => {
      event.preventDefault();
      this.#fault ??= typedError("device", event.error);
    });
    device.lost.then(({ reason, message }) => this.#lose(reason, message));
  }

  /**
   * Opens the default adapter.
   *
   * @throws {AdapterError} If there is no WebGPU or no adapter.
   */
  static async open(options: GpuOptions = {}): Promise<Gpu> {
    const { limits = "max", powerPreference = "high-performance" } = options;
    if (!globalThis.navigator?.gpu) {
      throw new AdapterError(
        "Gpu.open",
        "this runtime has no WebGPU (navigator.gpu); use Deno 2.9 or newer, or a browser with " +
          "WebGPU on a secure page (https or localhost)",
      );
    }
    const adapter = await navigator.gpu.requestAdapter({ powerPreference });
    if (!adapter) {
      throw new AdapterError(
        "Gpu.open",
        "no WebGPU adapter; install a GPU driver, or a software one (Debian and Ubuntu: " +
          "apt-get install mesa-vulkan-drivers)",
      );
    }
    const device = await adapter.requestDevice({
      label: "dvn",
      requiredFeatures: USED_FEATURES.filter((feature) => adapter.features.has(feature)),
      requiredLimits: limits === "default" ? {} : Object.fromEntries(
        RAISED_LIMITS.map((name) => [name, adapter.limits[name]]),
      ),
    });
    return new Gpu(device, adapter.info, options);
  }

  /** The adapter in one line: name, class, and the features in use. */
  describe(): string {
    const { description, device, architecture, vendor } = this.info;
    const name = description ||
      [vendor, architecture, device].filter(Boolean).join(" ") ||
      "unnamed adapter";
    const features = USED_FEATURES.filter((feature) => this.device.features.has(feature));
    return `${name}, ${this.adapterClass}` +
      (features.length ? `; ${features.join(", ")}` : "");
  }

  /** Pipelines compiled so far. */
  get pipelineCount(): number {
    return [...this.#pipelines.values()].reduce(
      (total, { size }) => total + size,
      0,
    );
  }

  /**
   * Compiles a kernel for some constants, once; the same request later gets the same pipeline.
   *
   * @param textured Read `kernel.textures` through textures.
   * @param halves Bindings stored in 16 bits.
   */
  pipeline(
    kernel: Kernel<never>,
    constants: Constants,
    textured = false,
    halves: readonly string[] = [],
  ): Promise<GPUComputePipeline> {
    let variants = this.#pipelines.get(kernel);
    if (!variants) this.#pipelines.set(kernel, variants = new Map());
    const key = `${textured} ${halves} ${JSON.stringify(constants)}`;
    let pipeline = variants.get(key);
    if (!pipeline) {
      variants.set(key, pipeline = this.#compile(kernel, constants, textured, halves));
      pipeline.catch(() => variants.delete(key)); // it may compile when memory is free again
    }
    return pipeline;
  }

  async #compile(
    kernel: Kernel<never>,
    constants: Constants,
    textured: boolean,
    halves: readonly string[],
  ): Promise<GPUComputePipeline> {
    const { label } = kernel;
    let code = setConstants(label, kernel.wgsl, constants);
    const textures = textured ? kernel.textures ?? [] : [];
    for (const name of textures) {
      code = readThroughTexture(label, code, name, texelFormat(halves.includes(name)));
    }
    for (const name of halves) {
      if (!textures.includes(name)) code = storeAsHalf(label, code, name);
    }
    if (halves.length > 0) code = `enable f16;\n${code}`;
    code = unroll(label, code);
    this.device.pushErrorScope("validation");
    const module = this.device.createShaderModule({ label, code });
    const pipeline = this.device.createComputePipelineAsync({
      label,
      layout: this.device.createPipelineLayout({
        label,
        bindGroupLayouts: [this.bindGroupLayout(kernel, textured, halves)],
      }),
      compute: { module, entryPoint: "main" },
    }).catch((cause: Error) => cause);
    const [error, compiled] = await Promise.all([
      this.device.popErrorScope(),
      pipeline,
    ]);
    if (compiled instanceof Error || error) {
      const messages = (await module.getCompilationInfo?.())?.messages ?? [];
      const lines = code.split("\n");
      const details = messages.filter(({ type, lineNum }) => type === "error" && lineNum > 0).map(
        ({ lineNum, message }) => {
          const line = lines[lineNum - 1]!.trim();
          const quote = message.includes(line) ? "" : `\n    ${line}`;
          return `\n  line ${lineNum}: ${message.trim()}${quote}`;
        },
      );
      const summary = error?.message ?? (compiled as Error).message;
      const message = details.join("") || ` ${summary.trim()}`;
      throw await this.#cause(
        new ShaderError(label, `does not compile:${message}`),
      );
    }
    return compiled;
  }

  /** The layout of a kernel's only bind group. Kernels of one signature share it. */
  bindGroupLayout(
    kernel: Kernel<never>,
    textured: boolean,
    halves: readonly string[],
  ): GPUBindGroupLayout {
    const types: BindingType[] = Object.entries(kernel.bindings).map((
      [name, access],
    ) =>
      textured && kernel.textures?.includes(name)
        ? texelFormat(halves.includes(name))
        : bufferType(access)
    );
    if (kernel.extents) types.push("uniform");
    const key = types.join();
    let layout = this.#layouts.get(key);
    if (!layout) {
      layout = this.device.createBindGroupLayout({
        label: key,
        entries: types.map((type, binding) => ({
          binding,
          visibility: GPUShaderStage.COMPUTE,
          ...(type === "rgba32float" || type === "rgba16float"
            ? { storageTexture: { access: "read-only", format: type } }
            : { buffer: { type } }),
        })),
      });
      this.#layouts.set(key, layout);
    }
    return layout;
  }

  /**
   * Makes a zeroed buffer that can be bound, copied and written; free it with {@linkcode Gpu.free}.
   *
   * @throws {OutOfMemoryError} If no buffer of this adapter can be so large.
   */
  buffer(
    label: string,
    bytes: number,
    usage: GPUBufferUsageFlags = STORAGE,
  ): GPUBuffer {
    const most = this.device.limits.maxBufferSize;
    if (bytes > most) {
      throw new OutOfMemoryError(
        label,
        `needs ${bytes} bytes, and a buffer of this device holds at most ${most}; ${SMALLER}`,
      );
    }
    const buffer = this.device.createBuffer({
      label,
      size: Math.max(4, bytes),
      usage,
    });
    this.bytesHeld += buffer.size;
    return buffer;
  }

  /** Gives a buffer of {@linkcode Gpu.buffer} back. */
  free(buffer: GPUBuffer): void {
    this.bytesHeld -= buffer.size;
    buffer.destroy();
  }

  /**
   * Runs `work`, which must not await, and turns what WebGPU finds wrong with it into typed errors.
   *
   * @param operation Named in the error.
   */
  async guard<T>(operation: string, work: () => T): Promise<T> {
    this.check();
    const scopes = this.#pushErrorScopes();
    let result: T;
    try {
      result = work();
    } catch (error) {
      await scopes.pop();
      throw error;
    }
    const error = await scopes.pop();
    if (error) throw await this.#cause(typedError(operation, error));
    await turn(); // a lost device has no errors
    this.check();
    return result;
  }

  /**
   * Runs `work`, which must not await. What WebGPU finds wrong with it is thrown by the next
   * {@linkcode Gpu.check}.
   */
  watch<T>(operation: string, work: () => T): T {
    this.check();
    const scopes = this.#pushErrorScopes();
    try {
      return work();
    } finally {
      scopes.pop().then((error) => {
        if (error) this.#fault ??= typedError(operation, error);
      }, () => {}); // a lost device has no scopes; that it is lost is told apart
    }
  }

  #pushErrorScopes(): { pop: () => Promise<GPUError | null> } {
    const { device } = this;
    device.pushErrorScope("out-of-memory");
    device.pushErrorScope("validation");
    return {
      pop: async () => {
        const [validation, memory] = await Promise.all([
          device.popErrorScope(),
          device.popErrorScope(),
        ]);
        return memory ?? validation; // where memory lacked, what follows is invalid
      },
    };
  }

  /** Throws what went wrong on the device since the last check. A lost device stays lost. */
  check(): void {
    const fault = this.#fault;
    if (!fault) return;
    if (!(fault instanceof DeviceLostError)) this.#fault = undefined;
    throw fault;
  }

  #lose(reason: string, message: string): void {
    if (this.#fault instanceof DeviceLostError) return;
    this.#fault = new DeviceLostError(
      "device",
      `lost (${reason || "unknown"}): ${message || "no reason given"}; ` +
        "open a new Gpu and load the last checkpoint",
    );
  }

  /** That the device is lost, if that is behind `error`. */
  async #cause(error: GpuError): Promise<GpuError> {
    await turn();
    return this.#fault instanceof DeviceLostError ? this.#fault : error;
  }

  /** Resolves when all work submitted so far is done. */
  async settle(): Promise<void> {
    await this.device.queue.onSubmittedWorkDone();
    this.check();
  }

  /**
   * Copies part of a buffer to the CPU, as it is after all work submitted before this call.
   * This is the only thing that waits for the GPU.
   */
  async read(
    buffer: GPUBuffer,
    offset = 0,
    bytes: number = buffer.size - offset,
  ): Promise<ArrayBuffer> {
    this.check();
    const operation = `read ${buffer.label}`;
    const staging = this.device.createBuffer({
      label: operation,
      size: bytes,
      usage: GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST,
    });
    try {
      this.watch(operation, () => {
        const encoder = this.device.createCommandEncoder({ label: operation });
        encoder.copyBufferToBuffer(buffer, offset, staging, 0, bytes);
        this.device.queue.submit([encoder.finish()]);
      });
      await staging.mapAsync(GPUMapMode.READ).catch(async (cause: Error) => {
        throw await this.#cause(new GpuError(operation, cause.message));
      });
      this.check(); // what is wrong with the work that was to fill the buffer
      return staging.getMappedRange().slice(0);
    } finally {
      staging.destroy();
    }
  }

  /** Gives the device and all its memory back. */
  destroy(): void {
    this.#lose("destroyed", "gpu.destroy() was called");
    this.device.destroy();
  }
}

/** The news of a lost device comes a turn of the event loop after the first call that fails for it. */
function turn(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve));
}

/** What to do where memory lacks. */
export const SMALLER = "use a smaller batch or a smaller network";

const STORAGE: GPUBufferUsageFlags = 0x80 | 0x08 | 0x04; // STORAGE | COPY_DST | COPY_SRC

/** Whether kernels can load and store 16-bit floats. */
export function has16Bit({ device }: Pick<Gpu, "device">): boolean {
  return device.features.has("shader-f16");
}

/** Of the textures that stand in for buffers: four floats to a texel. */
export type TexelFormat = "rgba32float" | "rgba16float";

/** That of a tensor. */
export function texelFormat(half: boolean): TexelFormat {
  return half ? "rgba16float" : "rgba32float";
}

type BindingType = GPUBufferBindingType | TexelFormat;

function bufferType(access: Access): GPUBufferBindingType {
  return access === "read" ? "read-only-storage" : "storage";
}

function typedError(operation: string, error: GPUError): GpuError {
  return error instanceof GPUOutOfMemoryError
    ? new OutOfMemoryError(operation, `${error.message}; ${SMALLER}`)
    : new ValidationError(operation, error.message);
}
