import { assertEquals, assertThrows } from "@std/assert";
import { ShapeError } from "../../nn/gpu/errors.ts";
import { rows } from "../../nn/init.ts";
import { batchNorm, pairLayout } from "../../nn/ops/batch_norm.ts";
import { add } from "../../nn/ops/elementwise.ts";
import { batchNormDaffineKernel, batchNormFinalizeKernel } from "../../shaders/batch_norm.ts";
import type { Teams } from "../../shaders/team.ts";
import { type BlockLayout, blockRange, ParamStore } from "../../nn/params.ts";
import { Tape } from "../../nn/tape.ts";
import * as reference from "../reference/mod.ts";
import { fill } from "./fill.ts";
import { type OpCase, runOp } from "./harness.ts";

const { assertClose, f32Tolerance, random } = reference;

const MOMENTUM = 0.9;
const EPSILON = 1e-5;

const options = (relu: boolean) => ({
  momentum: MOMENTUM,
  epsilon: EPSILON,
  relu,
});

/** Scales off zero, shifts; and running means, variances above zero. */
const randomPairs = (channels: number, seed: number) => ({
  affine: random([2, channels], seed, { offZero: 0.25 }),
  running: random([2, channels], seed + 1).map((value, i) =>
    i < channels ? value : Math.fround(1.5 + value)
  ),
});

const declarePairs = (
  store: ParamStore,
  { affine, running }: ReturnType<typeof randomPairs>,
) => {
  const shape = [2, affine.length / 2];
  return {
    affine: store.param("affine", shape, fill(affine), { decay: false }),
    running: store.state("running", shape, fill(running)),
  };
};

const SHAPES: reference.Shape4[] = [
  [1, 1, 1, 3], // a variance of nothing
  [2, 1, 1, 1],
  [1, 3, 5, 5],
  [4, 7, 9, 21], // several chunks, the last one ragged
  [3, 19, 21, 5], // on GPUs more chunks than lanes of a team
  [5, 27, 16, 4], // one group of channels
];

const trainingCases = SHAPES.flatMap((shape) =>
  [false, true].map((relu): OpCase => ({
    name: `batchNorm() in training${relu ? ", with ReLU," : ""} agrees with float64 for [${shape}]`,
    run: async (gpu) => {
      const c = shape[3], pixels = reference.size(shape) / c;
      const pairs = randomPairs(c, 3);
      const x = random(shape, 1), dy = random(shape, 2);
      const got = await runOp(gpu, {
        inputs: { x: { shape, values: x } },
        declare: (store) => declarePairs(store, pairs),
        record: (tape, { x }, { affine, running }, store) =>
          batchNorm(tape, store, x, affine, running, {
            training: true,
            ...options(relu),
          }),
        dy: { shape, values: dy },
      });
      const want = reference.batchNormTraining(
        x,
        shape,
        pairs.affine,
        pairs.running,
        options(relu),
      );
      const { dx, daffine } = reference.batchNormGrad(
        dy,
        x,
        shape,
        pairs.affine,
        options(relu),
      );
      // A lone pixel is divided by the root of epsilon alone. Means round off to near nothing.
      const scale = pixels === 1 ? 1 / Math.sqrt(EPSILON) : 1;
      const tolerance = f32Tolerance(16, scale);
      assertClose(got.y, want.y, { ...tolerance, shape });
      assertClose(
        got.values.get("running")!,
        want.running,
        f32Tolerance(pixels),
      );
      assertClose(got.dx.x, dx, { ...tolerance, shape });
      assertClose(
        got.gradients.get("affine")!,
        daffine,
        f32Tolerance(pixels, scale),
      );
    },
  }))
);

/** Lanes by themselves, and teams of them; on every adapter. */
const TEAMS: Teams[] = [{ lanes: 64, team: 1 }, { lanes: 256, team: 64 }, { lanes: 128, team: 4 }];

