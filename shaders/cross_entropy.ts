import { defineKernel, f32Bits } from "./kernel.ts";
import wgsl from "./cross_entropy.wgsl" with { type: "text" };

/**
 * Of `labels` and `teacher` one is used; the other must be bound all the same. So must `addend`, which
 * is added if `add`, and `scaling`, which is used if `scaled`.
 */
export const crossEntropyKernel = defineKernel<
  { distill: boolean; temperature: number; weight: number; add: boolean; scaled: boolean }
>({
  label: "cross_entropy",
  wgsl,
  bindings: {
    logits: "read",
    labels: "read",
    teacher: "read",
    addend: "read",
    scaling: "read",
    dlogits: "write",
    counters: "update",
  },
  constants: (_, { distill, scaled }) => ({ TEACHER: distill, SCALED: scaled }),
  extents: ({ logits }, { temperature, weight, add }) => [
    ...logits!,
    f32Bits(temperature),
    f32Bits(weight),
    add ? 1 : 0,
  ],
  workgroups: () => [1, 1, 1],
});
