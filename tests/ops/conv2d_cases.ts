import { assert, assertEquals, assertThrows } from "@std/assert";
import { ShapeError } from "../../nn/gpu/errors.ts";
import type { Gpu } from "../../nn/gpu/gpu.ts";
import { shapeKey } from "../../nn/gpu/tuning.ts";
import { zeros } from "../../nn/init.ts";
import { padChannels } from "../../nn/ops/channels.ts";
import { conv2d, type Conv2dOptions } from "../../nn/ops/conv2d.ts";
import { relu } from "../../nn/ops/elementwise.ts";
import { type BlockLayout, ParamStore } from "../../nn/params.ts";
import { Tape } from "../../nn/tape.ts";
import type { Dispatch, Format } from "../../nn/tensor.ts";
import { LANES, size } from "../../shaders/kernel.ts";
import type { SharedTile } from "../../shaders/shared_tile.ts";
import * as reference from "../reference/mod.ts";
import { fill } from "./fill.ts";
import { randomMap, stored } from "./formats.ts";
import { type OpCase, preferring, runOp } from "./harness.ts";

const { assertClose, f32Tolerance, random } = reference;

type Geometry = Omit<reference.Conv2d, "co">;

/** Pixels of a result: terms of its weight's gradient. */
const pixels = ([n, h, w]: reference.Shape4) => n * h * w;

const total = (widths: readonly number[]) => widths.reduce((sum, width) => sum + width, 0);

const declareWeight = (
  store: ParamStore,
  layout: BlockLayout,
  values: Float64Array,
  name = "weight",
) => store.param(name, [values.length], fill(values), { decay: true, layout });

/** Kernels 1, 3 and 7, strides 1 to 3; channels and pixels that fill no tile. */
export const DENSE: [
  shape: reference.Shape4,
  co: number,
  kernel: number,
  stride: number,
  padding: number,
][] = [
  [[1, 1, 1, 1], 1, 1, 1, 0],
  [[2, 3, 5, 3], 5, 1, 1, 0],
  [[1, 5, 4, 5], 3, 1, 2, 0],
  [[2, 5, 7, 21], 5, 3, 1, 1],
  [[3, 6, 6, 5], 21, 3, 2, 1],
  [[1, 7, 5, 1], 3, 3, 2, 1],
  [[1, 8, 7, 3], 1, 3, 3, 0],
  [[2, 4, 3, 12], 16, 3, 1, 2],
  [[1, 5, 6, 16], 12, 3, 3, 2],
  [[2, 9, 11, 3], 5, 7, 2, 3],
  [[1, 10, 8, 5], 3, 7, 3, 2],
  [[1, 8, 9, 1], 1, 7, 1, 6],
  [[1, 3, 3, 1], 5, 7, 2, 3], // some taps never meet the picture
  [[2, 3, 2, 3], 1, 7, 3, 4],
  [[3, 21, 4, 3], 9, 3, 1, 1], // on GPUs many splits, no whole number to each of those that are left
  [[2, 25, 3, 5], 3, 1, 1, 0],
];

/** Compares a convolution and its gradients with float64. */
export async function checkDense(
  gpu: Gpu,
  shape: reference.Shape4,
  { co, ...geometry }: reference.Conv2d,
  tolerance: (terms: number) => reference.Tolerance,
  mapFormat: Format = "f32",
): Promise<void> {
  const conv = { co, ...geometry };
  const taps = geometry.kernel ** 2, ci = shape[3];
  const yShape = reference.conv2dShape(shape, conv);
  const x = randomMap(shape, 1, mapFormat), dy = randomMap(yShape, 2, mapFormat);
  const weight = random([taps, ci, co], 3);
  const layout = { taps, inWidths: [ci], outWidths: [co] };
  const got = await runOp(gpu, {
    inputs: { x: { shape, values: x } },
    declare: (store) => declareWeight(store, layout, weight),
    record: (tape, { x }, param, store) => conv2d(tape, store, x, param, geometry),
    dy: { shape: yShape, values: dy },
    mapFormat,
  });
  assertClose(got.y, reference.conv2d(x, shape, weight, conv), {
    ...stored(tolerance(taps * ci), mapFormat),
    shape: yShape,
  });
  assertClose(got.dx.x, reference.conv2dDx(dy, shape, weight, conv), {
    ...stored(tolerance(taps * co), mapFormat),
    shape,
  });
  assertClose(
    got.gradients.get("weight")!,
    reference.conv2dDw(dy, shape, x, conv),
    { ...tolerance(pixels(yShape)), shape: [taps, ci, co] },
  );
}

