import { assertEquals, assertThrows } from "@std/assert";
import type { Gpu } from "../../nn/gpu/gpu.ts";
import { ShapeError } from "../../nn/gpu/errors.ts";
import { zeros } from "../../nn/init.ts";
import { add } from "../../nn/ops/elementwise.ts";
import { linear } from "../../nn/ops/linear.ts";
import { ParamStore } from "../../nn/params.ts";
import { Tape } from "../../nn/tape.ts";
import * as reference from "../reference/mod.ts";
import { fill } from "./fill.ts";
import { type OpCase, preferring, runOp } from "./harness.ts";

const { assertClose, f32Tolerance, random } = reference;

/**
 * Heads, one picture, hidden layers; rows that start inside a vec4, ends inside a tile, a last workgroup
 * of one lane.
 */
const SHAPES: reference.LinearShape[] = [
  { n: 1, c: 1, m: 1 },
  { n: 2, c: 3, m: 2 },
  { n: 4, c: 5, m: 3 },
  { n: 3, c: 21, m: 5 },
  { n: 32, c: 64, m: 5 },
  { n: 67, c: 6, m: 10 },
  { n: 2, c: 12, m: 172 },
  { n: 1, c: 512, m: 200 },
  { n: 70, c: 130, m: 71 },
  { n: 69, c: 131, m: 100 },
  { n: 128, c: 512, m: 512 },
];

const declare = (
  store: ParamStore,
  name: string,
  shape: number[],
  values: Float64Array,
) => store.param(name, shape, fill(values), { decay: true });

/** Compares the layer and its gradients with float64. */
async function check(gpu: Gpu, shape: reference.LinearShape): Promise<void> {
  const { n, c, m } = shape;
  const x = random([n, c], 1), dy = random([n, m], 2);
  const w = random([c, m], 3), b = random([m], 4);
  const got = await runOp(gpu, {
    inputs: { x: { shape: [n, c], values: x, padded: true } },
    declare: (store) => ({
      weight: declare(store, "weight", [c, m], w),
      bias: declare(store, "bias", [m], b),
    }),
    record: (tape, { x }, { weight, bias }, store) => linear(tape, store, x, weight, bias),
    dy: { shape: [n, m], values: dy },
  });
  assertClose(
    got.y,
    reference.linear(x, w, b, shape),
    f32Tolerance(c + 1),
  );
  const { dx, dw, db } = reference.linearGrad(dy, x, w, shape);
  assertClose(got.dx.x, dx, f32Tolerance(m));
  assertClose(got.gradients.get("weight")!, dw, f32Tolerance(n));
  assertClose(got.gradients.get("bias")!, db, f32Tolerance(n));
}

