import {
  type Constants,
  type Kernel,
  type Shape,
  size,
  type Workgroups,
} from "../shaders/kernel.ts";

/** Where a tensor's numbers live. */
export type Home =
  /** In a buffer that the plan shares between tensors whose lifetimes do not overlap. */
  | { kind: "scratch" }
  /** Filled by the CPU before each run. */
  | { kind: "input" }
  /** Kept for `plan.read()`. */
  | { kind: "output" }
  /** Uploaded once. */
  | { kind: "constant"; data: Uint32Array | Float32Array }
  /** A range of somebody else's buffer; offset in bytes. */
  | { kind: "bound"; buffer: GPUBuffer; offset: number }
  /** A part of another tensor; offset in elements. */
  | { kind: "part"; whole: Tensor; offset: number };

/** How an element is stored; all are computed with in 32 bits. */
export type Format = "f32" | "f16";

/** A shape; it gets memory when its tape is compiled. */
export interface Tensor {
  /** For errors and profiles. */
  readonly label: string;
  /** Outermost first. */
  readonly shape: Shape;
  /** Labels and pictures are "f32", too: 4 bytes an element. */
  readonly format: Format;
  /** A gradient with respect to it is wanted. */
  needsGradient: boolean;
  /** Where its memory comes from. */
  home: Home;
}

/** Bytes of an element. */
export function elementBytes({ format }: Pick<Tensor, "format">): number {
  return format === "f16" ? 2 : 4;
}

/** Bytes of all elements. */
export function bytesOf(tensor: Pick<Tensor, "shape" | "format">): number {
  return elementBytes(tensor) * size(tensor.shape);
}

/** The tensor that has the memory: of a part, the one it is of. */
export function wholeOf(tensor: Tensor): Tensor {
  return tensor.home.kind === "part" ? wholeOf(tensor.home.whole) : tensor;
}

/** One recorded dispatch. */
export interface Dispatch {
  /** What runs. */
  readonly kernel: Kernel<never>;
  /** The kernel's name, with where in the network it is: `conv2d stage1.block1.conv1`. */
  readonly label: string;
  /** Set in the source. */
  readonly constants: Constants;
  /** Words of the uniform. */
  readonly extents: readonly number[];
  /** The grid. */
  readonly workgroups: Workgroups;
  /** In the order of the kernel's bindings. */
  readonly tensors: readonly Tensor[];
  /** Names of the bindings whose tensors are stored in 16 bits. */
  readonly halves: readonly string[];
}