const lastStageCases = TEAMS.flatMap(({ lanes, team }) =>
  // One chunk, of one pixel; one group of channels; more than a workgroup's; ragged last chunks.
  ([[1, 9, 4], [60, 9, 8], [2001, 10, 4], [700, 9, 300]] as const).map((
    [pixels, chunk, c],
  ): OpCase => ({
    name:
      `batchNorm() merges chunks of ${chunk} of ${pixels} pixels, ${c} channels, by ${team} of ` +
      `${lanes} lanes`,
    run: async (gpu) => {
      const chunks = Math.ceil(pixels / chunk), teams = { lanes, team };
      const indices = <T>(length: number, make: (i: number) => T) =>
        Array.from({ length }, (_, i) => make(i));
      const counts = indices(chunks, (k) => Math.min(chunk, pixels - k * chunk));
      // Means that are alike and far from zero; squared distances, which are not negative.
      const partial = random([chunks, 2, c], 1).map((value, i) => {
        return Math.fround(Math.floor(i / c) % 2 ? 2 + value : 200 + value);
      });
      const tape = new Tape(gpu), store = new ParamStore(gpu, 1);
      const { affine, running } = declarePairs(store, randomPairs(c, 3));
      await store.allocate();
      const at = indices(c, (i) => [i, c + i]).flat();
      const pairs = tape.constant("pairs", Uint32Array.from(at));
      const input = tape.input("partial", [chunks, 2, c]);
      const inputs = {
        partial: input,
        affine: tape.param(store, affine),
        running: tape.state(store, running),
        affineAt: pairs,
        runningAt: pairs,
        momentum: tape.constant("momentum", Float32Array.of(0)),
      };
      const args = { pixels, chunk, epsilon: EPSILON, ...teams };
      const { norm } = tape.run(batchNormFinalizeKernel, inputs, { norm: [4, c] }, args);
      const daffine = tape.scratch("daffine", [2, c]);
      const replaced = Uint32Array.from(indices(c, (i) => [i, c + i, 0]).flat());
      const { sums } = tape.run(
        batchNormDaffineKernel,
        { partial: input, affineAt: tape.constant("at", replaced), daffine },
        { sums: [2, c] },
        teams,
      );
      for (const result of [norm, sums, daffine]) tape.output(result);
      const plan = await tape.compile("last stages");
      plan.input(input, Float32Array).set(partial);
      plan.run();
      const row = (which: 0 | 1, i: number) =>
        indices(chunks, (k) => partial[(2 * k + which) * c + i]!);
      const add = (values: number[]) => values.reduce((sum, value) => sum + value, 0);
      const statistics = indices(c, (i) => {
        const means = row(0, i);
        const mean = add(means.map((value, k) => value * counts[k]!)) / pixels;
        const apart = means.map((value, k) => (value - mean) ** 2 * counts[k]!);
        return { mean, squares: add(apart) + add(row(1, i)) };
      });
      const means = statistics.map(({ mean }) => mean);
      const squares = statistics.map(({ squares }) => squares);
      const added = ([0, 1] as const).flatMap((which) => indices(c, (i) => add(row(which, i))));
      try {
        const got = await plan.read(norm);
        assertClose(got.subarray(0, c), means, { rtol: 2 ** -22, atol: 0 });
        const deviations = squares.map((sum) => 1 / Math.sqrt(sum / pixels + EPSILON));
        assertClose(got.subarray(c, 2 * c), deviations, { rtol: 1e-5, atol: 0 });
        const unbiased = squares.map((sum) => sum / Math.max(pixels - 1, 1));
        const after = (await store.read()).get("running")!;
        assertClose(after, [...means, ...unbiased], { rtol: 1e-5, atol: 0 });
        const rounding = { rtol: 2 ** -24 * (8 + chunks), atol: 0 };
        assertClose(await plan.read(sums), added, rounding);
        // Scales come first there, shifts here.
        assertClose(await plan.read(daffine), [...added.slice(c), ...added.slice(0, c)], rounding);
      } finally {
        plan.destroy();
        store.destroy();
      }
    },
  }))
);

