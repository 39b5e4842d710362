import { assertEquals, assertThrows } from "@std/assert";
import { ShapeError } from "../../nn/gpu/errors.ts";
import { constant } from "../../nn/init.ts";
import { add } from "../../nn/ops/elementwise.ts";
import { globalAveragePool } from "../../nn/ops/global_average_pool.ts";
import { l2Normalize } from "../../nn/ops/l2_normalize.ts";
import { linear } from "../../nn/ops/linear.ts";
import { ParamStore } from "../../nn/params.ts";
import { Tape } from "../../nn/tape.ts";
import * as reference from "../reference/mod.ts";
import { fill } from "./fill.ts";
import { type OpCase, runOp } from "./harness.ts";

const { assertClose, f32Tolerance, random } = reference;

const SHAPES: { shape: [n: number, c: number]; padded: boolean }[] = [
  { shape: [1, 1], padded: false },
  { shape: [3, 5], padded: false }, // as linear() leaves it
  { shape: [67, 21], padded: true }, // as globalAveragePool() does
  { shape: [2, 512], padded: true },
];

const declare = (store: ParamStore, name: string, shape: number[], values: Float64Array) =>
  store.param(name, shape, fill(values), { decay: true });

const agreementCases = SHAPES.flatMap(({ shape, padded }) =>
  [false, true].map((relu): OpCase => ({
    name: `l2Normalize()${relu ? " with ReLU" : ""} agrees with float64 for [${shape}]${
      padded ? ", padded" : ""
    }`,
    run: async (gpu) => {
      const [n, c] = shape, options = { relu, epsilon: 1e-12 };
      const x = random(shape, 1, { offZero: 0.1 }), dy = random(shape, 2);
      const scale = random([c], 3, { offZero: 0.25 });
      const got = await runOp(gpu, {
        inputs: { x: { shape, values: x, padded } },
        declare: (store) => declare(store, "scale", [c], scale),
        record: (tape, { x }, scale, store) => l2Normalize(tape, store, x, scale, { relu }),
        dy: { shape, values: dy, padded: true },
      });
      const want = reference.l2NormalizeGrad(dy, x, shape, scale, options);
      // Norms are about the root of c, and sums of one sign: their errors are relative ones.
      const size = 1 / Math.sqrt(c);
      const y = reference.l2Normalize(x, shape, scale, options);
      assertClose(got.y, y, { rtol: f32Tolerance(c).rtol, atol: 0 });
      assertClose(got.dx.x, want.dx, f32Tolerance(4, size));
      assertClose(got.gradients.get("scale")!, want.dscale, f32Tolerance(n, size));
    },
  }))
);

