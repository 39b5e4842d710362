import { assertEquals, assertThrows } from "@std/assert";
import { ShapeError } from "../../nn/gpu/errors.ts";
import type { Gpu } from "../../nn/gpu/gpu.ts";
import { zeros } from "../../nn/init.ts";
import {
  COUNTER_LENGTH,
  crossEntropy,
  distillation,
  IGNORE_LABEL,
} from "../../nn/ops/cross_entropy.ts";
import { ParamStore } from "../../nn/params.ts";
import { Tape } from "../../nn/tape.ts";
import type { Tensor } from "../../nn/tensor.ts";
import * as reference from "../reference/mod.ts";
import type { OpCase } from "./harness.ts";

const { assertClose, f32Tolerance, random } = reference;

type Shape2 = readonly [n: number, m: number];

interface Target {
  labels?: Uint32Array;
  teacher?: Float64Array;
}

/** Records losses of given logits, runs them some times, and reads gradient and counters. */
async function runLosses(
  gpu: Gpu,
  shape: Shape2,
  logits: Float64Array,
  { labels, teacher }: Target,
  record: (
    tape: Tape,
    tensors: Record<"logits" | "labels" | "teacher" | "counters", Tensor>,
  ) => void,
  runs = 1,
): Promise<{ dlogits: Float32Array; counters: Float32Array }> {
  const tape = new Tape(gpu);
  const store = new ParamStore(gpu, 1);
  const state = store.state("counters", [COUNTER_LENGTH], zeros);
  await store.allocate();
  const tensors = {
    logits: tape.input("logits", shape, true),
    labels: tape.input("labels", [shape[0]]),
    teacher: tape.input("teacher", shape),
    counters: tape.state(store, state),
  };
  record(tape, tensors);
  const gradient = tape.output(tape.gradient(tensors.logits)!);
  const plan = await tape.compile("loss");
  try {
    plan.input(tensors.logits, Float32Array).set(logits);
    if (labels) plan.input(tensors.labels, Uint32Array).set(labels);
    if (teacher) plan.input(tensors.teacher, Float32Array).set(teacher);
    for (let run = 0; run < runs; run++) plan.run();
    return {
      dlogits: await plan.read(gradient),
      counters: (await store.read()).get("counters")!,
    };
  } finally {
    plan.destroy();
    store.destroy();
  }
}

const sum = (values: ArrayLike<number>) => Array.from(values).reduce((a, b) => a + b, 0);

/** exp() and log() err by some units, and more for large arguments. */
const tolerance = (m: number, magnitude = 1) => f32Tolerance(m + 8, Math.max(1, magnitude));

/** One row; ragged; more rows than lanes; rows of a whole team's columns, and of fewer; many columns. */
const SHAPES: Shape2[] = [[1, 2], [3, 5], [150, 10], [33, 8], [270, 3], [9, 203]];

const labelsOf = ([n, m]: Shape2) => Uint32Array.from({ length: n }, (_, row) => (row * 7 + 1) % m);

const agreementCases = SHAPES.flatMap((shape): OpCase[] => [
  {
    name: `crossEntropy() agrees with float64 for [${shape}]`,
    run: async (gpu) => {
      const [n, m] = shape, weight = 0.3;
      const logits = random(shape, 1).map((value) => 4 * value);
      const labels = labelsOf(shape);
      const runs = 3;
      const got = await runLosses(
        gpu,
        shape,
        logits,
        { labels },
        (tape, { logits, labels, counters }) =>
          crossEntropy(tape, logits, labels, { counters, weight }),
        runs,
      );
      const { loss, correct } = reference.softmaxCrossEntropy(
        logits,
        shape,
        labels,
      );
      assertClose(
        got.dlogits,
        reference.softmaxCrossEntropyGrad(logits, shape, labels, weight),
        f32Tolerance(m + 8, 1 / n),
      );
      // The counters go on from run to run.
      assertClose(
        [got.counters[0]!],
        [runs * sum(loss)],
        tolerance(runs * n, 4),
      );
      assertEquals([...got.counters.slice(1)], [runs * sum(correct), runs * n]);
    },
  },
  ...[1, 2, 4].map((temperature): OpCase => ({
    name: `distillation() agrees with float64 for [${shape}] at temperature ${temperature}`,
    run: async (gpu) => {
      const [n, m] = shape, weight = 0.3;
      const logits = random(shape, 1).map((value) => 4 * value);
      const teacher = random(shape, 2).map((value) => 4 * value);
      const got = await runLosses(
        gpu,
        shape,
        logits,
        { teacher },
        (tape, { logits, teacher, counters }) =>
          distillation(tape, logits, teacher, {
            counters,
            weight,
            temperature,
          }),
      );
      const loss = reference.distillation(logits, teacher, shape, temperature);
      assertClose(
        got.dlogits,
        reference.distillationGrad(logits, teacher, shape, temperature, weight),
        f32Tolerance(m + 8, 1 / n),
      );
      assertClose([got.counters[0]!], [sum(loss)], tolerance(n, 4));
      const asTeacher = Uint32Array.from({ length: n }, (_, row) => {
        const answer = [...teacher.subarray(row * m, (row + 1) * m)];
        return answer.indexOf(Math.max(...answer));
      });
      const { correct } = reference.softmaxCrossEntropy(
        logits,
        shape,
        asTeacher,
      );
      assertEquals([...got.counters.slice(1)], [sum(correct), n]);
    },
  })),
]);

