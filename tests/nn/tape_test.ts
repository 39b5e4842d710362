import { assertEquals, assertThrows } from "@std/assert";
import { ShapeError } from "../../nn/gpu/errors.ts";
import { zeros } from "../../nn/init.ts";
import { add, relu } from "../../nn/ops/elementwise.ts";
import { linear } from "../../nn/ops/linear.ts";
import { ParamStore } from "../../nn/params.ts";
import { Tape } from "../../nn/tape.ts";
import type { Tensor } from "../../nn/tensor.ts";
import { elementwiseKernel } from "../../shaders/elementwise.ts";
import { testGpu } from "../gpu.ts";

Deno.test("scope() names dispatches by where they were recorded, backward too", async () => {
  const tape = new Tape(await testGpu());
  const x = tape.input("x", [4], true);
  const y = tape.scope(
    "stage1",
    () => tape.scope("block2", () => relu(tape, x)),
  );
  assertThrows(() => tape.scope("broken", () => relu(tape, tape.input("", [3]))));
  const z = relu(tape, y);
  tape.setGradient(z, tape.input("dz", [4]));
  tape.backward();
  assertEquals(tape.dispatches.map(({ label }) => label), [
    "elementwise stage1.block2",
    "elementwise",
    "elementwise",
    "elementwise stage1.block2",
  ]);
});

Deno.test("run() refuses missing tensors, missing shapes and tensors of another tape", async () => {
  const gpu = await testGpu();
  const tape = new Tape(gpu), other = new Tape(gpu);
  const x = tape.input("x", [4]), stranger = other.input("stranger", [4]);
  const run = (inputs: Record<string, Tensor>, outputs: { y: number[] }) => () =>
    tape.run(elementwiseKernel, inputs, outputs, { op: "add" });
  const refuses = (
    work: () => unknown,
    message: string,
  ) => assertEquals(assertThrows(work, Error).message, message);
  refuses(run({ a: x }, { y: [4] }), "elementwise: no tensor for binding b");
  refuses(
    run({ a: x, b: x }, {} as { y: number[] }),
    "elementwise: no shape for binding y",
  );
  refuses(
    run({ a: x, b: stranger }, { y: [4] }),
    "elementwise: stranger is of another tape; a step is recorded on one",
  );
  assertEquals(tape.dispatches, []);
});

Deno.test("tensors have whole, positive extents", async () => {
  const tape = new Tape(await testGpu());
  for (const shape of [[2, 0], [1.5], [-1], [NaN]]) {
    assertEquals(
      assertThrows(() => tape.input("x", shape), ShapeError).message,
      `x: extents must be whole and positive, got [${shape}]`,
    );
  }
});

Deno.test("backward(mark) goes back that far; what is left goes back once, with all gradients", async () => {
  const tape = new Tape(await testGpu());
  const x = tape.input("x", [4], true);
  const trunk = relu(tape, x);
  const recorded = () => tape.dispatches.length;
  const losses = [1, 2].map(() => {
    const mark = tape.mark();
    const head = relu(tape, trunk);
    tape.setGradient(head, tape.input("d", [4]));
    tape.backward(mark);
    assertEquals(tape.gradient(x), undefined);
    assertEquals(tape.gradient(head), undefined);
    return recorded();
  });
  // Forward of the trunk; forward and backward of a head; and again, with a sum.
  assertEquals(losses, [3, 6]);
  tape.backward();
  assertEquals(recorded(), 7);
  assertEquals(tape.gradient(x)?.shape, [4]);
  tape.backward();
  assertEquals(recorded(), 7, "rules are forgotten once used");
});

Deno.test("what needs no gradient gets none, and costs no dispatch", async () => {
  const tape = new Tape(await testGpu());
  const x = tape.input("x", [4]), w = tape.input("w", [4], true);
  const y = add(tape, relu(tape, x), w);
  tape.setGradient(y, tape.input("dy", [4]));
  const forward = tape.dispatches.length;
  tape.backward();
  assertEquals(tape.dispatches.length, forward);
  assertEquals(tape.gradient(x), undefined);
  assertEquals(tape.gradient(w)?.label, "dy");
});

Deno.test("withoutGradient() spares the backward pass of what is recorded inside, and no other", async () => {
  const gpu = await testGpu();
  const store = new ParamStore(gpu, 1);
  const declare = (name: string, shape: number[]) =>
    store.param(name, shape, zeros, { decay: true });
  const weight = declare("weight", [4, 4]), bias = declare("bias", [4]);
  const headWeight = declare("head.weight", [4, 2]), headBias = declare("head.bias", [2]);
  await store.allocate();
  try {
    const tape = new Tape(gpu);
    const x = tape.input("x", [4, 4], true);
    const frozen = tape.withoutGradient(() => {
      tape.withoutGradient(() => relu(tape, x));
      return linear(tape, store, x, weight, bias); // after an inner one
    });
    assertEquals([frozen.needsGradient, x.needsGradient], [false, true]);
    assertThrows(
      () =>
        tape.withoutGradient(() => {
          throw new TypeError("inside");
        }),
      TypeError,
      "inside",
    );
    const y = linear(tape, store, frozen, headWeight, headBias);
    assertEquals(y.needsGradient, true);
    tape.setGradient(y, tape.input("dy", [4, 2]));
    const forward = tape.dispatches.length;
    tape.backward();
    const backward = tape.dispatches.slice(forward).map(({ label }) => label);
    assertEquals(backward, ["matmul_dw"], "the head's parameters alone");
    assertEquals(tape.gradient(x), undefined);
    const gradients: string[] = [];
    tape.touchedRanges((param) => {
      gradients.push(param.name);
      return false;
    });
    assertEquals(gradients, ["head.weight", "head.bias"]);
  } finally {
    store.destroy();
  }
});

Deno.test("gradientSink() lets the first writer of a block set and later ones add; ranges merge", async () => {
  const gpu = await testGpu();
  const store = new ParamStore(gpu, 1);
  const layout = { taps: 1, inWidths: [2, 3], outWidths: [4, 1] };
  const options = { decay: true, layout };
  const weight = store.param("weight", [25], zeros, options);
  const bias = store.param("bias", [5], zeros, { decay: false });
  await store.allocate();
  try {
    const tape = new Tape(gpu);
    assertEquals(tape.gradientSink(store, weight, [0, 2]).adds, [false, false]);
    assertEquals(tape.gradientSink(store, weight, [1, 2]).adds, [false, true]);
    assertEquals(tape.gradientSink(store, bias).adds, [false]);
    assertEquals(tape.gradientSink(store, bias).adds, [true]);
    const range = (start: number, end: number, decay: boolean) => ({
      page: 0,
      start,
      end,
      decay,
    });
    // Blocks 0, 1 and 2 are 8 + 12 + 2 floats, end to end; block 3 was not touched.
    assertEquals(tape.touchedRanges(() => false), [
      range(0, 22, true),
      range(64, 69, false),
    ]);
    assertEquals(
      tape.touchedRanges((param, block) => param === bias || block === 1),
      [range(0, 8, true), range(20, 22, true)],
    );
  } finally {
    store.destroy();
  }
});
