import { defineKernel, foldedGrid } from "./kernel.ts";
import { CHUNK_WORDS } from "./sgd.ts";
import checkWgsl from "./gradient_check.wgsl" with { type: "text" };
import scaleWgsl from "./loss_scale.wgsl" with { type: "text" };

/** Marks the step if a gradient that sgd.wgsl is to use is not finite. */
export const gradientCheckKernel = defineKernel({
  label: "gradient_check",
  wgsl: checkWgsl,
  bindings: { gradients: "read", chunks: "read", scaling: "update" },
  extents: ({ chunks }) => [chunks![0]! / CHUNK_WORDS],
  workgroups: ({ chunks }) => foldedGrid(chunks![0]! / CHUNK_WORDS),
});

/** Ends a step. */
export const lossScaleKernel = defineKernel({
  label: "loss_scale",
  wgsl: scaleWgsl,
  bindings: { scaling: "update" },
  workgroups: () => [1, 1, 1],
});