export const l2NormalizeCases: OpCase[] = [
  ...agreementCases,
  {
    name:
      "l2Normalize() divides rows whose norm is at most epsilon by epsilon, forward and backward",
    run: async (gpu) => {
      const shape = [4, 3], scale = random([3], 3, { offZero: 0.25 }), dy = random(shape, 2);
      const x = Float64Array.of(0, 0, 0, 0.25, -0.5, 0.5, 0, -2, 1, 2, 2, 4);
      for (const options of [{ relu: false, epsilon: 1 }, { relu: true, epsilon: 1 }]) {
        const got = await runOp(gpu, {
          inputs: { x: { shape, values: x } },
          declare: (store) => declare(store, "scale", [3], scale),
          record: (tape, { x }, scale, store) => l2Normalize(tape, store, x, scale, options),
          dy: { shape, values: dy, padded: true },
        });
        const want = reference.l2NormalizeGrad(dy, x, shape, scale, options);
        assertClose(got.y, reference.l2Normalize(x, shape, scale, options), f32Tolerance(3));
        assertClose(got.dx.x, want.dx, f32Tolerance(3));
        assertClose(got.gradients.get("scale")!, want.dscale, f32Tolerance(4));
      }
    },
  },
  {
    name: "l2Normalize() by default divides a row of zeros by 1e-12",
    run: async (gpu) => {
      const zeros = new Float64Array(4);
      const dy = Float64Array.of(1, -2, 3, 0.5);
      for (const relu of [false, true]) {
        const got = await runOp(gpu, {
          inputs: { x: { shape: [1, 4], values: zeros } },
          declare: (store) => store.param("scale", [4], constant(10), { decay: true }),
          record: (tape, { x }, scale, store) => l2Normalize(tape, store, x, scale, { relu }),
          dy: { shape: [1, 4], values: dy },
        });
        assertEquals(got.y, new Float32Array(4));
        assertEquals(got.gradients.get("scale"), new Float32Array(4));
        const want = relu ? zeros : dy.map((value) => value * 10 / 1e-12);
        assertClose(got.dx.x, want, { rtol: f32Tolerance(1).rtol, atol: 0 });
      }
    },
  },
  {
    name:
      "l2Normalize() of pooled features, and between fully connected layers, agrees with float64",
    run: async (gpu) => {
      const n = 6, picture: reference.Shape4 = [n, 2, 3, 6];
      const inner = { n, c: 6, m: 9 }, outer = { n, c: 9, m: 3 };
      const x = random(picture, 1), dy = random([n, 3], 2);
      const values = {
        features: random([6], 3, { offZero: 0.25 }),
        weight: random([6, 9], 4),
        bias: random([9], 5),
        hidden: random([9], 6, { offZero: 0.25 }),
        headWeight: random([9, 3], 7),
        headBias: random([3], 8),
      };
      const got = await runOp(gpu, {
        inputs: { x: { shape: picture, values: x } },
        declare: (store) => ({
          features: declare(store, "features", [6], values.features),
          weight: declare(store, "weight", [6, 9], values.weight),
          bias: declare(store, "bias", [9], values.bias),
          hidden: declare(store, "hidden", [9], values.hidden),
          headWeight: declare(store, "headWeight", [9, 3], values.headWeight),
          headBias: declare(store, "headBias", [3], values.headBias),
        }),
        record: (tape, { x }, p, store) => {
          const pooled = globalAveragePool(tape, x);
          const features = l2Normalize(tape, store, pooled, p.features, { relu: false });
          const raw = linear(tape, store, features, p.weight, p.bias);
          const hidden = l2Normalize(tape, store, raw, p.hidden, { relu: true });
          return linear(tape, store, hidden, p.headWeight, p.headBias);
        },
        dy: { shape: [n, 3], values: dy },
        runs: 2,
      });
      const whole = { relu: false, epsilon: 1e-12 }, clipped = { relu: true, epsilon: 1e-12 };
      const { l2Normalize: norm, l2NormalizeGrad: normGrad, linearGrad } = reference;
      const pooled = reference.globalAveragePool(x, picture);
      const features = norm(pooled, [n, 6], values.features, whole);
      const raw = reference.linear(features, values.weight, values.bias, inner);
      const hidden = norm(raw, [n, 9], values.hidden, clipped);
      const head = linearGrad(dy, hidden, values.headWeight, outer);
      const second = normGrad(head.dx, raw, [n, 9], values.hidden, clipped);
      const layer = linearGrad(second.dx, features, values.weight, inner);
      const first = normGrad(layer.dx, pooled, [n, 6], values.features, whole);
      const tolerance = f32Tolerance(6 * 9);
      const y = reference.linear(hidden, values.headWeight, values.headBias, outer);
      assertClose(got.y, y, tolerance);
      assertClose(got.dx.x, reference.globalAveragePoolGrad(first.dx, picture), tolerance);
      const gradients = {
        features: first.dscale,
        weight: layer.dw,
        bias: layer.db,
        hidden: second.dscale,
        headWeight: head.dw,
        headBias: head.db,
      };
      for (const [name, want] of Object.entries(gradients)) {
        assertClose(got.gradients.get(name)!, want, tolerance);
      }
    },
  },
  {
    name: "l2Normalize() sums the gradients of an input and of scales used twice, in each run anew",
    run: async (gpu) => {
      const shape = [3, 5]; // 15 gradients, which tape.sum() cannot add four by four
      const x = random(shape, 1, { offZero: 0.1 }), dy = random(shape, 2);
      const scale = random([5], 3, { offZero: 0.25 });
      const got = await runOp(gpu, {
        inputs: { x: { shape, values: x } },
        declare: (store) => declare(store, "scale", [5], scale),
        record: (tape, { x }, scale, store) => {
          const [clipped, whole] = [true, false].map((relu) =>
            l2Normalize(tape, store, x, scale, { relu })
          );
          return add(tape, clipped!, whole!);
        },
        dy: { shape, values: dy, padded: true },
        runs: 2,
      });
      const [clipped, whole] = [true, false].map((relu) =>
        reference.l2NormalizeGrad(dy, x, shape, scale, { relu, epsilon: 1e-12 })
      );
      const tolerance = f32Tolerance(2 * 5);
      assertClose(got.dx.x, reference.add(clipped!.dx, whole!.dx), tolerance);
      assertClose(
        got.gradients.get("scale")!,
        reference.add(clipped!.dscale, whole!.dscale),
        tolerance,
      );
    },
  },
  {
    name: "l2Normalize() of what needs no gradient goes back to its scales alone",
    run: async (gpu) => {
      const tape = new Tape(gpu), store = new ParamStore(gpu, 1);
      const scale = store.param("scale", [5], constant(10), { decay: true });
      await store.allocate();
      const x = tape.input("x", [2, 8]);
      const y = l2Normalize(tape, store, x, scale, { relu: true });
      tape.setGradient(y, tape.input("dy", [2, 8]));
      tape.backward();
      assertEquals(
        tape.dispatches.map(({ kernel: { label } }) => label),
        ["l2_normalize", "l2_normalize_dscale"],
      );
      store.destroy();
    },
  },
  {
    name: "l2Normalize() says what does not fit",
    run: async (gpu) => {
      const tape = new Tape(gpu);
      const store = new ParamStore(gpu, 1);
      const scale = store.param("scale", [5], constant(10), { decay: true });
      const square = store.param("square", [5, 5], constant(10), { decay: true });
      await store.allocate();
      const refuses = (
        work: () => unknown,
        message: string,
      ) => assertEquals(assertThrows(work, ShapeError).message, message);
      const rule =
        "l2Normalize: x must be [n, c], perhaps padded to a multiple of 4 channels, and the scale [c], got ";
      const options = { relu: true };
      for (const shape of [[2, 4], [2, 6], [2, 1, 1, 8]]) {
        refuses(
          () => l2Normalize(tape, store, tape.input("x", shape), scale, options),
          `${rule}x [${shape}] and scale [5]`,
        );
      }
      const x = tape.input("x", [2, 5]);
      refuses(
        () => l2Normalize(tape, store, x, square, options),
        `${rule}x [2,5] and square [5,5]`,
      );
      for (const epsilon of [0, -1, NaN]) {
        assertEquals(
          assertThrows(
            () => l2Normalize(tape, store, x, scale, { relu: true, epsilon }),
            RangeError,
          ).message,
          `l2Normalize: epsilon must be above 0, got ${epsilon}`,
        );
      }
      store.destroy();
    },
  },
];
