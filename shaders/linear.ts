import { defineKernel, grid, size } from "./kernel.ts";
import linearWgsl from "./linear.wgsl" with { type: "text" };
import linearDxWgsl from "./linear_dx.wgsl" with { type: "text" };
import linearDwWgsl from "./linear_dw.wgsl" with { type: "text" };

export const linearKernel = defineKernel({
  label: "linear",
  wgsl: linearWgsl,
  bindings: { x: "read", weight: "read", bias: "read", y: "write" },
  extents: ({ x, weight }) => [...x!, ...weight!],
  workgroups: ({ y }) => grid(size(y!)),
});

export const linearDxKernel = defineKernel({
  label: "linear_dx",
  wgsl: linearDxWgsl,
  bindings: { dy: "read", weight: "read", dx: "write" },
  extents: ({ dx, weight }) => [...dx!, ...weight!],
  workgroups: ({ dx }) => grid(size(dx!)),
});

/** Whether to add to the gradients that are there. */
export const linearDwKernel = defineKernel<
  { addWeight: boolean; addBias: boolean }
>({
  label: "linear_dw",
  wgsl: linearDwWgsl,
  bindings: { x: "read", dy: "read", dweight: "update", dbias: "update" },
  extents: ({ x, dweight }, { addWeight, addBias }) => [
    ...x!,
    ...dweight!,
    addWeight ? 1 : 0,
    addBias ? 1 : 0,
  ],
  workgroups: ({ dweight }) => grid((dweight![0]! + 1) * dweight![1]!),
});
