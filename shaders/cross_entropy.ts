import { defineKernel, f32Bits } from "./kernel.ts";
import crossEntropyWgsl from "./cross_entropy.wgsl" with { type: "text" };
import { teamConstants, type Teams } from "./team.ts";
import teamWgsl from "./team.wgsl" with { type: "text" };

/**
 * Of `labels` and `teacher` one is used; the other must be bound all the same. So must `addend`, which
 * is added if `add`, and `scaling`, which is used if `scaled`.
 */
export const crossEntropyKernel = defineKernel<
  Teams & { distill: boolean; temperature: number; weight: number; add: boolean; scaled: boolean }
>({
  label: "cross_entropy",
  wgsl: `${crossEntropyWgsl}\n${teamWgsl}`,
  bindings: {
    logits: "read",
    labels: "read",
    teacher: "read",
    addend: "read",
    scaling: "read",
    dlogits: "write",
    counters: "update",
  },
  constants: (_, { distill, scaled, ...teams }) => ({
    TEACHER: distill,
    SCALED: scaled,
    ...teamConstants(teams),
  }),
  extents: ({ logits }, { temperature, weight, add }) => [
    ...logits!,
    f32Bits(temperature),
    f32Bits(weight),
    add ? 1 : 0,
  ],
  workgroups: () => [1, 1, 1],
});
