import { ceilDiv, defineKernel } from "./kernel.ts";
import wgsl from "./sgd.wgsl" with { type: "text" };

/** Words of a chunk in the `chunks` table. */
export const CHUNK_WORDS = 4;

export const sgdKernel = defineKernel({
  label: "sgd",
  wgsl,
  bindings: {
    values: "update",
    momentum: "update",
    gradients: "read",
    chunks: "read",
    hyper: "read",
  },
  textures: ["gradients"],
  extents: ({ chunks }) => [chunks![0]! / CHUNK_WORDS],
  workgroups: ({ chunks }) => {
    const count = chunks![0]! / CHUNK_WORDS;
    const rows = ceilDiv(count, 65535);
    return [ceilDiv(count, rows), rows, 1];
  },
});
