import { assert, assertEquals, AssertionError } from "@std/assert";
import type { Gpu } from "../../nn/gpu/gpu.ts";
import type { Tuning } from "../../nn/gpu/tuning.ts";
import { padChannels } from "../../nn/ops/channels.ts";
import { ParamStore } from "../../nn/params.ts";
import { Tape } from "../../nn/tape.ts";
import { elementwiseKernel } from "../../shaders/elementwise.ts";
import { type Format, type Tensor, wholeOf } from "../../nn/tensor.ts";
import { checkLength, type Shape, size } from "../reference/shape.ts";

/** A test of an op that runs in Deno and in a browser alike: it may use web standards only. */
export interface OpCase {
  name: string;
  run: (gpu: Gpu) => Promise<void>;
  /** Slow to compile, and other cases run what GPUs would of it: browsers run it as they are tuned alone. */
  onceInBrowsers?: boolean;
}

/** Runs a case, and fails it for what WebGPU found wrong but did not throw. */
export async function runCase({ run }: OpCase, gpu: Gpu): Promise<void> {
  await run(gpu);
  await gpu.settle();
}

/** Whether `deno test --filter` would pick a test of this name: a part of it, or a `/pattern/`. */
export function matches(filter: string, name: string): boolean {
  const pattern = /^\/(.*)\/$/.exec(filter);
  return pattern ? new RegExp(pattern[1]!).test(name) : name.includes(filter);
}

/** Runs what records ops with one algorithm, wherever there is a choice. */
export async function preferring<T>(
  { tuning }: Gpu,
  algorithm: NonNullable<Tuning["prefer"]>,
  work: () => Promise<T>,
): Promise<T> {
  const before = tuning.prefer;
  tuning.prefer = algorithm;
  try {
    return await work();
  } finally {
    tuning.prefer = before;
  }
}

/** An array as the references have it: dense, its padding left out. */
export interface Operand {
  shape: Shape;
  values: Float64Array;
  /** Its channels are stored padded to a multiple of 4. Default: those of maps, [n, h, w, c], are. */
  padded?: boolean;
}

/** One op to run forward and backward. `Names` are its inputs, `Declared` its parameters and states. */
export interface OpRun<Names extends string, Declared> {
  inputs: Record<Names, Operand>;
  /** Declares parameters and states, with their values. */
  declare?: (store: ParamStore) => Declared;
  record: (
    tape: Tape,
    inputs: Record<Names, Tensor>,
    declared: Declared,
    store: ParamStore,
  ) => Tensor;
  /** Gradient of the result, which has its shape. */
  dy: Operand;
  /** Default: true. If not, `dy` tells the shape alone, and there are no gradients. */
  backward?: boolean;
  /** Default: 1. Gradients are those of the last run. */
  runs?: number;
  /** How maps are stored, the inputs and the gradient of the result among them. Default: "f32". */
  mapFormat?: Format;
}

export interface OpResult<Names extends string> {
  y: Float32Array;
  /** Gradient of each input. */
  dx: Record<Names, Float32Array>;
  /** Gradient of each parameter, by its name. */
  gradients: Map<string, Float32Array>;
  /** Each parameter and state after the run, by its name. */
  values: Map<string, Float32Array>;
}

/**
 * Records an op, runs it forward and backward, and reads everything back.
 *
 * What it returns is dense: padding is taken off, and must hold zeros.
 */
export async function runOp<const Names extends string, Declared = undefined>(
  gpu: Gpu,
  { inputs, declare, record, dy, backward = true, runs = 1, mapFormat }: OpRun<
    Names,
    Declared
  >,
): Promise<OpResult<Names>> {
  const names = Object.keys(inputs) as Names[];
  const tape = new Tape(gpu, mapFormat);
  const store = new ParamStore(gpu, 1);
  const declared = declare?.(store) as Declared;
  await store.allocate();
  const filled = mapNames(
    names,
    (name) => tape.input(name, storedShape(inputs[name]), backward),
  );
  const x = mapNames(names, (name) => stored(tape, filled[name]));
  const y = tape.output(record(tape, x, declared, store));
  assertEquals(y.shape, storedShape(dy), "the shape of the result");
  const seed = tape.input("dy", y.shape);
  if (backward) {
    tape.setGradient(y, stored(tape, seed));
    tape.backward();
  }
  const differentiated = backward ? names : [];
  const dx = mapNames(differentiated, (name) => {
    const gradient = tape.gradient(x[name]);
    if (!gradient) throw new AssertionError(`no gradient reached ${name}`);
    return tape.output(gradient);
  });
  const plan = await tape.compile("op");
  try {
    for (const name of names) {
      plan.input(filled[name], Float32Array).set(pad(inputs[name]));
    }
    // An op that only passes the gradient on, such as add(), hands over the very tensor.
    const seeded = tape.dispatches.some(({ tensors }) => tensors.map(wholeOf).includes(seed));
    if (seeded) plan.input(seed, Float32Array).set(pad(dy));
    for (let run = 0; run < runs; run++) plan.run();
    const result = {
      y: unpad("y", await plan.read(y), dy),
      dx: {} as OpResult<Names>["dx"],
    };
    for (const name of differentiated) {
      const stored = dx[name] === seed ? pad(dy) : await plan.read(dx[name]);
      result.dx[name] = unpad(`gradient of ${name}`, stored, inputs[name]);
    }
    const gradients = await store.read("gradients");
    return { ...result, gradients, values: await store.read() };
  } finally {
    plan.destroy();
    store.destroy();
  }
}

/** An input, which the CPU fills with 32-bit floats, as the tape's maps are stored. */
function stored(tape: Tape, input: Tensor): Tensor {
  if (tape.mapFormat === "f32" || input.shape.length < 4) return input;
  const zeros = tape.constant("zeros", new Float32Array(size(input.shape)));
  const { y } = tape.run(elementwiseKernel, { a: input, b: zeros }, { y: input.shape }, {
    op: "add",
  });
  y.needsGradient = input.needsGradient;
  return y;
}

function mapNames<Names extends string, T>(
  names: Names[],
  make: (name: Names) => T,
) {
  return Object.fromEntries(names.map((name) => [name, make(name)])) as Record<
    Names,
    T
  >;
}

function storedShape({ shape, padded = shape.length === 4 }: Operand): Shape {
  return padded ? [...shape.slice(0, -1), padChannels(shape.at(-1)!)] : shape;
}

/** Adds the padding, filled with zeros. */
function pad(operand: Operand): Float32Array {
  const { shape, values } = operand;
  checkLength("operand", values, shape);
  const channels = shape.at(-1)!, stride = storedShape(operand).at(-1)!;
  const stored = new Float32Array(size(storedShape(operand)));
  values.forEach((value, i) => {
    stored[Math.floor(i / channels) * stride + i % channels] = value;
  });
  return stored;
}

/** Takes the padding off, and checks that it is zero. */
function unpad(
  name: string,
  stored: Float32Array,
  operand: Operand,
): Float32Array {
  const channels = operand.shape.at(-1)!, stride = storedShape(operand).at(-1)!;
  assertEquals(stored.length, size(storedShape(operand)), `length of ${name}`);
  const dirty = stored.findIndex((value, i) => i % stride >= channels && value !== 0);
  assert(dirty < 0, `${name}: its padding holds ${stored[dirty]} at ${dirty}`);
  return stored.filter((_, i) => i % stride < channels);
}
