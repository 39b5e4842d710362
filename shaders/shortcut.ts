import { defineKernel, grid, size } from "./kernel.ts";
import shortcutWgsl from "./shortcut.wgsl" with { type: "text" };
import shortcutDxWgsl from "./shortcut_dx.wgsl" with { type: "text" };

/** Marks an output channel without source; the WGSL files' own constant. */
export const NONE = 0xffffffff;

/** `group`: 4 if all channels go in aligned fours, and tables count those; else 1. */
export const shortcutKernel = defineKernel<{ stride: number; group: 1 | 4 }>({
  label: "shortcut",
  wgsl: shortcutWgsl,
  bindings: { x: "read", sources: "read", y: "write" },
  constants: (_, { group }) => ({ Value: group === 4 ? "vec4f" : "f32" }),
  extents: (
    { x, y },
    { stride, group },
  ) => [x![2]!, x![3]! / group, y![2]!, y![3]! / group, stride],
  workgroups: ({ y }, { group }) => grid(size(y!) / group),
});

/** `add`: whether `addend` is added; it must be bound all the same. `group`: as above. */
export const shortcutDxKernel = defineKernel<{ stride: number; add: boolean; group: 1 | 4 }>({
  label: "shortcut_dx",
  wgsl: shortcutDxWgsl,
  bindings: { dy: "read", targets: "read", addend: "read", dx: "write" },
  constants: (_, { group }) => ({ Value: group === 4 ? "vec4f" : "f32" }),
  extents: ({ dy, targets, dx }, { stride, add, group }) => [
    dx![2]!,
    dx![3]! / group,
    dy![2]!,
    dy![3]! / group,
    stride,
    targets![0]! / (dx![3]! / group),
    add ? 1 : 0,
  ],
  workgroups: ({ dx }, { group }) => grid(size(dx!) / group),
});
