import type { Constants, Kernel, Shape, Workgroups } from "../shaders/kernel.ts";

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

/** A shape; it gets memory when its tape is compiled. 4 bytes an element. */
export interface Tensor {
  readonly label: string;
  readonly shape: Shape;
  /** A gradient with respect to it is wanted. */
  needsGradient: boolean;
  home: Home;
}

/** The tensor that has the memory: of a part, the one it is of. */
export function wholeOf(tensor: Tensor): Tensor {
  return tensor.home.kind === "part" ? wholeOf(tensor.home.whole) : tensor;
}

/** One recorded dispatch. */
export interface Dispatch {
  readonly kernel: Kernel<never>;
  /** The kernel's name, with where in the network it is: `conv2d stage1.block1.conv1`. */
  readonly label: string;
  readonly constants: Constants;
  readonly extents: readonly number[];
  readonly workgroups: Workgroups;
  /** In the order of the kernel's bindings. */
  readonly tensors: readonly Tensor[];
}