/** Kernels that convolve, in order: forward, weight gradient, data gradient. */
async function labels(
  gpu: Gpu,
  [n, h, w, ci]: reference.Shape4,
  { co, ...geometry }: reference.Conv2d,
): Promise<string[]> {
  const tape = new Tape(gpu);
  const store = new ParamStore(gpu, 1);
  const layout = { taps: geometry.kernel ** 2, inWidths: [ci], outWidths: [co] };
  const weight = declareWeight(store, layout, new Float64Array(layout.taps * ci * co));
  await store.allocate();
  const x = tape.input("x", [n, h, w, padChannels(ci)], true);
  const y = conv2d(tape, store, x, weight, geometry);
  tape.setGradient(y, tape.input("dy", y.shape));
  tape.backward();
  store.destroy();
  return tape.dispatches.map(({ label }) => label).filter((label) =>
    /^(conv2d|winograd_(product|dw)(_|$))/.test(label)
  );
}

const denseCases = DENSE.map((
  [shape, co, kernel, stride, padding],
): OpCase => ({
  name: `conv2d() agrees with float64 for k${kernel} s${stride} p${padding} [${shape}] to ${co}`,
  run: (gpu) =>
    preferring(
      gpu,
      "direct",
      () => checkDense(gpu, shape, { co, kernel, stride, padding }, f32Tolerance),
    ),
}));

/** Tiles of all sizes in workgroup memory, several of each, with ragged edges; strides; splits. */
const SHARED: [
  shape: reference.Shape4,
  co: number,
  kernel: number,
  stride: number,
  padding: number,
  tile: SharedTile,
  splits: number,
][] = [
  [[2, 9, 11, 20], 36, 3, 1, 1, sharedTile(64, 64, 8, 8), 3],
  [[2, 9, 11, 5], 68, 3, 1, 1, sharedTile(64, 64, 4, 8), 1],
  [[3, 8, 8, 12], 64, 3, 1, 1, sharedTile(64, 64, 4, 4), 5],
  [[1, 10, 9, 24], 48, 3, 1, 1, sharedTile(64, 32, 8, 4), 2],
  [[1, 15, 13, 8], 21, 3, 1, 1, sharedTile(128, 64, 8, 8), 2],
  [[1, 17, 9, 16], 132, 1, 1, 0, sharedTile(128, 128, 8, 8), 4],
  [[3, 9, 7, 12], 40, 3, 2, 1, sharedTile(64, 32, 4, 4), 2],
  [[1, 9, 14, 8], 20, 3, 1, 1, sharedTile(64, 16, 4, 4), 3],
  [[2, 9, 8, 8], 36, 1, 2, 0, sharedTile(32, 32, 4, 4), 2],
  [[1, 16, 13, 5], 3, 7, 2, 3, sharedTile(32, 32, 4, 4), 2],
  [[2, 8, 7, 4], 8, 3, 3, 0, sharedTile(32, 32, 4, 4), 100], // some splits are empty
];

/** Rows by columns of a workgroup and of a lane. */
function sharedTile(rows: number, columns: number, down: number, across: number): SharedTile {
  return { groupRows: rows, groupColumns: columns, tile: { rows: down, columns: across / 4 } };
}

