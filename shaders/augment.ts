import { defineKernel, grid } from "./kernel.ts";
import wgsl from "./augment.wgsl" with { type: "text" };

/** `channels` of the bytes. */
export const augmentKernel = defineKernel<{ channels: number }>({
  label: "augment",
  wgsl,
  bindings: {
    bytes: "read",
    matrices: "read",
    normalization: "read",
    y: "write",
  },
  constants: (_, { channels }) => ({ CHANNELS: channels }),
  extents: ({ y }) => [y![1]!, y![2]!, y![0]! * y![1]! * y![2]!],
  workgroups: ({ y }) => grid(y![0]! * y![1]! * y![2]!),
});
