import { defineKernel, f32Bits, grid, type Shapes } from "./kernel.ts";
import l2NormalizeWgsl from "./l2_normalize.wgsl" with { type: "text" };
import l2NormalizeDxWgsl from "./l2_normalize_dx.wgsl" with { type: "text" };
import l2NormalizeDscaleWgsl from "./l2_normalize_dscale.wgsl" with { type: "text" };

const reluConstant = (_: Shapes, { relu }: { relu: boolean }) => ({ RELU: relu });

export const l2NormalizeKernel = defineKernel<{ relu: boolean; epsilon: number }>({
  label: "l2_normalize",
  wgsl: l2NormalizeWgsl,
  bindings: { x: "read", scale: "read", y: "write", norms: "write" },
  constants: reluConstant,
  extents: ({ x, y, scale }, { epsilon }) => [...x!, scale![0]!, y![1]!, f32Bits(epsilon)],
  workgroups: ({ norms }) => grid(norms![0]!),
});

/** `add`: whether `addend` is added; it must be bound all the same. */
export const l2NormalizeDxKernel = defineKernel<
  { relu: boolean; epsilon: number; add: boolean }
>({
  label: "l2_normalize_dx",
  wgsl: l2NormalizeDxWgsl,
  bindings: {
    x: "read",
    scale: "read",
    norms: "read",
    dy: "read",
    addend: "read",
    dx: "write",
  },
  constants: reluConstant,
  extents: ({ x, dy, scale }, { epsilon, add }) => [
    ...x!,
    scale![0]!,
    dy![1]!,
    f32Bits(epsilon),
    add ? 1 : 0,
  ],
  workgroups: ({ norms }) => grid(norms![0]!),
});

/** `add`: whether to add to the gradient that is there. */
export const l2NormalizeDscaleKernel = defineKernel<{ relu: boolean; add: boolean }>({
  label: "l2_normalize_dscale",
  wgsl: l2NormalizeDscaleWgsl,
  bindings: { x: "read", scale: "read", norms: "read", dy: "read", dscale: "update" },
  constants: reluConstant,
  extents: ({ x, dy, scale }, { add }) => [...x!, scale![0]!, dy![1]!, add ? 1 : 0],
  workgroups: ({ dscale }) => grid(dscale![0]!),
});
