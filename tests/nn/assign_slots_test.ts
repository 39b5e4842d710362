import { assert, assertEquals } from "@std/assert";
import * as fc from "fast-check";
import { assignSlots } from "../../nn/gpu/plan.ts";
import type { Home, Tensor } from "../../nn/tensor.ts";
import { size } from "../../shaders/kernel.ts";

/** A dispatch, as far as memory goes. */
interface Step {
  tensors: Tensor[];
}

const tensor = (
  elements: number,
  home: Home = { kind: "scratch" },
): Tensor => ({
  label: "",
  shape: [elements],
  format: "f32",
  needsGradient: false,
  home,
});

const bytesOf = (x: Tensor) => 4 * size(x.shape);

/** First and last dispatch of each scratch tensor. */
function lifetimes(steps: Step[]): Map<Tensor, [number, number]> {
  const lives = new Map<Tensor, [number, number]>();
  steps.forEach(({ tensors }, i) => {
    for (const tensor of tensors) {
      if (tensor.home.kind !== "scratch") continue;
      lives.set(tensor, [lives.get(tensor)?.[0] ?? i, i]);
    }
  });
  return lives;
}

/** Bytes of the largest set of scratch tensors that are alive at once. */
function largestLiveSet(steps: Step[]): number {
  const lives = [...lifetimes(steps)];
  return Math.max(
    0,
    ...steps.map((_, i) =>
      lives.reduce(
        (total, [tensor, [first, last]]) =>
          first <= i && i <= last ? total + bytesOf(tensor) : total,
        0,
      )
    ),
  );
}

const total = (sizes: number[]) => sizes.reduce((a, b) => a + b, 0);

/** Programs whose dispatches read some earlier tensors and write new ones. */
const programs = fc.array(
  fc.record({
    reads: fc.array(fc.nat(), { maxLength: 3 }),
    writes: fc.array(
      fc.record({
        elements: fc.oneof(
          fc.integer({ min: 1, max: 64 }),
          fc.integer({ min: 1, max: 1 << 20 }),
        ),
        kept: fc.boolean(),
      }),
      { minLength: 1, maxLength: 2 },
    ),
  }),
  { maxLength: 40 },
).map((steps): Step[] => {
  const made: Tensor[] = [];
  return steps.map(({ reads, writes }) => {
    const inputs = made.length ? reads.map((i) => made[i % made.length]!) : [];
    const outputs = writes.map(({ elements, kept }) =>
      tensor(elements, { kind: kept ? "output" : "scratch" })
    );
    made.push(...outputs);
    return { tensors: [...inputs, ...outputs] };
  });
});

Deno.test("assignSlots(): tensors alive at the same time never share a slot, and all fit theirs", () => {
  fc.assert(fc.property(programs, (steps) => {
    const { slots, sizes } = assignSlots(steps);
    const lives = [...lifetimes(steps)];
    assertEquals(slots.size, lives.length);
    lives.forEach(([a, [first, last]], i) => {
      assert(bytesOf(a) <= sizes[slots.get(a)!]!);
      for (const [b, [begin, end]] of lives.slice(i + 1)) {
        const together = begin <= last && first <= end;
        assert(!together || slots.get(a) !== slots.get(b));
      }
    });
    assert(total(sizes) >= largestLiveSet(steps));
  }));
});

Deno.test("assignSlots(): a chain of ops takes two slots, however long", () => {
  const maps = Array.from({ length: 50 }, () => tensor(1000));
  const steps = maps.slice(1).map((y, i) => ({ tensors: [maps[i]!, y] }));
  assertEquals(assignSlots(steps).sizes, [4000, 4000]);
});

Deno.test("assignSlots(): a backward pass takes little more than what is alive at its start", () => {
  // Maps that halve, each kept until the gradient of the next has come back; two gradients at a time.
  const maps = Array.from({ length: 12 }, (_, i) => tensor(2 ** (16 - i)));
  const gradients = maps.map(({ shape }) => tensor(shape[0]!));
  const steps = maps.slice(1).map((y, i) => ({ tensors: [maps[i]!, y] }));
  for (let i = maps.length - 2; i >= 0; i--) {
    steps.push({ tensors: [maps[i]!, gradients[i + 1]!, gradients[i]!] });
  }
  const { sizes } = assignSlots(steps);
  const ratio = total(sizes) / largestLiveSet(steps);
  assert(ratio <= 1.25, `${ratio} times what is alive`);
});
