import { assertEquals, assertThrows } from "@std/assert";
import { ShapeError } from "../../nn/gpu/errors.ts";
import { add } from "../../nn/ops/elementwise.ts";
import { shortcut } from "../../nn/ops/shortcut.ts";
import { Tape } from "../../nn/tape.ts";
import * as reference from "../reference/mod.ts";
import { type OpCase, runOp } from "./harness.ts";

const { assertClose, f32Tolerance, random } = reference;

const SHAPES: { shape: reference.Shape4; sources: number[]; stride: 1 | 2 }[] = [
  { shape: [1, 1, 1, 1], sources: [0], stride: 1 },
  { shape: [2, 3, 5, 3], sources: [0, 1, 2, -1, -1], stride: 1 },
  { shape: [1, 3, 1, 3], sources: [2, 2, -1, 0, 2], stride: 1 }, // one source, three times
  { shape: [1, 2, 2, 1], sources: [0, -1], stride: 2 },
  { shape: [3, 6, 4, 5], sources: [0, 1, -1, 2, 3, 4, -1, -1], stride: 2 },
  { shape: [2, 8, 8, 12], sources: [...Array(12).keys()], stride: 2 },
  // All in aligned fours: once more, moved, none, one twice.
  { shape: [2, 4, 6, 8], sources: [4, 5, 6, 7, -1, -1, -1, -1, 0, 1, 2, 3], stride: 2 },
  { shape: [1, 3, 5, 8], sources: [4, 5, 6, 7, 4, 5, 6, 7, -1, -1, -1, -1], stride: 1 },
];

export const shortcutCases: OpCase[] = [
  ...SHAPES.map(({ shape, sources, stride }): OpCase => ({
    name: `shortcut() agrees with float64 for s${stride} [${shape}] by [${sources}]`,
    run: async (gpu) => {
      const map = Int32Array.from(sources);
      const outShape = reference.shortcutShape(shape, map, stride);
      const x = random(shape, 1), dy = random(outShape, 2);
      const got = await runOp(gpu, {
        inputs: { x: { shape, values: x } },
        record: (tape, { x }) => shortcut(tape, x, sources, stride),
        dy: { shape: outShape, values: dy },
      });
      const terms = stride * stride;
      assertClose(
        got.y,
        reference.shortcut(x, shape, map, stride),
        f32Tolerance(terms),
      );
      const uses = Math.max(
        ...sources.map((s) => sources.filter((other) => other === s).length),
      );
      assertClose(
        got.dx.x,
        reference.shortcutGrad(dy, shape, map, stride),
        f32Tolerance(uses),
      );
    },
  })),
  {
    name: "shortcut() adds its gradient to those of the input's other uses",
    run: async (gpu) => {
      const shape: reference.Shape4 = [1, 4, 2, 5],
        map = Int32Array.of(4, 3, 2, 1, 0);
      const dy = random(shape, 2);
      const got = await runOp(gpu, {
        inputs: { x: { shape, values: random(shape, 1) } },
        record: (tape, { x }) => {
          return add(
            tape,
            shortcut(tape, x, map, 1),
            shortcut(tape, x, [0, 1, 2, 3, 4], 1),
          );
        },
        dy: { shape, values: dy },
      });
      const reversed = reference.shortcutGrad(dy, shape, map, 1);
      assertClose(got.dx.x, reference.add(reversed, dy), f32Tolerance(2));
    },
  },
  {
    name: "shortcut() refuses odd sides and missing channels",
    run: (gpu) => {
      const tape = new Tape(gpu);
      const x = tape.input("x", [1, 3, 4, 4]);
      const rule = "shortcut: x must be [n, h, w, ci] with h and w multiples of the stride";
      const refuses = (
        sources: number[],
        stride: number,
        message: string,
      ) =>
        assertEquals(
          assertThrows(() => shortcut(tape, x, sources, stride), ShapeError)
            .message,
          message,
        );
      refuses([0], 2, `${rule} 2 and sources in [-1, ci), got [1,3,4,4]`);
      refuses(
        [0, 4],
        1,
        `${rule} 1 and sources in [-1, ci), got [1,3,4,4] and source 4`,
      );
      refuses(
        [-2],
        1,
        `${rule} 1 and sources in [-1, ci), got [1,3,4,4] and source -2`,
      );
      return Promise.resolve();
    },
  },
];
