import { defineKernel, grid, size } from "./kernel.ts";
import wgsl from "./global_average_pool.wgsl" with { type: "text" };

export const globalAveragePoolKernel = defineKernel<{ gradient: boolean }>({
  label: "global_average_pool",
  wgsl,
  bindings: { x: "read", y: "write" },
  textures: ["x"],
  constants: (_, { gradient }) => ({ GRADIENT: gradient }),
  extents: ({ x, y }, { gradient }) => {
    const [n, h, w, c] = (gradient ? y : x) as number[];
    return [n!, h! * w!, c! / 4];
  },
  workgroups: ({ y }) => grid(size(y!) / 4),
});
