import { assertEquals } from "@std/assert";
import type { Gpu } from "../../nn/gpu/gpu.ts";
import { zeros } from "../../nn/init.ts";
import { COUNTER_LENGTH, crossEntropy } from "../../nn/ops/cross_entropy.ts";
import { LossScale } from "../../nn/optim/loss_scale.ts";
import { sgd } from "../../nn/optim/sgd.ts";
import { ParamStore } from "../../nn/params.ts";
import { Tape } from "../../nn/tape.ts";
import { f32Bits } from "../../shaders/kernel.ts";
import * as reference from "../reference/mod.ts";
import { fill } from "./fill.ts";
import type { OpCase } from "./harness.ts";

const { assertClose, f32Tolerance, random } = reference;

/** Blocks of single weights, three to a chunk's edge, so that neighbours share vec4s. */
const LENGTH = 1030;
const FROZEN = 5;

interface Scaling {
  scale: number;
  clean?: number;
}

/** Updates some weights once; gradients are given as they are left in memory, scaled. */
async function update(
  gpu: Gpu,
  gradients: Float64Array,
  scaling?: Scaling,
): Promise<{ values: Float32Array; momentum: Float32Array; words: Uint32Array }> {
  const store = new ParamStore(gpu, 1);
  const layout = { taps: 1, inWidths: [1], outWidths: Array<number>(LENGTH).fill(1) };
  const blocks = Array.from({ length: LENGTH }, (_, i) => i);
  const param = store.param("w", [LENGTH], fill(random([LENGTH], 1)), { decay: true, layout });
  await store.allocate();
  store.write("w", Float32Array.from(random([LENGTH], 2)), "momentum");
  const lossScale = new LossScale(gpu);
  const { scale = 1, clean = 0 } = scaling ?? {};
  lossScale.write(Uint32Array.of(f32Bits(scale), clean, 0, 3));
  const tape = new Tape(gpu);
  tape.gradientSink(store, param, blocks);
  const hyper = tape.input("hyper", [3]);
  sgd(tape, store, hyper, {
    frozen: (_, block) => block === FROZEN,
    scaling: scaling && lossScale.tensor(tape),
  });
  const plan = await tape.compile("update");
  try {
    plan.input(hyper, Float32Array).set([0.1, 0.9, 0.01]);
    gpu.device.queue.writeBuffer(
      store.pages[0]!.gradients,
      4 * param.offset,
      Float32Array.from(gradients),
    );
    plan.run();
    return {
      values: (await store.read()).get("w")!,
      momentum: (await store.read("momentum")).get("w")!,
      words: await lossScale.read(),
    };
  } finally {
    plan.destroy();
    lossScale.destroy();
    store.destroy();
  }
}

const START = {
  values: Float32Array.from(random([LENGTH], 1)),
  momentum: Float32Array.from(random([LENGTH], 2)),
};

export const lossScaleCases: OpCase[] = [
  {
    name: "crossEntropy() scales its gradient, and not what it counts",
    run: async (gpu) => {
      const shape = [7, 5] as const;
      const logits = random(shape, 1).map((value) => 4 * value);
      const labels = Uint32Array.from({ length: 7 }, (_, row) => row % 5);
      const lossScale = new LossScale(gpu);
      lossScale.write(Uint32Array.of(f32Bits(1024), 0, 0, 0));
      const store = new ParamStore(gpu, 1);
      const state = store.state("counters", [COUNTER_LENGTH], zeros);
      await store.allocate();
      const tape = new Tape(gpu);
      const x = tape.input("logits", shape, true);
      const labelsInput = tape.input("labels", [7]);
      const counters = tape.state(store, state);
      const scaling = lossScale.tensor(tape);
      crossEntropy(tape, x, labelsInput, { counters, weight: 0.5, scaling });
      const gradient = tape.output(tape.gradient(x)!);
      const plan = await tape.compile("loss");
      try {
        plan.input(x, Float32Array).set(logits);
        plan.input(labelsInput, Uint32Array).set(labels);
        plan.run();
        const want = reference.softmaxCrossEntropyGrad(logits, shape, labels, 0.5 * 1024);
        assertClose(await plan.read(gradient), want, f32Tolerance(13, 1024 / 7));
        const [loss] = (await store.read()).get("counters")!;
        const losses = reference.softmaxCrossEntropy(logits, shape, labels).loss;
        assertClose([loss!], [losses.reduce((a, b) => a + b)], f32Tolerance(20, 4));
      } finally {
        plan.destroy();
        store.destroy();
        lossScale.destroy();
      }
    },
  },
  {
    name: "sgd() of scaled gradients is that of the unscaled ones, bit for bit",
    run: async (gpu) => {
      const gradients = random([LENGTH], 3);
      const plain = await update(gpu, gradients);
      const scaled = await update(gpu, gradients.map((g) => 4096 * g), { scale: 4096 });
      assertEquals(scaled.values, plain.values);
      assertEquals(scaled.momentum, plain.momentum);
      assertEquals([...scaled.words], [f32Bits(4096), 1, 0, 3]);
    },
  },
  ...[Infinity, -Infinity, NaN].map((bad): OpCase => ({
    name: `sgd() changes nothing but the loss scale for a gradient of ${bad}`,
    run: async (gpu) => {
      for (const at of [0, FROZEN + 1, 777, LENGTH - 1]) {
        const gradients = random([LENGTH], 3);
        gradients[at] = bad;
        const got = await update(gpu, gradients, { scale: 4096, clean: 70 });
        assertEquals(got.values, START.values);
        assertEquals(got.momentum, START.momentum);
        assertEquals([...got.words], [f32Bits(2048), 0, 0, 4]);
      }
      // What is not updated has no say.
      const gradients = random([LENGTH], 3);
      gradients[FROZEN] = bad;
      const got = await update(gpu, gradients, { scale: 4096, clean: 70 });
      assertEquals([...got.words], [f32Bits(4096), 71, 0, 3]);
    },
  })),
  {
    name: "the loss scale doubles after 2000 clean steps, and keeps within its bounds",
    run: async (gpu) => {
      const gradients = random([LENGTH], 3);
      const after = async (
        scaling: Scaling,
        at = gradients,
      ) => [...(await update(gpu, at, scaling)).words.subarray(0, 2)];
      assertEquals(await after({ scale: 4096, clean: 1998 }), [f32Bits(4096), 1999]);
      assertEquals(await after({ scale: 4096, clean: 1999 }), [f32Bits(8192), 0]);
      assertEquals(await after({ scale: 2 ** 24, clean: 1999 }), [f32Bits(2 ** 24), 0]);
      const bad = gradients.with(9, Infinity);
      assertEquals(await after({ scale: 1 }, bad), [f32Bits(1), 0]);
    },
  },
];
