import { defineKernel, grid, size } from "./kernel.ts";
import wgsl from "./elementwise.wgsl" with { type: "text" };

const OPS = { add: 0, relu: 1, reluGradient: 2 } as const;

/** `relu` reads `a` only; `b` must be bound all the same. */
export const elementwiseKernel = defineKernel<{ op: keyof typeof OPS }>({
  label: "elementwise",
  wgsl,
  bindings: { a: "read", b: "read", y: "write" },
  textures: ["a", "b"],
  constants: (_, { op }) => ({ OP: OPS[op] }),
  workgroups: ({ y }) => grid(size(y!) / 4),
});
