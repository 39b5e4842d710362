/** Extents of a tensor, outermost first. */
export type Shape = readonly number[];

/**
 * How a kernel uses a binding. `read`: input. `write`: output, every element written.
 * `update`: read and written in place, for what outlives a step (parameters, gradients, counters).
 */
export type Access = "read" | "write" | "update";

/** Values of named top-level `const` declarations of a WGSL file, and types of its `alias` ones. */
export type Constants = Readonly<Record<string, number | boolean | string>>;

/** Workgroups along x, y and z. */
export type Workgroups = readonly [number, number, number];

/** Shapes of a dispatch's bindings, by name. */
export type Shapes = Readonly<Record<string, Shape>>;

/** One WGSL entry point `main`, and how a dispatch of it follows from shapes and arguments. */
export interface Kernel<Args> {
  /** For errors and profiles. */
  readonly label: string;
  /** The source, valid as it stands. */
  readonly wgsl: string;
  /** In @binding order. Where `extents` is given, its uniform comes last. */
  readonly bindings: Readonly<Record<string, Access>>;
  /**
   * "read" bindings of type array<vec4f> whose loads dominate: on adapters where buffer loads are slow
   * they are read through a texture.
   */
  readonly textures?: readonly string[];
  /**
   * "write" bindings of four extents that are no maps, [n, h, w, c], of activations or their gradients: a
   * tape may keep maps in 16 bits. Bindings of maps are array<vec4f> or array<f32>, stored to by `=`.
   */
  readonly sums?: readonly string[];
  /** Sets these declarations: tile sizes and fused variants. */
  readonly constants?: (shapes: Shapes, args: Args) => Constants;
  /** The uniform's 32-bit words; use {@linkcode f32Bits} for a float. */
  readonly extents?: (shapes: Shapes, args: Args) => number[];
  /** The grid. */
  readonly workgroups: (shapes: Shapes, args: Args) => Workgroups;
}

/** Declares a kernel; here only so that `Args` is inferred. */
export function defineKernel<Args = void>(kernel: Kernel<Args>): Kernel<Args> {
  return kernel;
}

/** Number of elements. */
export function size(shape: Shape): number {
  return shape.reduce((product, extent) => product * extent, 1);
}

/** `ceil(a / b)`. */
export function ceilDiv(a: number, b: number): number {
  return Math.ceil(a / b);
}

/** Lanes of a workgroup in kernels whose lanes do not cooperate; also the WGSL files' own constant. */
export const LANES = 64;

/** The most workgroups that WebGPU guarantees along one dimension. */
const MAX_GROUPS = 65535;

/**
 * Workgroups for `lanes` independent lanes. Past 65535 groups the grid folds into rows, and the
 * kernel undoes that with `(group.y * groups.x + group.x) * LANES + lane`.
 */
export function grid(lanes: number): Workgroups {
  return foldedGrid(Math.max(1, ceilDiv(lanes, LANES)));
}

/** So many workgroups, or few more, folded as in {@linkcode grid}. */
export function foldedGrid(groups: number): Workgroups {
  const rows = ceilDiv(groups, MAX_GROUPS);
  return [ceilDiv(groups, rows), rows, 1];
}

/** The bits of a float as a uniform word. */
export function f32Bits(value: number): number {
  return new Uint32Array(new Float32Array([value]).buffer)[0]!;
}