const sharedCases: OpCase[] = [
  ...DENSE.map(([shape, co, kernel, stride, padding]): OpCase => ({
    name: `conv2d() through workgroup memory agrees with float64 for k${kernel} s${stride} ` +
      `p${padding} [${shape}] to ${co}`,
    run: (gpu) =>
      preferring(
        gpu,
        "shared",
        () => checkDense(gpu, shape, { co, kernel, stride, padding }, f32Tolerance),
      ),
  })),
  ...SHARED.map(([shape, co, kernel, stride, padding, shared, splits]): OpCase => ({
    name:
      `conv2d() by ${shared.groupRows}x${shared.groupColumns} in workgroup memory, ${shared.tile.rows}x` +
      `${
        4 * shared.tile.columns
      } a lane, agrees with float64 for k${kernel} s${stride} [${shape}] to ` +
      `${co}`,
    onceInBrowsers: true,
    run: async (gpu) => {
      const conv = { kernel, stride, padding };
      const [n, h, w, ci] = shape;
      const extents = { n, h, w, ci: padChannels(ci), co: padChannels(co), ...conv };
      const choice = { algorithm: "shared", ...shared } as const;
      gpu.tuning.pin({
        [shapeKey({ pass: "forward", ...extents })]: choice,
        [shapeKey({ pass: "dx", ...extents })]: choice,
        [shapeKey({ pass: "dw", ...extents })]: { ...choice, splits },
      });
      await checkDense(gpu, shape, { co, ...conv }, f32Tolerance);
      const dispatched = await labels(gpu, shape, { co, ...conv });
      assertEquals(dispatched, ["conv2d_shared", "conv2d_dw_shared", "conv2d_shared"]);
    },
  })),
];

/** Maps that are no whole number of tiles; channels that fill no group; parts of a batch. */
export const TILED: [shape: reference.Shape4, co: number, tiles?: number][] = [
  [[1, 4, 4, 1], 1],
  [[2, 5, 7, 3], 5],
  [[1, 9, 4, 21], 12],
  [[3, 8, 11, 5], 21, 4],
  [[5, 6, 5, 16], 8, 8],
  [[2, 16, 16, 32], 16],
];

/**
 * Winograd's sums are of transformed numbers, some larger than their result: its errors are several
 * times those of the direct way, still far below what training notices.
 */
export const tiledTolerance = (terms: number): reference.Tolerance => {
  const { rtol, atol } = f32Tolerance(terms);
  return { rtol: 4 * rtol, atol: 4 * atol };
};

const tiledCases = TILED.map(([shape, co, tiles]): OpCase => ({
  name: `conv2d() by tiles agrees with float64 for [${shape}] to ${co}` +
    (tiles ? `, ${tiles} tiles at a time` : ""),
  run: (gpu) =>
    preferring(gpu, "winograd", async () => {
      const [n, h, w, ci] = shape;
      const extents = { n, h, w, ci: padChannels(ci), co: padChannels(co), ...SAME };
      if (tiles) {
        const { tuning } = gpu;
        tuning.pin(Object.fromEntries((["forward", "dx", "dw"] as const).map((pass) => {
          const passShape = { pass, ...extents };
          const choice = pass === "dw" ? tuning.weightGradient(passShape) : tuning.conv(passShape);
          return [shapeKey(passShape), { ...choice, tiles }];
        })));
      }
      await checkDense(gpu, shape, { co, ...SAME }, tiledTolerance);
      const { algorithm } = gpu.tuning.conv({ pass: "forward", ...extents });
      assertEquals(algorithm, "winograd");
    }),
}));

/** Products by tiles in workgroup memory, several each, with ragged edges; a batch in two parts. */
const TILED_SHARED: [
  shape: reference.Shape4,
  co: number,
  tile: SharedTile,
  tiles: number,
  splits: number,
][] = [
  [[3, 22, 23, 12], 68, sharedTile(64, 64, 8, 8), 108, 2],
  [[2, 18, 17, 68], 12, sharedTile(64, 64, 4, 8), 52, 1],
  [[3, 18, 17, 36], 40, sharedTile(32, 32, 4, 4), 40, 3],
];