export const crossEntropyCases: OpCase[] = [
  ...agreementCases,
  {
    name: "crossEntropy() and distillation() stay finite for large logits",
    run: async (gpu) => {
      const shape = [4, 3] as const;
      // deno-fmt-ignore
      const logits = Float64Array.of(
        1000, 0, -1000,
        -1e30, 0, 1e30,
        88, 89, 90,
        -500, -500, -500,
      );
      const labels = Uint32Array.of(2, 2, 0, 1);
      const hard = await runLosses(
        gpu,
        shape,
        logits,
        { labels },
        (tape, { logits, labels, counters }) => crossEntropy(tape, logits, labels, { counters }),
      );
      const { loss } = reference.softmaxCrossEntropy(logits, shape, labels);
      assertClose([hard.counters[0]!], [sum(loss)], f32Tolerance(4));
      assertClose(
        hard.dlogits,
        reference.softmaxCrossEntropyGrad(logits, shape, labels),
        f32Tolerance(8),
      );

      const student = logits.map((value) => Math.max(-2000, Math.min(2000, value)));
      const teacher = student.toReversed();
      const soft = await runLosses(
        gpu,
        shape,
        student,
        { teacher },
        (tape, { logits, teacher, counters }) =>
          distillation(tape, logits, teacher, { counters, temperature: 2 }),
      );
      const losses = reference.distillation(student, teacher, shape, 2);
      assertClose([soft.counters[0]!], [sum(losses)], f32Tolerance(12));
      assertClose(
        soft.dlogits,
        reference.distillationGrad(student, teacher, shape, 2),
        f32Tolerance(8),
      );
    },
  },
  {
    name: "crossEntropy() counts the lowest of equal logits as the answer",
    run: async (gpu) => {
      const shape = [3, 20] as const;
      // Equal logits of a row: all; two in columns that different lanes may read; two that the same may.
      const top = [[0, 1, 2, 3], [5, 12], [9, 17]];
      const logits = Float64Array.from({ length: 60 }, (_, i) => {
        const row = Math.floor(i / 20);
        return row === 0 || top[row]!.includes(i % 20) ? 2 : 1;
      });
      const { counters } = await runLosses(
        gpu,
        shape,
        logits,
        { labels: Uint32Array.of(0, 5, 17) },
        (tape, { logits, labels, counters }) => crossEntropy(tape, logits, labels, { counters }),
      );
      assertEquals([...counters.slice(1)], [2, 3]);
    },
  },
  {
    name: "crossEntropy() leaves ignored rows out of counters and gradient",
    run: async (gpu) => {
      const shape = [70, 5] as const;
      const logits = random(shape, 1);
      const labels = labelsOf(shape);
      const ignored = labels.map((label, row) => row % 3 === 0 ? IGNORE_LABEL : label);
      const got = await runLosses(
        gpu,
        shape,
        logits,
        { labels: ignored },
        (tape, { logits, labels, counters }) => crossEntropy(tape, logits, labels, { counters }),
      );
      const counts = (_: unknown, row: number) => row % 3 !== 0;
      const { loss, correct } = reference.softmaxCrossEntropy(
        logits,
        shape,
        labels,
      );
      assertClose(
        [got.counters[0]!],
        [sum(loss.filter(counts))],
        tolerance(70, 2),
      );
      assertEquals(
        [...got.counters.slice(1)],
        [sum(correct.filter(counts)), 46],
      );
      const want = reference.softmaxCrossEntropyGrad(logits, shape, labels)
        .map((value, i) => Math.floor(i / 5) % 3 === 0 ? 0 : value);
      assertClose(got.dlogits, want, f32Tolerance(13, 1 / 70));
    },
  },
  {
    name: "two losses of the same logits add their gradients",
    run: async (gpu) => {
      const shape = [3, 5] as const; // 15 elements: no multiple of 4
      const logits = random(shape, 1), teacher = random(shape, 2);
      const labels = labelsOf(shape);
      const got = await runLosses(
        gpu,
        shape,
        logits,
        { labels, teacher },
        (tape, { logits, labels, teacher, counters }) => {
          const soft = { counters, weight: 0.5, temperature: 2 };
          distillation(tape, logits, teacher, soft);
          crossEntropy(tape, logits, labels, { counters });
        },
      );
      const want = reference.add(
        reference.distillationGrad(logits, teacher, shape, 2, 0.5),
        reference.softmaxCrossEntropyGrad(logits, shape, labels),
      );
      assertClose(got.dlogits, want, f32Tolerance(13, 1 / 3));
    },
  },
  {
    name: "crossEntropy() and distillation() say what does not fit",
    run: (gpu) => {
      const tape = new Tape(gpu);
      const logits = tape.input("logits", [3, 5]);
      const labels = tape.input("labels", [4]);
      const counters = tape.input("counters", [3]);
      const short = tape.input("counters", [2]);
      const refuses = (
        work: () => unknown,
        message: string,
        type: new (message: string) => Error = ShapeError,
      ) => assertEquals(assertThrows(work, type).message, message);
      refuses(
        () => crossEntropy(tape, logits, labels, { counters }),
        "crossEntropy: logits must be [n, m], labels [3] and counters [3], got [3,5], [4] and [3]",
      );
      const soft = { counters, temperature: 2 };
      refuses(
        () => distillation(tape, logits, labels, soft),
        "distillation: logits must be [n, m], labels [3,5] and counters [3], got [3,5], [4] and [3]",
      );
      refuses(
        () => distillation(tape, logits, logits, { ...soft, counters: short }),
        "distillation: logits must be [n, m], logits [3,5] and counters [3], got [3,5], [3,5] " +
          "and [2]",
      );
      refuses(
        () => distillation(tape, logits, logits, { ...soft, temperature: 0 }),
        "distillation: temperature must be above 0, got 0",
        RangeError,
      );
      return Promise.resolve();
    },
  },
];
