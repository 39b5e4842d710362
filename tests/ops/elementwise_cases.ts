import { assertEquals, assertThrows } from "@std/assert";
import { ShapeError } from "../../nn/gpu/errors.ts";
import { add, relu } from "../../nn/ops/elementwise.ts";
import { globalAveragePool } from "../../nn/ops/global_average_pool.ts";
import { Tape } from "../../nn/tape.ts";
import * as reference from "../reference/mod.ts";
import { type OpCase, runOp } from "./harness.ts";

const { assertClose, f32Tolerance, random } = reference;

/** One vec4; a ragged workgroup; several workgroups. */
const SHAPES: reference.Shape4[] = [[1, 1, 1, 3], [2, 3, 5, 5], [3, 5, 7, 12]];

const shapeCases = SHAPES.flatMap((shape): OpCase[] => [
  {
    name: `relu() agrees with float64 for [${shape}]`,
    run: async (gpu) => {
      const x = random(shape, 1), dy = random(shape, 2);
      x[0] = 0; // where the gradient is 0
      const got = await runOp(gpu, {
        inputs: { x: { shape, values: x } },
        record: (tape, { x }) => relu(tape, x),
        dy: { shape, values: dy },
      });
      assertEquals(Float64Array.from(got.y), reference.relu(x));
      assertEquals(Float64Array.from(got.dx.x), reference.reluGrad(dy, x));
    },
  },
  {
    name: `add() agrees with float64 for [${shape}]`,
    run: async (gpu) => {
      const a = random(shape, 1), b = random(shape, 2), dy = random(shape, 3);
      const got = await runOp(gpu, {
        inputs: { a: { shape, values: a }, b: { shape, values: b } },
        record: (tape, { a, b }) => add(tape, a, b),
        dy: { shape, values: dy },
      });
      assertClose(got.y, reference.add(a, b), f32Tolerance(2));
      assertEquals(Float64Array.from(got.dx.a), dy);
      assertEquals(Float64Array.from(got.dx.b), dy);
    },
  },
  {
    name: `globalAveragePool() agrees with float64 for [${shape}]`,
    run: async (gpu) => {
      const [n, h, w, c] = shape;
      const x = random(shape, 1), dy = random([n, c], 2);
      const got = await runOp(gpu, {
        inputs: { x: { shape, values: x } },
        record: (tape, { x }) => globalAveragePool(tape, x),
        dy: { shape: [n, c], values: dy, padded: true },
      });
      const want = reference.globalAveragePool(x, shape);
      assertClose(got.y, want, f32Tolerance(h * w, 1 / (h * w)));
      const dx = reference.globalAveragePoolGrad(dy, shape);
      assertClose(got.dx.x, dx, f32Tolerance(1));
    },
  },
]);

export const elementwiseCases: OpCase[] = [
  ...shapeCases,
  {
    name: "add() of a tensor to itself doubles it, and its gradient",
    run: async (gpu) => {
      const shape: reference.Shape4 = [1, 3, 3, 5];
      const x = random(shape, 1), dy = random(shape, 2);
      const got = await runOp(gpu, {
        inputs: { x: { shape, values: x } },
        record: (tape, { x }) => add(tape, x, x),
        dy: { shape, values: dy },
      });
      assertEquals(Float64Array.from(got.y), reference.add(x, x));
      assertEquals(Float64Array.from(got.dx.x), reference.add(dy, dy));
    },
  },
  {
    name: "relu() and globalAveragePool() add their gradients to others'",
    run: async (gpu) => {
      const shape: reference.Shape4 = [2, 3, 4, 5];
      const x = random(shape, 1), dy = random([2, 5], 2);
      const got = await runOp(gpu, {
        inputs: { x: { shape, values: x } },
        // mean(x) + mean(relu(x) + x)
        record: (tape, { x }) => {
          const sum = add(tape, relu(tape, x), x);
          const [a, b] = [x, sum].map((map) => globalAveragePool(tape, map));
          return add(tape, a!, b!);
        },
        dy: { shape: [2, 5], values: dy, padded: true },
      });
      const each = reference.globalAveragePoolGrad(dy, shape);
      const want = reference.add(
        reference.reluGrad(each, x),
        reference.add(each, each),
      );
      assertClose(got.dx.x, want, f32Tolerance(3));
    },
  },
  {
    name: "relu(), add() and globalAveragePool() say what does not fit",
    run: (gpu) => {
      const tape = new Tape(gpu);
      const refuses = (
        work: () => unknown,
        message: string,
      ) => assertEquals(assertThrows(work, ShapeError).message, message);
      const x = tape.input("x", [1, 2, 2, 4]), odd = tape.input("odd", [5]);
      const rest = "; maps store their channels padded to a multiple of 4";
      refuses(
        () => relu(tape, odd),
        "relu: operands must have one shape and a multiple of 4 elements, got [5] and [5]" +
          rest,
      );
      refuses(
        () => add(tape, x, odd),
        "add: operands must have one shape and a multiple of 4 elements, got [1,2,2,4] and [5]" +
          rest,
      );
      refuses(
        () => globalAveragePool(tape, odd),
        "globalAveragePool: odd must be [n, h, w, channels padded to a multiple of 4], got [5]",
      );
      return Promise.resolve();
    },
  },
];