const tiledSharedCases = TILED_SHARED.map(([shape, co, shared, tiles, splits]): OpCase => ({
  name:
    `conv2d() by tiles, ${shared.groupRows}x${shared.groupColumns} in workgroup memory, agrees with ` +
    `float64 for [${shape}] to ${co}`,
  onceInBrowsers: true,
  run: async (gpu) => {
    const [n, h, w, ci] = shape;
    const extents = { n, h, w, ci: padChannels(ci), co: padChannels(co), ...SAME };
    const choice = { algorithm: "winograd", ...shared, tiles } as const;
    gpu.tuning.pin({
      [shapeKey({ pass: "forward", ...extents })]: choice,
      [shapeKey({ pass: "dx", ...extents })]: choice,
      [shapeKey({ pass: "dw", ...extents })]: { ...choice, splits },
    });
    await checkDense(gpu, shape, { co, ...SAME }, tiledTolerance);
    const dispatched = new Set(await labels(gpu, shape, { co, ...SAME }));
    assertEquals([...dispatched], ["winograd_product_shared", "winograd_dw_shared"]);
  },
}));
const tolerances = { direct: f32Tolerance, shared: f32Tolerance, winograd: tiledTolerance };

const SAME = { kernel: 3, stride: 1, padding: 1 };

/** What conv2d() must give for some active units, by float64. */
function unitReference(
  x: Float64Array,
  [n, h, w]: reference.Shape4,
  flat: Float64Array,
  layout: BlockLayout,
  { inUnits, outUnits, dy, ...geometry }:
    & Geometry
    & Required<Pick<Conv2dOptions, "inUnits" | "outUnits">>
    & { dy: Float64Array },
) {
  const dense = reference.gatherBlocks(flat, layout, outUnits, inUnits);
  const ci = reference.activeChannels(layout.inWidths, inUnits).length;
  const co = reference.activeChannels(layout.outWidths, outUnits).length;
  const shape: reference.Shape4 = [n, h, w, ci];
  const conv = { co, ...geometry };
  const gradient = new Float64Array(flat.length);
  const dw = reference.conv2dDw(dy, shape, x, conv);
  reference.scatterBlocks(dw, layout, outUnits, inUnits, gradient);
  return {
    y: reference.conv2d(x, shape, dense, conv),
    dx: reference.conv2dDx(dy, shape, dense, conv),
    gradient,
  };
}

/** Every set of units that is not empty. */
const SUBSETS = [[0], [1], [2], [0, 1], [0, 2], [1, 2], [0, 1, 2]];

const UNEVEN: BlockLayout = {
  taps: 9,
  inWidths: [1, 3, 2],
  outWidths: [2, 1, 5],
};

const unitCases = SUBSETS.map((outUnits): OpCase => ({
  name: `conv2d() computes units [${outUnits}] from any active units, and no other`,
  run: async (gpu) => {
    const geometry = { kernel: 3, stride: 2, padding: 1 };
    const flat = random([9, 6, 8], 3);
    const co = reference.activeChannels(UNEVEN.outWidths, outUnits).length;
    for (const inUnits of SUBSETS) {
      const ci = reference.activeChannels(UNEVEN.inWidths, inUnits).length;
      const shape: reference.Shape4 = [2, 3, 5, ci];
      const yShape: reference.Shape4 = [2, 2, 3, co];
      const x = random(shape, 1), dy = random(yShape, 2);
      const options = { ...geometry, inUnits, outUnits };
      const got = await runOp(gpu, {
        inputs: { x: { shape, values: x } },
        declare: (store) => declareWeight(store, UNEVEN, flat),
        record: (tape, { x }, param, store) => conv2d(tape, store, x, param, options),
        dy: { shape: yShape, values: dy },
      });
      const want = unitReference(x, shape, flat, UNEVEN, { ...options, dy });
      assertClose(got.y, want.y, f32Tolerance(9 * ci));
      assertClose(got.dx.x, want.dx, f32Tolerance(9 * co));
      const gradient = got.gradients.get("weight")!;
      assertClose(gradient, want.gradient, f32Tolerance(pixels(yShape)));
      const active = new Float64Array(flat.length);
      const ones = new Float64Array(9 * ci * co).fill(1);
      reference.scatterBlocks(ones, UNEVEN, outUnits, inUnits, active);
      assert(
        gradient.every((value, i) => active[i] === 1 || value === 0),
        "the gradient of an inactive block was written",
      );
    }
  },
}));

