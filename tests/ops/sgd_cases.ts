import { assert, assertEquals } from "@std/assert";
import type { Gpu } from "../../nn/gpu/gpu.ts";
import { type BlockLayout, blockRange, type Param, ParamStore } from "../../nn/params.ts";
import { sgd } from "../../nn/optim/sgd.ts";
import { Tape } from "../../nn/tape.ts";
import * as reference from "../reference/mod.ts";
import { fill } from "./fill.ts";
import type { OpCase } from "./harness.ts";

const { assertClose, f32Tolerance, random } = reference;

interface Declared {
  name: string;
  length: number;
  decay: boolean;
  layout?: BlockLayout;
  /** Blocks that a loss touches; default: the only one. None: the parameter is untouched. */
  blocks?: number[];
}

interface SgdRun {
  params: Declared[];
  frozen?: (param: Param, block: number) => boolean;
  hyper: reference.Sgd;
  steps: number;
  /** Of the store; default: one page. */
  pageBytes?: number;
}

const hyperOf = (decay: number): reference.Sgd => ({
  learningRate: 0.1,
  momentum: 0.9,
  weightDecay: decay,
});

const startOf = ({ length }: Declared, index: number) => random([length], 10 + index);
const momentumOf = ({ length }: Declared, index: number) => random([length], 20 + index);
const gradientOf = ({ length }: Declared, index: number, step: number) =>
  random([length], 100 * (step + 1) + index);

/** Writes gradients by hand, updates, and reads all values and momenta after the last step. */
async function runSgd(
  gpu: Gpu,
  { params, frozen, hyper, steps, pageBytes }: SgdRun,
) {
  const store = new ParamStore(gpu, 1, pageBytes);
  const declared = params.map((param, i) => {
    const { name, length, decay, layout } = param;
    const init = fill(startOf(param, i));
    return store.param(name, [length], init, { decay, layout });
  });
  await store.allocate();
  const tape = new Tape(gpu);
  declared.forEach((param, i) => {
    const { blocks = [0] } = params[i]!;
    if (blocks.length) tape.gradientSink(store, param, blocks);
    const start = Float32Array.from(momentumOf(params[i]!, i));
    store.write(param.name, start, "momentum");
  });
  const settings = tape.input("hyper", [3]);
  sgd(tape, store, settings, { frozen });
  const plan = await tape.compile("sgd");
  try {
    const { learningRate, momentum, weightDecay } = hyper;
    plan.input(settings, Float32Array).set([
      learningRate,
      momentum,
      weightDecay,
    ]);
    for (let step = 0; step < steps; step++) {
      declared.forEach(({ page, offset }, i) => {
        gpu.device.queue.writeBuffer(
          store.pages[page]!.gradients,
          4 * offset,
          Float32Array.from(gradientOf(params[i]!, i, step)),
        );
      });
      plan.run();
    }
    return {
      pages: store.pages.length,
      values: await store.read(),
      momentum: await store.read("momentum"),
    };
  } finally {
    plan.destroy();
    store.destroy();
  }
}

/** Compares a parameter with float64 where `updates`, and with its first bits elsewhere. */
function check(
  got: Awaited<ReturnType<typeof runSgd>>,
  param: Declared,
  index: number,
  { hyper, steps }: SgdRun,
  updates: (i: number) => boolean = () => true,
) {
  const start = startOf(param, index), first = momentumOf(param, index);
  let weights: Float64Array = start, velocity: Float64Array = first;
  for (let step = 0; step < steps; step++) {
    ({ weights, velocity } = reference.sgd(
      weights,
      velocity,
      gradientOf(param, index, step),
      { ...hyper, weightDecay: param.decay ? hyper.weightDecay : 0 },
    ));
  }
  const values = got.values.get(param.name)!;
  const momentum = got.momentum.get(param.name)!;
  const tolerance = f32Tolerance(4 * steps);
  const moved = [...values.keys()].filter(updates);
  const kept = [...values.keys()].filter((i) => !updates(i));
  const pick = (array: ArrayLike<number>, indices: number[]) => indices.map((i) => array[i]!);
  if (moved.length) {
    assertClose(pick(values, moved), pick(weights, moved), tolerance);
    assertClose(pick(momentum, moved), pick(velocity, moved), tolerance);
  }
  assertEquals(pick(values, kept), pick(start, kept));
  assertEquals(pick(momentum, kept), pick(first, kept));
}

