import { defineKernel, foldedGrid } from "./kernel.ts";
import wgsl from "./sgd.wgsl" with { type: "text" };

/** Words of a chunk in the `chunks` table. */
export const CHUNK_WORDS = 4;

/** `scaling` must be bound all the same where gradients are not `scaled`. */
export const sgdKernel = defineKernel<{ scaled: boolean }>({
  label: "sgd",
  wgsl,
  bindings: {
    values: "update",
    momentum: "update",
    gradients: "read",
    chunks: "read",
    hyper: "read",
    scaling: "read",
  },
  constants: (_, { scaled }) => ({ SCALED: scaled }),
  extents: ({ chunks }) => [chunks![0]! / CHUNK_WORDS],
  workgroups: ({ chunks }) => foldedGrid(chunks![0]! / CHUNK_WORDS),
});