const sharingCases = (["direct", "shared", "winograd"] as const).flatMap((algorithm): OpCase[] => [
  {
    name:
      `conv2d() adds the residual, and its gradient to those of the input's other uses, ${algorithm}`,
    run: async (gpu) => {
      const shape: reference.Shape4 = [2, 5, 4, 5];
      const conv = { co: 5, kernel: 3, stride: 1, padding: 1 };
      const { co: _, ...geometry } = conv;
      const layout = { taps: 9, inWidths: [5], outWidths: [5] };
      const x = random(shape, 1), dy = random(shape, 2);
      const first = random([9, 5, 5], 3), second = random([9, 5, 5], 4);
      const got = await preferring(gpu, algorithm, () =>
        runOp(gpu, {
          inputs: { x: { shape, values: x } },
          declare: (store) => ({
            first: declareWeight(store, layout, first, "first"),
            second: declareWeight(store, layout, second, "second"),
          }),
          // y = second * x + first * x + x
          record: (tape, { x }, { first, second }, store) => {
            const inner = conv2d(tape, store, x, first, { ...geometry, add: x });
            return conv2d(tape, store, x, second, { ...geometry, add: inner });
          },
          dy: { shape, values: dy },
        }));
      const sum = reference.add(first, second);
      assertClose(
        got.y,
        reference.add(reference.conv2d(x, shape, sum, conv), x),
        tolerances[algorithm](2 * 45 + 1),
      );
      assertClose(
        got.dx.x,
        reference.add(reference.conv2dDx(dy, shape, sum, conv), dy),
        tolerances[algorithm](2 * 45 + 1),
      );
      const dw = reference.conv2dDw(dy, shape, x, conv);
      for (const name of ["first", "second"]) {
        assertClose(got.gradients.get(name)!, dw, tolerances[algorithm](pixels(shape)));
      }
    },
  },
  {
    name: `conv2d() sums the gradients of a weight's consumers, in each run anew, ${algorithm}`,
    run: async (gpu) => {
      const geometry = { kernel: 3, stride: 1, padding: 1 };
      const outUnits = [0, 1];
      const flat = random([9, 6, 8], 3);
      const yShape: reference.Shape4 = [1, 4, 5, 3];
      const dy = random(yShape, 2);
      // Blocks of input unit 1 have two consumers, the others one.
      const uses = [[0, 1], [1, 2]].map((inUnits, i) => {
        const ci = reference.activeChannels(UNEVEN.inWidths, inUnits).length;
        const shape: reference.Shape4 = [1, 4, 5, ci];
        const values = random(shape, 5 + i);
        const options = { ...geometry, inUnits, outUnits };
        return { shape, values, options };
      });
      const [a, b] = uses as [typeof uses[0], typeof uses[0]];
      const got = await preferring(gpu, algorithm, () =>
        runOp(gpu, {
          inputs: { a, b },
          declare: (store) => declareWeight(store, UNEVEN, flat),
          record: (tape, { a: x, b: z }, param, store) => {
            const add = conv2d(tape, store, x, param, a.options);
            return conv2d(tape, store, z, param, { ...b.options, add });
          },
          dy: { shape: yShape, values: dy },
          runs: 2,
        }));
      const want = uses.map(({ shape, values, options }) =>
        unitReference(values, shape, flat, UNEVEN, { ...options, dy })
      );
      assertClose(
        got.gradients.get("weight")!,
        reference.add(want[0]!.gradient, want[1]!.gradient),
        tolerances[algorithm](2 * pixels(yShape)),
      );
      assertClose(
        got.y,
        reference.add(want[0]!.y, want[1]!.y),
        tolerances[algorithm](9 * 9),
      );
      assertClose(got.dx.a, want[0]!.dx, tolerances[algorithm](9 * 3));
      assertClose(got.dx.b, want[1]!.dx, tolerances[algorithm](9 * 3));
    },
  },
]);

