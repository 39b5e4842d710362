import { defineKernel, f32Bits } from "./kernel.ts";
import wgsl from "./cross_entropy.wgsl" with { type: "text" };

/** Of `labels` and `teacher` one is used; the other must be bound all the same. */
export const crossEntropyKernel = defineKernel<
  { distill: boolean; temperature: number; weight: number }
>({
  label: "cross_entropy",
  wgsl,
  bindings: {
    logits: "read",
    labels: "read",
    teacher: "read",
    dlogits: "write",
    counters: "update",
  },
  constants: (_, { distill }) => ({ TEACHER: distill }),
  extents: ({ logits }, { temperature, weight }) => [
    ...[...logits!, f32Bits(temperature), f32Bits(weight)],
  ],
  workgroups: () => [1, 1, 1],
});
