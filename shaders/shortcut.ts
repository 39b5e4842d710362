import { defineKernel, grid, size } from "./kernel.ts";
import shortcutWgsl from "./shortcut.wgsl" with { type: "text" };
import shortcutDxWgsl from "./shortcut_dx.wgsl" with { type: "text" };

/** Marks an output channel without source; the WGSL files' own constant. */
export const NONE = 0xffffffff;

export const shortcutKernel = defineKernel<{ stride: number }>({
  label: "shortcut",
  wgsl: shortcutWgsl,
  bindings: { x: "read", sources: "read", y: "write" },
  extents: ({ x, y }, { stride }) => [x![2]!, x![3]!, y![2]!, y![3]!, stride],
  workgroups: ({ y }) => grid(size(y!)),
});

/** `add`: whether `addend` is added; it must be bound all the same. */
export const shortcutDxKernel = defineKernel<{ stride: number; add: boolean }>({
  label: "shortcut_dx",
  wgsl: shortcutDxWgsl,
  bindings: { dy: "read", targets: "read", addend: "read", dx: "write" },
  extents: ({ dy, targets, dx }, { stride, add }) => [
    dx![2]!,
    dx![3]!,
    dy![2]!,
    dy![3]!,
    stride,
    targets![0]! / dx![3]!,
    add ? 1 : 0,
  ],
  workgroups: ({ dx }) => grid(size(dx!)),
});