const WIDTHS = [3, 1, 5];
const LEVEL = [0, 2];

const levelCases: OpCase[] = [
  {
    name: "a level has the bits of the network cut out by hand, and the values of the masked one",
    run: async (gpu) => {
      const geometry = { kernel: 3, stride: 1, padding: 1 };
      const conv = { co: total(WIDTHS), ...geometry };
      const layout = { taps: 9, inWidths: WIDTHS, outWidths: WIDTHS };
      const channels = reference.activeChannels(WIDTHS, LEVEL);
      const active = channels.length, all = conv.co;
      const flats = [random([9, all, all], 3), random([9, all, all], 4)];
      const shape: reference.Shape4 = [2, 4, 5, active];
      const x = random(shape, 1), dy = random(shape, 2);
      const run = (
        layout: BlockLayout,
        weights: Float64Array[],
        units?: number[],
      ) =>
        runOp(gpu, {
          inputs: { x: { shape, values: x } },
          declare: (store) =>
            weights.map((weight, i) => declareWeight(store, layout, weight, `weight${i}`)),
          record: (tape, { x }, params, store) => {
            const options = { ...geometry, inUnits: units, outUnits: units };
            const hidden = conv2d(tape, store, x, params[0]!, options);
            return conv2d(
              tape,
              store,
              relu(tape, hidden),
              params[1]!,
              options,
            );
          },
          dy: { shape, values: dy },
        });
      const level = await run(layout, flats, LEVEL);
      const cutLayout = { taps: 9, inWidths: [active], outWidths: [active] };
      const cut = await run(
        cutLayout,
        flats.map((flat) => reference.gatherBlocks(flat, layout, LEVEL, LEVEL)),
      );
      assertEquals(level.y, cut.y);
      assertEquals(level.dx.x, cut.dx.x);
      flats.forEach((flat, i) => {
        const scattered = new Float64Array(flat.length);
        const dense = Float64Array.from(cut.gradients.get(`weight${i}`)!);
        reference.scatterBlocks(dense, layout, LEVEL, LEVEL, scattered);
        assertEquals(
          Float64Array.from(level.gradients.get(`weight${i}`)!),
          scattered,
        );
      });

      const fullShape: reference.Shape4 = [2, 4, 5, all];
      const fullX = reference.placeChannels(x, all, channels);
      const fullDy = reference.placeChannels(dy, all, channels);
      const masked = flats.map((flat) => reference.maskedBlocks(flat, layout, LEVEL, LEVEL));
      const hidden = reference.conv2d(fullX, fullShape, masked[0]!, conv);
      const y = reference.conv2d(
        reference.relu(hidden),
        fullShape,
        masked[1]!,
        conv,
      );
      const dhidden = reference.reluGrad(
        reference.conv2dDx(fullDy, fullShape, masked[1]!, conv),
        hidden,
      );
      const dx = reference.conv2dDx(dhidden, fullShape, masked[0]!, conv);
      const select = (values: Float64Array) => reference.selectChannels(values, all, channels);
      const tolerance = f32Tolerance((9 * active) ** 2);
      assertClose(level.y, select(y), tolerance);
      assertClose(level.dx.x, select(dx), tolerance);
    },
  },
  {
    name: "conv2d() dispatches the multiplications of the active blocks alone",
    run: async (gpu) => {
      const units = 4, width = 16, n = 4, side = 32;
      // 9 of each pixel, or 36 of each 4x4 tile.
      const perPixel = { direct: 9, shared: 9, winograd: 36 / 16 };
      for (const algorithm of ["direct", "shared", "winograd"] as const) {
        const full = n * side * side * perPixel[algorithm] * (units * width) ** 2;
        for (let active = 1; active <= units; active++) {
          const needed = full * (active / units) ** 2;
          for (const dispatch of await preferring(gpu, algorithm, () => record(gpu, active))) {
            const { lanes, each, fill = 1 } = multiplications(dispatch);
            // No more than the lanes that fill up the last workgroup, and do nothing, are spare.
            const spare = lanes - needed / fill / each;
            assert(
              spare >= 0 && spare < LANES,
              `${dispatch.label} of ${active} units: ${lanes} lanes of ${each} multiplications ` +
                `for ${needed}`,
            );
          }
        }
      }

      /** Forward, weight gradient and data gradient of a level. */
      async function record(gpu: Gpu, active: number): Promise<Dispatch[]> {
        const tape = new Tape(gpu);
        const store = new ParamStore(gpu, 1);
        const widths = new Array<number>(units).fill(width);
        const layout = { taps: 9, inWidths: widths, outWidths: widths };
        const shape = [9, units * width, units * width];
        const param = store.param("weight", shape, zeros, {
          decay: true,
          layout,
        });
        await store.allocate();
        const x = tape.input("x", [n, side, side, active * width], true);
        const chosen = [...Array(active).keys()];
        const y = conv2d(tape, store, x, param, {
          kernel: 3,
          stride: 1,
          padding: 1,
          inUnits: chosen,
          outUnits: chosen,
        });
        tape.setGradient(y, tape.input("dy", y.shape));
        tape.backward();
        store.destroy();
        const names = ["conv2d", "conv2d_dw", "winograd_product", "winograd_dw"];
        const heavy = tape.dispatches.filter(({ kernel: { label } }) =>
          names.includes(label.replace(/_shared$/, ""))
        );
        assertEquals(heavy.length, 3);
        return heavy;
      }
    },
  },
];