export const linearCases: OpCase[] = [
  ...SHAPES.map((shape): OpCase => ({
    name: `linear() agrees with float64 for ${JSON.stringify(shape)}`,
    run: (gpu) => check(gpu, shape),
  })),
  {
    name: "linear() through workgroup memory agrees with float64",
    run: (gpu) => preferring(gpu, "shared", () => check(gpu, { n: 67, c: 36, m: 72 })),
  },
  {
    name: "linear() sums the gradients of an input and of parameters used twice, in each run anew",
    run: async (gpu) => {
      const shape = { n: 5, c: 8, m: 8 };
      const x = random([5, 8], 1), dy = random([5, 8], 2);
      const w = random([8, 8], 3), v = random([8, 8], 4), b = random([8], 5);
      const got = await runOp(gpu, {
        inputs: { x: { shape: [5, 8], values: x } },
        declare: (store) => ({
          w: declare(store, "w", [8, 8], w),
          v: declare(store, "v", [8, 8], v),
          b: declare(store, "b", [8], b),
        }),
        // y = (x w + b + x) v + b
        record: (tape, { x }, { w, v, b }, store) => {
          const hidden = add(tape, linear(tape, store, x, w, b), x);
          return linear(tape, store, hidden, v, b);
        },
        dy: { shape: [5, 8], values: dy },
        runs: 2,
      });
      const hidden = reference.add(reference.linear(x, w, b, shape), x);
      const outer = reference.linearGrad(dy, hidden, v, shape);
      const inner = reference.linearGrad(outer.dx, x, w, shape);
      const tolerance = f32Tolerance(10 * 10);
      assertClose(got.y, reference.linear(hidden, v, b, shape), tolerance);
      assertClose(got.dx.x, reference.add(inner.dx, outer.dx), tolerance);
      assertClose(got.gradients.get("w")!, inner.dw, tolerance);
      assertClose(got.gradients.get("v")!, outer.dw, tolerance);
      assertClose(
        got.gradients.get("b")!,
        reference.add(inner.db, outer.db),
        tolerance,
      );
    },
  },
  {
    name: "linear() adds to the gradients of parameters used twice up to the edges",
    run: async (gpu) => {
      const shape = { n: 4, c: 53, m: 53 };
      const { n, c, m } = shape;
      const x = random([n, c], 1), z = random([n, c], 2), dy = random([n, m], 3);
      const w = random([c, m], 4), b = random([m], 5);
      const got = await runOp(gpu, {
        inputs: {
          x: { shape: [n, c], values: x, padded: true },
          z: { shape: [n, c], values: z, padded: true },
        },
        declare: (store) => ({
          w: declare(store, "w", [c, m], w),
          b: declare(store, "b", [m], b),
        }),
        record: (tape, { x, z }, { w, b }, store) =>
          add(tape, linear(tape, store, x, w, b), linear(tape, store, z, w, b)),
        dy: { shape: [n, m], values: dy },
        runs: 2,
      });
      const ofX = reference.linearGrad(dy, x, w, shape);
      const ofZ = reference.linearGrad(dy, z, w, shape);
      const tolerance = f32Tolerance(2 * n);
      assertClose(got.gradients.get("w")!, reference.add(ofX.dw, ofZ.dw), tolerance);
      assertClose(got.gradients.get("b")!, reference.add(ofX.db, ofZ.db), tolerance);
    },
  },
  {
    name: "linear() reads nothing that a larger layer before it left in a shared texture",
    run: async (gpu) => {
      const wide = { n: 3, c: 64, m: 8 }, narrow = { n: 3, c: 8, m: 5 };
      const x = random([3, 64], 1), dy = random([3, 5], 2);
      const w = random([64, 8], 3), v = random([8, 5], 4), b = random([8], 5), a = random([5], 6);
      const got = await runOp(gpu, {
        inputs: { x: { shape: [3, 64], values: x } },
        declare: (store) => ({
          w: declare(store, "w", [64, 8], w),
          b: declare(store, "b", [8], b),
          v: declare(store, "v", [8, 5], v),
          a: declare(store, "a", [5], a),
        }),
        record: (tape, { x }, { w, b, v, a }, store) =>
          linear(tape, store, linear(tape, store, x, w, b), v, a),
        dy: { shape: [3, 5], values: dy },
      });
      const hidden = reference.linear(x, w, b, wide);
      const outer = reference.linearGrad(dy, hidden, v, narrow);
      const inner = reference.linearGrad(outer.dx, x, w, wide);
      const tolerance = f32Tolerance(65 * 8);
      assertClose(got.y, reference.linear(hidden, v, a, narrow), tolerance);
      assertClose(got.gradients.get("v")!, outer.dw, tolerance);
      assertClose(got.gradients.get("w")!, inner.dw, tolerance);
      assertClose(got.dx.x, inner.dx, tolerance);
    },
  },
  // Vec4s reach into the next row: n * m is a multiple of 4, and is not.
  ...[4, 3].map((n): OpCase => ({
    name: `linear() keeps ${n} rows apart: one that is not finite spoils no other`,
    run: async (gpu) => {
      const c = 6, m = 5;
      const spoil = (values: Float64Array) =>
        values.fill(NaN, values.length / n, values.length / n * 2);
      const x = spoil(random([n, c], 1)), dy = spoil(random([n, m], 2));
      const got = await runOp(gpu, {
        inputs: { x: { shape: [n, c], values: x, padded: true } },
        declare: (store) => ({
          weight: declare(store, "weight", [c, m], random([c, m], 3)),
          bias: declare(store, "bias", [m], random([m], 4)),
        }),
        record: (tape, { x }, { weight, bias }, store) => linear(tape, store, x, weight, bias),
        dy: { shape: [n, m], values: dy },
      });
      const spoilt = (values: Float32Array) => Array.from(values, Number.isNaN);
      assertEquals(spoilt(got.y), Array.from({ length: n * m }, (_, i) => Math.floor(i / m) === 1));
      assertEquals(
        spoilt(got.dx.x),
        Array.from({ length: n * c }, (_, i) => Math.floor(i / c) === 1),
      );
    },
  })),
  {
    name: "linear() says what does not fit",
    run: async (gpu) => {
      const tape = new Tape(gpu);
      const store = new ParamStore(gpu, 1);
      const options = { decay: true };
      const weight = store.param("weight", [5, 3], zeros, options);
      const bias = store.param("bias", [3], zeros, options);
      const long = store.param("long", [4], zeros, options);
      await store.allocate();
      const refuses = (
        work: () => unknown,
        message: string,
      ) => assertEquals(assertThrows(work, ShapeError).message, message);
      refuses(
        () => linear(tape, store, tape.input("x", [2, 4]), weight, bias),
        "linear: weight [5,3] needs x [n, 8] and a bias [3], got [2,4] and [3]",
      );
      refuses(
        () => linear(tape, store, tape.input("x", [2, 8]), weight, long),
        "linear: weight [5,3] needs x [n, 8] and a bias [3], got [2,8] and [4]",
      );
      store.destroy();
    },
  },
];