const plain = (name: string, length: number, decay = true): Declared => ({
  name,
  length,
  decay,
});

export const sgdCases: OpCase[] = [
  {
    name: "sgd() agrees with float64: momentum, and decay where it applies",
    run: async (gpu) => {
      const params = [
        plain("one", 1),
        plain("ragged", 67, false),
        plain("chunks", 3 * 1024 + 5), // more than one workgroup takes
        plain("last", 64, false),
      ];
      const run = { params, hyper: hyperOf(5e-2), steps: 3 };
      const got = await runSgd(gpu, run);
      params.forEach((param, i) => check(got, param, i, run));
    },
  },
  {
    name: "sgd() without momentum and decay is plain descent",
    run: async (gpu) => {
      const params = [plain("weights", 10)];
      const hyper = { learningRate: 0.5, momentum: 0, weightDecay: 0 };
      const run = { params, hyper, steps: 1 };
      check(await runSgd(gpu, run), params[0]!, 0, run);
    },
  },
  {
    name: "sgd() keeps the bits of frozen blocks and of untouched parameters, value and momentum",
    run: async (gpu) => {
      const layout = { taps: 9, inWidths: [1, 3], outWidths: [5, 2] };
      const params: Declared[] = [
        { ...plain("first", 9 * 4 * 7), layout, blocks: [0, 1, 2, 3] },
        { ...plain("untouched", 33), blocks: [] },
        { ...plain("second", 9 * 4 * 7), layout, blocks: [0, 2, 3] },
        plain("third", 5),
      ];
      const isFrozen = (name: string, block: number) =>
        name === "third" || (name === "first" && [1, 2].includes(block));
      const run = {
        params,
        hyper: hyperOf(5e-2),
        steps: 20,
        frozen: ({ name }: Param, block: number) => isFrozen(name, block),
      };
      const got = await runSgd(gpu, run);
      params.forEach((param, i) => {
        const { name, layout, blocks = [0] } = param;
        const updated = blocks.filter((block) => !isFrozen(name, block)).map(
          (block) =>
            layout
              ? blockRange(layout, Math.floor(block / 2), block % 2)
              : { start: 0, length: param.length },
        );
        check(
          got,
          param,
          i,
          run,
          (at) => updated.some(({ start, length }) => at >= start && at < start + length),
        );
      });
      assert(got.momentum.get("first")!.some((value) => value !== 0));
    },
  },
  {
    name: "sgd() updates blocks of single weights around frozen ones",
    run: async (gpu) => {
      // Blocks of 1 or 2 floats: up to four in what a lane reads and writes at once.
      const inWidths = [1, 2, 1, 1, 1, 2], outWidths = [1, 1, 1, 1, 1, 1, 1];
      const layout = { taps: 1, inWidths, outWidths };
      const blocks = [...Array(inWidths.length * outWidths.length).keys()];
      const param = { ...plain("weights", 8 * 7), layout, blocks };
      const run = {
        params: [param],
        hyper: hyperOf(5e-2),
        steps: 8,
        frozen: (_: Param, block: number) => block % 2 === 1,
      };
      const got = await runSgd(gpu, run);
      const updated = new Set(
        blocks.filter((block) => block % 2 === 0).flatMap((block) => {
          const { start, length } = blockRange(
            layout,
            Math.floor(block / inWidths.length),
            block % inWidths.length,
          );
          return Array.from({ length }, (_, i) => start + i);
        }),
      );
      check(got, param, 0, run, (at) => updated.has(at));
    },
  },
  {
    name: "sgd() updates every page of an arena that is paged",
    run: async (gpu) => {
      const params = [100, 90, 256, 1, 70, 64].map((length, i) =>
        plain(`param${i}`, length, i % 2 === 0)
      );
      const run = {
        params,
        hyper: hyperOf(5e-2),
        steps: 2,
        pageBytes: 1024,
      };
      const got = await runSgd(gpu, run);
      assertEquals(got.pages, 3); // of 256 floats: 100 and 90; 256; 1, 70 and 64
      params.forEach((param, i) => check(got, param, i, run));
    },
  },
];