/**
 * Lanes that a dispatch starts, and the multiplications that each makes; of tiles in workgroup memory,
 * the part that the result fills.
 */
function multiplications(dispatch: Dispatch): { lanes: number; each: number; fill?: number } {
  const { kernel, constants, workgroups: [x, y, z], tensors } = dispatch;
  if (kernel.label.endsWith("_shared")) return sharedMultiplications(dispatch);
  const lanes = x * y * z * LANES;
  const columns = 4 * Number(constants.COLUMNS);
  if (kernel.label === "winograd_product") {
    const [v] = tensors;
    return { lanes, each: Number(constants.TILES) * columns * v!.shape.at(-1)! };
  }
  if (kernel.label === "conv2d") {
    const [, weight] = tensors;
    const [taps, ci] = weight!.shape as [number, number];
    return { lanes, each: Number(constants.PIXELS) * columns * taps * ci };
  }
  const [, dy, partial] = tensors;
  const tiled = kernel.label === "winograd_dw";
  const pixels = tiled ? dy!.shape[1]! : size(dy!.shape.slice(0, 3));
  const splits = partial!.shape.length > (tiled ? 3 : 0) ? partial!.shape[0]! : 1;
  return {
    lanes,
    each: 4 * Number(constants.ROWS) * columns * pixels / splits,
  };
}