/** Where the units' pairs stand in a shared array: first numbers, then second ones. */
function pairIndices(layout: BlockLayout, units: readonly number[]): number[] {
  const half = (second: 0 | 1) =>
    units.flatMap((unit) => {
      const { start } = blockRange(layout, unit, 0);
      const width = layout.outWidths[unit]!;
      return Array.from(
        { length: width },
        (_, c) => start + second * width + c,
      );
    });
  return [...half(0), ...half(1)];
}

const otherCases: OpCase[] = [
  {
    name: "batchNorm() leaves the running statistics of a channel that overflowed",
    run: async (gpu) => {
      const shape: reference.Shape4 = [2, 3, 5, 5];
      const x = random(shape, 1);
      for (const [at, bad] of [[7, Infinity], [13, -Infinity], [19, NaN]] as const) x[at] = bad;
      const pairs = randomPairs(5, 3);
      const got = await runOp(gpu, {
        inputs: { x: { shape, values: x } },
        declare: (store) => declarePairs(store, pairs),
        record: (tape, { x }, { affine, running }, store) =>
          batchNorm(tape, store, x, affine, running, { training: true, ...options(false) }),
        dy: { shape, values: random(shape, 2) },
        backward: false,
      });
      const clean = random(shape, 1);
      const want = reference.batchNormTraining(
        clean,
        shape,
        pairs.affine,
        pairs.running,
        options(false),
      );
      const running = got.values.get("running")!;
      const channels = [7 % 5, 13 % 5, 19 % 5];
      for (const row of [0, 1]) {
        for (let c = 0; c < 5; c++) {
          const at = 5 * row + c;
          if (channels.includes(c)) assertEquals(running[at], pairs.running[at]);
          else assertClose([running[at]!], [want.running[at]!], f32Tolerance(2 * 30, 4));
        }
      }
    },
  },
  ...([[4, 8, 8, 5], [3, 31, 33, 4]] as reference.Shape4[]).map((shape): OpCase => ({
    name: `batchNorm() keeps its digits where the mean is a thousand deviations, [${shape}]`,
    run: async (gpu) => {
      const mean = 500;
      const x = random(shape, 1).map((value) => Math.fround(mean + value));
      const dy = random(shape, 2);
      const pairs = randomPairs(shape[3], 3);
      const got = await runOp(gpu, {
        inputs: { x: { shape, values: x } },
        declare: (store) => declarePairs(store, pairs),
        record: (tape, { x }, { affine, running }, store) =>
          batchNorm(tape, store, x, affine, running, {
            training: true,
            ...options(false),
          }),
        dy: { shape, values: dy },
      });
      const [bn, grad] = [options(false), pairs.affine] as const;
      const want = reference.batchNormTraining(
        x,
        shape,
        grad,
        pairs.running,
        bn,
      );
      const { dx, daffine } = reference.batchNormGrad(dy, x, shape, grad, bn);
      // The mean is known to half a unit in its last place, and a distance from it no better.
      const rounding = { rtol: 1e-4, atol: 2 * mean * 2 ** -24 };
      assertClose(got.y, want.y, rounding);
      assertClose(got.dx.x, dx, rounding);
      assertClose(got.values.get("running")!, want.running, {
        rtol: 1e-4,
        atol: 0,
      });
      assertClose(got.gradients.get("affine")!, daffine, {
        rtol: 1e-4,
        atol: shape[0] * shape[1] * shape[2] * rounding.atol,
      });
    },
  })),
  {
    name:
      "batchNorm() adds its gradient to those of the input's other uses; sums those of shared scales",
    run: async (gpu) => {
      const shape: reference.Shape4 = [2, 3, 4, 6];
      const pairs = randomPairs(6, 3);
      const x = random(shape, 1), dy = random(shape, 2);
      const got = await runOp(gpu, {
        inputs: { x: { shape, values: x } },
        declare: (store) => declarePairs(store, pairs),
        record: (tape, { x }, { affine, running }, store) => {
          const norm = () =>
            batchNorm(tape, store, x, affine, running, {
              training: true,
              ...options(true),
            });
          return add(tape, norm(), norm());
        },
        dy: { shape, values: dy },
        runs: 2,
      });
      const once = reference.batchNormGrad(
        dy,
        x,
        shape,
        pairs.affine,
        options(true),
      );
      const tolerance = f32Tolerance(2 * 24, 4);
      assertClose(got.dx.x, reference.add(once.dx, once.dx), tolerance);
      assertClose(
        got.gradients.get("affine")!,
        reference.add(once.daffine, once.daffine),
        tolerance,
      );
      let running: Float64Array = pairs.running;
      for (let time = 0; time < 4; time++) {
        ({ running } = reference.batchNormTraining(
          x,
          shape,
          pairs.affine,
          running,
          options(true),
        ));
      }
      assertClose(got.values.get("running")!, running, tolerance);
    },
  },
  {
    name: "batchNorm() uses and updates the active units of shared arrays, and no other",
    run: async (gpu) => {
      const layout = pairLayout([3, 1, 3, 2]);
      const shape: reference.Shape4 = [2, 3, 3, 4];
      const affine = random([18], 3, { offZero: 0.25 });
      const running = random([18], 4).map((value) => Math.fround(1.5 + value));
      const dy = random(shape, 2);
      const uses = [[0, 1], [1, 2]].map((units, i) => ({
        units,
        shape,
        values: random(shape, 5 + i),
        at: pairIndices(layout, units),
      }));
      const [a, b] = uses as [typeof uses[0], typeof uses[0]];
      const run = (training: boolean) =>
        runOp(gpu, {
          inputs: { a, b },
          declare: (store) => ({
            affine: store.param("affine", [18], fill(affine), {
              decay: false,
              layout,
            }),
            running: store.state("running", [18], fill(running), layout),
          }),
          record: (tape, x, { affine, running }, store) => {
            const [y, z] = (["a", "b"] as const).map((name, i) =>
              batchNorm(tape, store, x[name], affine, running, {
                training,
                units: uses[i]!.units,
                ...options(false),
              })
            );
            return add(tape, y!, z!);
          },
          dy: { shape, values: dy },
          backward: training,
        });
      const tolerance = f32Tolerance(2 * 18, 4);
      const gather = (array: ArrayLike<number>, at: number[]) =>
        Float64Array.from(at, (i) => array[i]!);

      const trained = await run(true);
      const daffine = new Float64Array(18), after = running.slice();
      const ys = uses.map(({ values, at }, i) => {
        const own = gather(affine, at);
        const bn = options(false);
        const forward = reference.batchNormTraining(
          values,
          shape,
          own,
          gather(after, at),
          bn,
        );
        const grad = reference.batchNormGrad(dy, values, shape, own, bn);
        at.forEach((to, k) => {
          after[to] = forward.running[k]!;
          daffine[to]! += grad.daffine[k]!;
        });
        assertClose(trained.dx[i === 0 ? "a" : "b"], grad.dx, tolerance);
        return forward.y;
      });
      assertClose(trained.y, reference.add(ys[0]!, ys[1]!), tolerance);
      assertClose(trained.gradients.get("affine")!, daffine, tolerance);
      assertClose(trained.values.get("running")!, after, tolerance);
      const unused = pairIndices(layout, [3]);
      assertEquals(
        gather(trained.values.get("running")!, unused),
        gather(running, unused),
      );

      const { y, values } = await run(false);
      const [first, second] = uses.map(({ values, at }) =>
        reference.batchNormInference(
          values,
          shape,
          gather(affine, at),
          gather(running, at),
          options(false),
        )
      );
      assertClose(y, reference.add(first!, second!), tolerance);
      assertEquals(values.get("running"), Float32Array.from(running));
    },
  },
  {
    name:
      "batchNorm() with momentum r / (r + 1) in run r leaves the average of the runs' statistics",
    run: async (gpu) => {
      const shape: reference.Shape4 = [3, 5, 4, 8];
      const pairs = randomPairs(8, 3);
      // Of different means and deviations, so that each batch's share can be told.
      const batches = [5, 6, 7, 8].map((seed, run) =>
        random(shape, seed).map((value) => Math.fround((1 + run) * value - 2 * run))
      );
      const tape = new Tape(gpu), store = new ParamStore(gpu, 1);
      const { affine, running } = declarePairs(store, pairs);
      await store.allocate();
      const x = tape.input("x", shape), momentum = tape.input("momentum", [1]);
      const bn = { training: true, ...options(true), momentum };
      const y = tape.output(batchNorm(tape, store, x, affine, running, bn));
      const plan = await tape.compile("average");
      try {
        batches.forEach((batch, run) => {
          plan.input(x, Float32Array).set(batch);
          plan.input(momentum, Float32Array)[0] = run / (run + 1);
          plan.run();
        });
        const alone = batches.map((batch) =>
          reference.batchNormTraining(batch, shape, pairs.affine, pairs.running, {
            ...options(true),
            momentum: 0,
          })
        );
        const average = pairs.running.map((_, i) =>
          alone.reduce((sum, { running }) => sum + running[i]! / batches.length, 0)
        );
        const tolerance = f32Tolerance(60, 4);
        assertClose((await store.read()).get("running")!, average, tolerance);
        assertClose(await plan.read(y), alone.at(-1)!.y, { ...f32Tolerance(16), shape });
      } finally {
        plan.destroy();
        store.destroy();
      }
    },
  },
  ...[false, true].map((relu): OpCase => ({
    name: `batchNorm() with running statistics${
      relu ? " and ReLU" : ""
    } agrees with float64, and keeps them`,
    run: async (gpu) => {
      const shape: reference.Shape4 = [2, 5, 3, 21];
      const pairs = randomPairs(21, 3);
      const x = random(shape, 1);
      const got = await runOp(gpu, {
        inputs: { x: { shape, values: x } },
        declare: (store) => declarePairs(store, pairs),
        record: (tape, { x }, { affine, running }, store) =>
          batchNorm(tape, store, x, affine, running, {
            training: false,
            ...options(relu),
          }),
        dy: { shape, values: x },
        backward: false,
      });
      const want = reference.batchNormInference(
        x,
        shape,
        pairs.affine,
        pairs.running,
        options(relu),
      );
      assertClose(got.y, want, { ...f32Tolerance(2, 2), shape });
      assertEquals(
        got.values.get("running"),
        Float32Array.from(pairs.running),
      );
    },
  })),
  {
    name: "batchNorm() says what does not fit",
    run: async (gpu) => {
      const tape = new Tape(gpu);
      const store = new ParamStore(gpu, 1);
      const affine = store.param("affine", [2, 5], rows(1, 0), {
        decay: false,
      });
      const running = store.state("running", [2, 5], rows(0, 1));
      const narrow = store.state("narrow", [2, 4], rows(0, 1));
      const layout = pairLayout([3, 2]);
      const shared = store.param("shared", [10], rows(1, 0), {
        decay: false,
        layout,
      });
      await store.allocate();
      const bn = { training: true, ...options(false) };
      const refuses = (
        work: () => unknown,
        message: string,
      ) => assertEquals(assertThrows(work, ShapeError).message, message);
      const x = tape.input("x", [1, 2, 2, 8]);
      const thin = tape.input("thin", [1, 2, 2, 4]);
      refuses(
        () => batchNorm(tape, store, thin, affine, running, bn),
        "batchNorm: thin has 4 stored channels, but 5 channels are stored as 8; pass the units of " +
          "the map's own level",
      );
      refuses(
        () => batchNorm(tape, store, x, affine, narrow, bn),
        "batchNorm: affine has 5 active channels, narrow has 4; declare both for the same units",
      );
      refuses(
        () => batchNorm(tape, store, x, shared, running, { ...bn, units: [1, 2] }),
        "batchNorm: units of shared must ascend within 0..1, got [1,2]",
      );
      const momentum = tape.input("weights", [2]);
      refuses(
        () => batchNorm(tape, store, x, affine, running, { ...bn, momentum }),
        "batchNorm: momentum must be a number or a tensor [1], got weights [2]",
      );
      store.destroy();
    },
  },
];

export const batchNormCases: OpCase[] = [...trainingCases, ...lastStageCases, ...otherCases];
