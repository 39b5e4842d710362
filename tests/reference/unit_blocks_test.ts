import { assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { assertClose } from "./assert_close.ts";
import { conv2d, conv2dDw, conv2dDx } from "./conv2d.ts";
import { dot } from "./numerical_grad.ts";
import { random } from "./random.ts";
import type { Shape4 } from "./shape.ts";
import {
  activeChannels,
  gatherBlocks,
  maskedBlocks,
  placeChannels,
  scatterBlocks,
  selectChannels,
} from "./unit_blocks.ts";

const ROUNDING = { rtol: 1e-12, atol: 1e-12 };
const sum = (values: number[]) => values.reduce((a, b) => a + b, 0);

/** One to four units of one to three channels, and a choice of them. */
const side = fc.array(fc.integer({ min: 1, max: 3 }), {
  minLength: 1,
  maxLength: 4,
})
  .chain((widths) =>
    fc.record({
      widths: fc.constant(widths),
      units: fc.subarray([...widths.keys()], { minLength: 1 }),
    })
  );
const cut = fc.record({
  outs: side,
  ins: side,
  kernel: fc.constantFrom(1, 3),
  seed: fc.nat(),
}).map(({ outs, ins, kernel, seed }) => ({
  layout: {
    taps: kernel * kernel,
    inWidths: ins.widths,
    outWidths: outs.widths,
  },
  outUnits: outs.units,
  inUnits: ins.units,
  kernel,
  seed,
  ci: sum(ins.widths),
  co: sum(outs.widths),
}));

Deno.test("gatherBlocks() picks values as laid out on paper", () => {
  // Two taps; input units of 2 and 1 channels, output units of 1 and 2. Value ABCDE means
  // out unit A, in unit B, tap C, its channel D in, its channel E out.
  const layout = { taps: 2, inWidths: [2, 1], outWidths: [1, 2] };
  const flat = Float64Array.from([
    ...[1_11_11, 1_11_21, 1_12_11, 1_12_21], // block (1, 1)
    ...[1_21_11, 1_22_11], // block (1, 2)
    ...[2_11_11, 2_11_12, 2_11_21, 2_11_22, 2_12_11, 2_12_12, 2_12_21, 2_12_22],
    ...[2_21_11, 2_21_12, 2_22_11, 2_22_12],
  ]);
  assertEquals(
    [...gatherBlocks(flat, layout, [0, 1], [0, 1])],
    [
      ...[1_11_11, 2_11_11, 2_11_12], // tap 1, input channel 1
      ...[1_11_21, 2_11_21, 2_11_22],
      ...[1_21_11, 2_21_11, 2_21_12],
      ...[1_12_11, 2_12_11, 2_12_12],
      ...[1_12_21, 2_12_21, 2_12_22],
      ...[1_22_11, 2_22_11, 2_22_12],
    ],
  );
  assertEquals(
    [...gatherBlocks(flat, layout, [1], [1])],
    [2_21_11, 2_21_12, 2_22_11, 2_22_12], // the whole block, as stored
  );
});

Deno.test("gatherBlocks() and scatterBlocks() are adjoint", () => {
  fc.assert(fc.property(cut, ({ layout, outUnits, inUnits, seed, ci, co }) => {
    const flat = random([layout.taps, ci, co], seed);
    const dense = gatherBlocks(flat, layout, outUnits, inUnits);
    const y = random([dense.length], seed + 1);
    const scattered = new Float64Array(flat.length);
    scatterBlocks(y, layout, outUnits, inUnits, scattered);
    assertClose([dot(dense, y)], [dot(flat, scattered)], ROUNDING);
  }));
});

Deno.test("scatterBlocks() adds, and to the active blocks only", () => {
  fc.assert(fc.property(cut, ({ layout, outUnits, inUnits, seed, ci, co }) => {
    const before = random([layout.taps, ci, co], seed);
    const after = before.slice();
    const dense = gatherBlocks(before, layout, outUnits, inUnits);
    scatterBlocks(dense, layout, outUnits, inUnits, after);
    const doubled = gatherBlocks(after, layout, outUnits, inUnits);
    assertEquals(doubled, dense.map((value) => 2 * value));
    const changed = after.filter((value, i) => value !== before[i]).length;
    assertEquals(
      changed,
      before.length === 0 ? 0 : dense.filter((v) => v !== 0).length,
    );
  }));
});

Deno.test("a convolution of the active units is the masked one", () => {
  fc.assert(
    fc.property(cut, ({ layout, outUnits, inUnits, kernel, seed, ci, co }) => {
      const conv = { kernel, stride: 1 + seed % 2, padding: (kernel - 1) / 2 };
      const shape: Shape4 = [2, 3, 4, ci];
      const ins = activeChannels(layout.inWidths, inUnits);
      const outs = activeChannels(layout.outWidths, outUnits);
      const cutShape: Shape4 = [2, 3, 4, ins.length];
      const flat = random([layout.taps, ci, co], seed),
        x = random(shape, seed + 1);

      const masked = maskedBlocks(flat, layout, outUnits, inUnits);
      const full = conv2d(x, shape, masked, { ...conv, co });
      const dense = gatherBlocks(flat, layout, outUnits, inUnits);
      const xs = selectChannels(x, ci, ins);
      const y = conv2d(xs, cutShape, dense, { ...conv, co: outs.length });
      assertClose(y, selectChannels(full, co, outs), ROUNDING);
      assertClose(placeChannels(y, co, outs), full, ROUNDING); // inactive outputs are 0

      const dy = random([y.length], seed + 2),
        dfull = placeChannels(dy, co, outs);
      assertClose(
        placeChannels(
          conv2dDx(dy, cutShape, dense, { ...conv, co: outs.length }),
          ci,
          ins,
        ),
        conv2dDx(dfull, shape, masked, { ...conv, co }),
        ROUNDING,
      );
      const dw = conv2dDw(dy, cutShape, xs, { ...conv, co: outs.length });
      const dflat = new Float64Array(flat.length);
      scatterBlocks(dw, layout, outUnits, inUnits, dflat);
      const all = (widths: number[]) => [...widths.keys()];
      const dmasked = conv2dDw(dfull, shape, placeChannels(xs, ci, ins), {
        ...conv,
        co,
      });
      assertClose(
        gatherBlocks(
          dflat,
          layout,
          all(layout.outWidths),
          all(layout.inWidths),
        ),
        dmasked,
        ROUNDING,
      );
    }),
  );
});

Deno.test("units must exist and ascend", () => {
  assertEquals(activeChannels([2, 1, 3], [0, 2]), [0, 1, 3, 4, 5]);
  for (const units of [[1, 0], [0, 0], [2], [-1]]) {
    assertThrows(
      () => activeChannels([2, 1], units),
      RangeError,
      `got [${units}]`,
    );
  }
  const layout = { taps: 1, inWidths: [1], outWidths: [2] };
  const one = new Float64Array(1), two = new Float64Array(2);
  assertThrows(
    () => gatherBlocks(one, layout, [0], [0]),
    RangeError,
    "flat must hold the 2",
  );
  assertThrows(
    () => scatterBlocks(one, layout, [0], [0], two),
    RangeError,
    "dense must hold the 2",
  );
});
