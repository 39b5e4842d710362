import { assertEquals, assertThrows } from "@std/assert";
import type { Gpu } from "../../nn/gpu/gpu.ts";
import { ShapeError } from "../../nn/gpu/errors.ts";
import { matmul } from "../../nn/ops/matmul.ts";
import { Tape } from "../../nn/tape.ts";
import * as reference from "../reference/mod.ts";
import { type OpCase, preferring, runOp } from "./harness.ts";

const { assertClose, f32Tolerance, random } = reference;

/** [n, k, m]: one row, edges inside a tile, and enough for the largest tile of a GPU's. */
const SHAPES: [n: number, k: number, m: number][] = [
  [1, 4, 4],
  [3, 8, 20],
  [70, 132, 68],
  [1025, 4, 1028],
];

/** Compares a product and its gradients with float64. */
async function check(gpu: Gpu, [n, k, m]: [n: number, k: number, m: number]): Promise<void> {
  const a = random([n, k], 1), b = random([k, m], 2), dy = random([n, m], 3);
  const got = await runOp(gpu, {
    inputs: { a: { shape: [n, k], values: a }, b: { shape: [k, m], values: b } },
    record: (tape, { a, b }) => matmul(tape, a, b),
    dy: { shape: [n, m], values: dy },
  });
  const shape = { n, c: k, m };
  assertClose(got.y, reference.linear(a, b, new Float64Array(m), shape), f32Tolerance(k));
  const { dx, dw } = reference.linearGrad(dy, a, b, shape);
  assertClose(got.dx.a, dx, f32Tolerance(m));
  assertClose(got.dx.b, dw, f32Tolerance(n));
}

/** Less than a tile in workgroup memory; several of both sizes, with ragged edges; all of some. */
const SHARED_SHAPES: [n: number, k: number, m: number][] = [
  [3, 8, 20],
  [66, 132, 68],
  [33, 40, 36],
  [64, 64, 64],
];

export const matmulCases: OpCase[] = [
  ...SHAPES.map((shape): OpCase => ({
    name: `matmul() agrees with float64 for [${shape.slice(0, 2)}] x [${shape.slice(1)}]`,
    run: (gpu) => check(gpu, shape),
  })),
  ...SHARED_SHAPES.map((shape): OpCase => ({
    name: `matmul() through workgroup memory agrees with float64 for [${shape.slice(0, 2)}] x ` +
      `[${shape.slice(1)}]`,
    run: (gpu) =>
      preferring(gpu, "shared", async () => {
        await check(gpu, shape);
        const tape = new Tape(gpu);
        const [n, k, m] = shape;
        const y = matmul(tape, tape.input("a", [n, k], true), tape.input("b", [k, m], true));
        tape.setGradient(y, tape.input("dy", [n, m]));
        tape.backward();
        assertEquals(
          tape.dispatches.map(({ label }) => label),
          ["matmul_shared", "matmul_db_shared", "matmul_shared"],
        );
      }),
  })),
  {
    name: "matmul() sums the gradients of an operand used twice",
    run: async (gpu) => {
      const a = random([8, 8], 1), dy = random([8, 8], 2);
      const got = await runOp(gpu, {
        inputs: { a: { shape: [8, 8], values: a } },
        record: (tape, { a }) => matmul(tape, a, a),
        dy: { shape: [8, 8], values: dy },
      });
      const { dx, dw } = reference.linearGrad(dy, a, a, { n: 8, c: 8, m: 8 });
      assertClose(got.dx.a, reference.add(dx, dw), f32Tolerance(16));
    },
  },
  {
    name: "matmul() gives a gradient only to the operand that wants one",
    run: (gpu) => {
      const tape = new Tape(gpu);
      const a = tape.input("a", [4, 4], true), b = tape.input("b", [4, 4]);
      const y = matmul(tape, a, b);
      tape.setGradient(y, tape.input("dy", [4, 4]));
      tape.backward();
      assertEquals(tape.gradient(a)?.shape, [4, 4]);
      assertEquals(tape.gradient(b), undefined);
      assertEquals(matmul(tape, b, b).needsGradient, false);
      return Promise.resolve();
    },
  },
  {
    name: "matmul() says what does not fit",
    run: (gpu) => {
      const tape = new Tape(gpu);
      const refuses = (a: number[], b: number[]) => {
        const { message } = assertThrows(
          () => matmul(tape, tape.input("a", a), tape.input("b", b)),
          ShapeError,
        );
        assertEquals(
          message,
          `matmul: operands must be [n, k] and [k, m] with k and m multiples of 4, got [${a}] and ` +
            `[${b}]; pad them with zeros`,
        );
      };
      refuses([4, 8], [4, 8]);
      refuses([4, 6], [6, 8]);
      refuses([4, 8], [8, 6]);
      refuses([4, 8, 1], [8, 8]);
      return Promise.resolve();
    },
  },
];