function sharedMultiplications(
  { kernel, constants, workgroups: [x, y, z], tensors }: Dispatch,
): { lanes: number; each: number; fill: number } {
  const weights = kernel.label.includes("_dw_"), tiled = kernel.label.startsWith("winograd");
  const left = tensors[0]!.shape, right = tensors[1]!.shape;
  const result = tensors[weights ? 2 : 3]!.shape;
  const columns = result.at(-1)!;
  // Convolutions make one product of all, tiles one for each place; weights, each split one.
  const products = tiled ? size(result) / size(result.slice(-2)) : weights ? result[0]! : 1;
  const rows = size(result) / columns / products;
  const splits = weights ? size(result) / size(result.slice(-3)) : 1;
  const depth = weights
    ? size(right) / right.at(-1)! / (tiled ? 36 : 1) / splits
    : tiled
    ? left.at(-1)!
    : size(right.slice(0, 2));
  const by = weights ? 4 : 1; // rows to a unit
  const { TILE_ROWS, TILE_COLUMNS, ROWS, COLUMNS, LANES } = constants as Record<string, number>;
  const whole = (extent: number, tile: number) => Math.ceil(extent / tile) * tile;
  const padded = whole(rows, by * TILE_ROWS!) * whole(columns, 4 * TILE_COLUMNS!);
  return {
    lanes: x * y * z * LANES!,
    each: by * ROWS! * 4 * COLUMNS! * depth,
    fill: rows * columns / padded,
  };
}

const errorCases: OpCase[] = [
  {
    name: "conv2d() says what does not fit",
    run: async (gpu) => {
      const tape = new Tape(gpu);
      const store = new ParamStore(gpu, 1);
      const weight = declareWeight(store, UNEVEN, random([9, 6, 8], 1));
      const plain = store.param("plain", [9], zeros, { decay: true });
      await store.allocate();
      const x = tape.input("x", [1, 2, 4, 8]);
      const geometry = { kernel: 3, stride: 1, padding: 1 };
      const refuses = (
        work: () => unknown,
        message: string,
      ) => assertEquals(assertThrows(work, ShapeError).message, message);
      refuses(
        () => conv2d(tape, store, x, plain, geometry),
        "conv2d: plain must be declared with 9 taps for a 3x3 kernel, got no block layout",
      );
      refuses(
        () => conv2d(tape, store, x, weight, { ...geometry, kernel: 1 }),
        "conv2d: weight must be declared with 1 taps for a 1x1 kernel, got 9",
      );
      refuses(
        () => conv2d(tape, store, x, weight, { ...geometry, inUnits: [0, 1] }),
        "conv2d: x has 8 stored channels, but 4 channels are stored as 4; pass the units of the " +
          "map's own level",
      );
      refuses(
        () => conv2d(tape, store, x, weight, { ...geometry, inUnits: [0, 3] }),
        "conv2d: input units must ascend within 0..2, got [0,3]",
      );
      refuses(
        () => conv2d(tape, store, x, weight, { ...geometry, outUnits: [1, 1] }),
        "conv2d: output units must ascend within 0..2, got [1,1]",
      );
      refuses(
        () => conv2d(tape, store, x, weight, { ...geometry, outUnits: [] }),
        "conv2d: output units must ascend within 0..2, got []",
      );
      const does = (stride: number, padding: number) =>
        `conv2d: a 3x3 kernel with stride ${stride} and padding ${padding} does not fit x ` +
        "[1,2,4,8]; the padded picture must hold the kernel, and the padding be below it";
      refuses(
        () => conv2d(tape, store, x, weight, { ...geometry, padding: 0 }),
        does(1, 0),
      );
      refuses(
        () => conv2d(tape, store, x, weight, { ...geometry, padding: 3 }),
        does(1, 3),
      );
      refuses(
        () => conv2d(tape, store, x, weight, { ...geometry, stride: 0 }),
        does(0, 1),
      );
      refuses(
        () => conv2d(tape, store, x, weight, { ...geometry, add: x, stride: 2 }),
        "conv2d: add must be [1,1,2,8], got [1,2,4,8]",
      );
      refuses(
        () => conv2d(tape, store, tape.input("flat", [1, 8]), weight, geometry),
        "conv2d: flat must be [n, h, w, channels padded to a multiple of 4], got [1,8]",
      );
      store.destroy();
    },
  },
];

export const conv2dCases: OpCase[] = [
  ...denseCases,
  ...sharedCases,
  ...tiledCases,
  ...tiledSharedCases,
  ...unitCases,
  ...sharingCases,
  ...levelCases,
  ...errorCases,
];
