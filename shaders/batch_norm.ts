import {
  ceilDiv,
  defineKernel,
  f32Bits,
  grid,
  type Shape,
  type Shapes,
  size,
  type Workgroups,
} from "./kernel.ts";
import statsWgsl from "./batch_norm_stats.wgsl" with { type: "text" };
import finalizeWgsl from "./batch_norm_finalize.wgsl" with { type: "text" };
import runningWgsl from "./batch_norm_running.wgsl" with { type: "text" };
import applyWgsl from "./batch_norm_apply.wgsl" with { type: "text" };
import sumsWgsl from "./batch_norm_sums.wgsl" with { type: "text" };
import daffineWgsl from "./batch_norm_daffine.wgsl" with { type: "text" };
import dxWgsl from "./batch_norm_dx.wgsl" with { type: "text" };
import teamWgsl from "./team.wgsl" with { type: "text" };
import { teamConstants, type Teams } from "./team.ts";

/** Pixels that one lane goes through, and whether a ReLU follows. */
interface Chunked {
  chunk: number;
  relu: boolean;
}

const pixels = (x: Shape) => size(x) / x.at(-1)!;

const chunkExtents = ({ x }: Shapes, { chunk }: { chunk: number }) => {
  return [pixels(x!), x!.at(-1)! / 4, chunk, ceilDiv(pixels(x!), chunk)];
};

const chunkWorkgroups = ({ x }: Shapes, { chunk }: { chunk: number }) => {
  return grid(ceilDiv(pixels(x!), chunk) * (x!.at(-1)! / 4));
};

const channelWorkgroups = ([, c]: Shape, { lanes, team }: Teams): Workgroups => {
  return [ceilDiv(c!, lanes / team), 1, 1];
};

const reluConstant = (_: Shapes, { relu }: Chunked) => ({ RELU: relu });

export const batchNormStatsKernel = defineKernel<{ chunk: number }>({
  label: "batch_norm_stats",
  wgsl: statsWgsl,
  bindings: { x: "read", partial: "write" },
  textures: ["x"],
  extents: chunkExtents,
  workgroups: chunkWorkgroups,
});

export const batchNormFinalizeKernel = defineKernel<
  Teams & { pixels: number; chunk: number; epsilon: number }
>({
  label: "batch_norm_finalize",
  wgsl: `${finalizeWgsl}\n${teamWgsl}`,
  bindings: {
    partial: "read",
    affine: "read",
    running: "update",
    affineAt: "read",
    runningAt: "read",
    momentum: "read",
    norm: "write",
  },
  constants: (_, args) => teamConstants(args),
  extents: ({ partial }, { pixels, chunk, epsilon }) => [
    partial![2]!,
    pixels,
    chunk,
    partial![0]!,
    f32Bits(epsilon),
  ],
  workgroups: ({ norm }, args) => channelWorkgroups(norm!, args),
});

export const batchNormRunningKernel = defineKernel<{ epsilon: number }>({
  label: "batch_norm_running",
  wgsl: runningWgsl,
  bindings: {
    affine: "read",
    running: "read",
    affineAt: "read",
    runningAt: "read",
    norm: "write",
  },
  extents: ({ norm }, { epsilon }) => [norm![1]!, f32Bits(epsilon)],
  workgroups: ({ norm }) => grid(norm![1]!),
});

export const batchNormApplyKernel = defineKernel<Chunked>({
  label: "batch_norm_apply",
  wgsl: applyWgsl,
  bindings: { x: "read", norm: "read", y: "write" },
  textures: ["x"],
  constants: reluConstant,
  extents: chunkExtents,
  workgroups: chunkWorkgroups,
});

export const batchNormSumsKernel = defineKernel<Chunked>({
  label: "batch_norm_sums",
  wgsl: sumsWgsl,
  bindings: { x: "read", dy: "read", norm: "read", partial: "write" },
  textures: ["x", "dy"],
  constants: reluConstant,
  extents: chunkExtents,
  workgroups: chunkWorkgroups,
});

export const batchNormDaffineKernel = defineKernel<Teams>({
  label: "batch_norm_daffine",
  wgsl: `${daffineWgsl}\n${teamWgsl}`,
  bindings: {
    partial: "read",
    sums: "write",
    affineAt: "read",
    daffine: "update",
  },
  constants: (_, args) => teamConstants(args),
  extents: ({ partial }) => [partial![2]!, partial![0]!],
  workgroups: ({ sums }, args) => channelWorkgroups(sums!, args),
});

/** `add`: whether `addend` is added; it must be bound all the same. */
export const batchNormDxKernel = defineKernel<Chunked & { add: boolean }>({
  label: "batch_norm_dx",
  wgsl: dxWgsl,
  bindings: {
    x: "read",
    dy: "read",
    addend: "read",
    norm: "read",
    sums: "read",
    dx: "write",
  },
  textures: ["x", "dy"], // a third texture of the largest map is not worth its memory
  constants: reluConstant,
  extents: (shapes, args) => [...chunkExtents(shapes, args), args.add ? 1 : 0],
  workgroups: chunkWorkgroups,
});
