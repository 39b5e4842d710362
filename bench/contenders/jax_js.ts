/**
 * jax-js: NCHW, the only order that its convolution has; each op and each step is one `jit`.
 *
 * Not imported by name, so that neither type checks nor deno.lock pull it in.
 *
 * @module
 */
import type { Contender, Job } from "../contender.ts";
import type { Work } from "../workloads.ts";
import {
  augmentOnCpu,
  blocksOf,
  crops,
  IMAGE,
  images,
  initialValues,
  type Parameter,
  parametersOf,
  TRAINING,
  WHOLE,
  type Wrn,
} from "../wrn.ts";
import { JAX_JS } from "../packages.ts";
import { OP_SEEDS, rootMeanSquare } from "./operands.ts";
import { uniform } from "../wrn.ts";

/** Of `jax.Array`; each use consumes one reference. */
interface Tensor {
  readonly ref: Tensor;
  readonly shape: number[];
  add(other: Tensor | number): Tensor;
  sub(other: Tensor | number): Tensor;
  mul(other: Tensor | number): Tensor;
  div(other: Tensor | number): Tensor;
  sum(axis?: number | number[]): Tensor;
  mean(axis?: number | number[], options?: { keepdims: boolean }): Tensor;
  reshape(shape: number[]): Tensor;
  transpose(axes: number[]): Tensor;
  slice(index: number): Tensor;
  data(): Promise<Float32Array>;
  dispose(): void;
}

/** Nested arrays of tensors. */
type Tree = Tensor | Tree[];

/** The part of the package that is used. */
interface Jax {
  init(device: "webgpu"): Promise<string[]>;
  defaultDevice(device: "webgpu"): void;
  getWebGPUDevice(): GPUDevice;
  blockUntilReady(tree: Tree): Promise<void>;
  jit<F>(f: F): F;
  vjp(f: (...primals: Tensor[]) => Tensor, primals: Tensor[]): [Tensor, (dy: Tensor) => Tensor[]];
  valueAndGrad(
    f: (parameters: Tensor[]) => [Tensor, Tensor[]],
    options: { hasAux: true },
  ): (parameters: Tensor[]) => [[Tensor, Tensor[]], Tensor[]];
  numpy: {
    array(values: Float32Array | Int32Array): Tensor;
    matmul(a: Tensor, b: Tensor): Tensor;
    sqrt(x: Tensor): Tensor;
    pad(x: Tensor, width: [number, number][]): Tensor;
  };
  lax: {
    convGeneralDilated(
      x: Tensor,
      weight: Tensor,
      strides: number[],
      padding: [number, number][],
    ): Tensor;
  };
  nn: {
    relu(x: Tensor): Tensor;
    logSoftmax(x: Tensor, axis: number): Tensor;
    oneHot(labels: Tensor, classes: number): Tensor;
  };
}

let jax: Jax;

export async function open(): Promise<Contender> {
  jax = await import(JAX_JS);
  const devices = await jax.init("webgpu");
  if (!devices.includes("webgpu")) throw new Error(`jax-js offers ${devices}, and no webgpu`);
  jax.defaultDevice("webgpu");
  const { adapterInfo } = jax.getWebGPUDevice();
  return {
    about: {
      contender: "jax-js",
      version: JAX_JS.split("@").at(-1)!,
      adapter: adapterInfo.description || `${adapterInfo.vendor} ${adapterInfo.architecture}`,
      software: adapterInfo.isFallbackAdapter,
    },
    prepare(work) {
      switch (work.op) {
        case "matmul":
        case "conv":
        case "batchNorm":
          return opJob(work);
        case "train":
          // Both compute in the format that arrays are stored in.
          if (work.activations === "f16") return Promise.resolve(undefined);
          return trainJob(work.net, work.batch);
        case "infer":
          return inferJob(work.net, work.batch);
        default:
          return Promise.resolve(undefined);
      }
    },
  };
}

/** Results that may wait: they cannot be given up before they are computed. */
const MOST_WAITING = 32;

/** A job that makes a tensor with no memory of the last. */
function functionJob(run: () => Tensor): Job {
  let waiting: Tensor[] = [];
  const settle = async () => {
    await jax.blockUntilReady(waiting);
    for (const tensor of waiting) tensor.dispose();
    waiting = [];
  };
  return {
    async run() {
      waiting.push(run());
      if (waiting.length >= MOST_WAITING) await settle();
    },
    settle,
    check: async () => rootMeanSquare(await run().data()),
    release: () => {},
  };
}

async function opJob(work: Extract<Work, { op: "matmul" | "conv" | "batchNorm" }>): Promise<Job> {
  switch (work.op) {
    case "matmul": {
      const [x, weight] = await upload(
        random([work.size, work.size], OP_SEEDS.x),
        random([work.size, work.size], OP_SEEDS.weight),
      );
      const f = jax.jit(jax.numpy.matmul);
      return functionJob(() => f(x!.ref, weight!.ref));
    }
    case "conv": {
      const { pass, batch, size, ci, co, kernel, stride } = work;
      const [x, weight, dy] = await upload(
        toNchw(random([batch, size, size, ci], OP_SEEDS.x)),
        toOihw(random([kernel, kernel, ci, co], OP_SEEDS.weight)),
        toNchw(random([batch, size / stride, size / stride, co], OP_SEEDS.dy)),
      );
      const conv = (x: Tensor, weight: Tensor) => convolution(x, weight, stride);
      if (pass === "forward") {
        const f = jax.jit(conv);
        return functionJob(() => f(x!.ref, weight!.ref));
      }
      // The convolution's own value is not asked for, and jit leaves it out.
      const f = jax.jit((x: Tensor, weight: Tensor, dy: Tensor) => {
        const [wanted, other] = pass === "dx" ? [x, weight] : [weight, x];
        const [y, gradient] = jax.vjp(
          (wanted) => pass === "dx" ? conv(wanted, other) : conv(other, wanted),
          [wanted],
        );
        y.dispose();
        return gradient(dy)[0]!;
      });
      return functionJob(() => f(x!.ref, weight!.ref, dy!.ref));
    }
    case "batchNorm": {
      const { pass, batch, size, channels } = work;
      const shape = [batch, size, size, channels];
      const [x, affine, dy] = await upload(
        toNchw(random(shape, OP_SEEDS.x)),
        jax.numpy.array(new Float32Array(2 * channels).fill(1, 0, channels))
          .reshape([2, channels]),
        toNchw(random(shape, OP_SEEDS.dy)),
      );
      const forward = (x: Tensor, affine: Tensor) => {
        const [y, ...statistics] = batchNorm(x, affine);
        return [jax.nn.relu(y), ...statistics];
      };
      if (pass === "forward") {
        const f = jax.jit(forward);
        return functionJob(() => {
          const [y, mean, variance] = f(x!.ref, affine!.ref);
          mean!.dispose();
          variance!.dispose();
          return y!;
        });
      }
      const f = jax.jit((x: Tensor, affine: Tensor, dy: Tensor) => {
        const [y, gradient] = jax.vjp((x, affine) => {
          const [y, mean, variance] = forward(x!, affine!);
          mean!.dispose();
          variance!.dispose();
          return y!;
        }, [x, affine]);
        return [y, ...gradient(dy)];
      });
      return functionJob(() => {
        const [y, dx, daffine] = f(x!.ref, affine!.ref, dy!.ref);
        y!.dispose();
        daffine!.dispose();
        return dx!;
      });
    }
  }
}

/** A step is one function of parameters, momenta, running statistics, images and labels. */
async function trainJob(net: Wrn, batch: number): Promise<Job> {
  const { learningRate, momentum, weightDecay } = TRAINING;
  const step = jax.jit((
    parameters: Tensor[],
    momenta: Tensor[],
    running: Tensor[],
    images: Tensor,
    labels: Tensor,
  ) => {
    const [[loss, statistics], gradients] = jax.valueAndGrad(
      (parameters) => {
        const { logits, statistics } = forward(net, parameters, images);
        const targets = jax.nn.oneHot(labels, net.classes);
        return [jax.nn.logSoftmax(logits, -1).mul(targets).sum().div(-batch), statistics];
      },
      { hasAux: true },
    )(parameters.map(({ ref }) => ref));
    const velocities: Tensor[] = [];
    const values = parameters.map((value, i) => {
      const gradient = gradients[i]!.add(value.ref.mul(weightDecay));
      const velocity = momenta[i]!.mul(momentum).add(gradient.ref);
      velocities.push(velocity.ref);
      return value.sub(gradient.add(velocity.mul(momentum)).mul(learningRate));
    });
    const averages = running.map((old, i) => old.mul(0.9).add(statistics[i]!.mul(0.1)));
    return [values, velocities, averages, loss] as const;
  });
  let parameters = await upload(...initialParameters(net));
  let momenta = await upload(
    ...parametersOf(net).map(({ kind, shape }) => {
      const zeros = jax.numpy.array(new Float32Array(shape.reduce((a, b) => a * b)));
      return zeros.reshape(kind === "conv" ? oihw(shape) : [...shape]);
    }),
  );
  let running = await upload(...initialStatistics(net));
  const { bytes, labels } = images(batch, net.classes);
  let count = 0;
  let loss: Tensor | undefined;
  const run = () => {
    loss?.dispose();
    const input = augmentOnCpu(bytes, crops(count++, batch));
    [parameters, momenta, running, loss] = step(
      parameters,
      momenta,
      running,
      jax.numpy.array(input).reshape([batch, IMAGE.size, IMAGE.size, IMAGE.channels]),
      jax.numpy.array(new Int32Array(labels)),
    ) as [Tensor[], Tensor[], Tensor[], Tensor];
  };
  return {
    run,
    settle: () => jax.blockUntilReady([parameters, momenta, running, loss!]),
    async loss() {
      run();
      return (await loss!.ref.data())[0]!;
    },
    release() {
      for (const tensor of [...parameters, ...momenta, ...running]) tensor.dispose();
      loss?.dispose();
    },
  };
}

async function inferJob(net: Wrn, batch: number): Promise<Job> {
  const f = jax.jit((parameters: Tensor[], running: Tensor[], images: Tensor) => {
    return forward(net, parameters, images, running).logits;
  });
  const parameters = await upload(...initialParameters(net));
  const running = await upload(...initialStatistics(net));
  const { bytes } = images(batch, net.classes);
  const whole = Array.from({ length: batch }, () => WHOLE);
  return functionJob(() => {
    const input = jax.numpy.array(augmentOnCpu(bytes, whole));
    return f(
      parameters.map(({ ref }) => ref),
      running.map(({ ref }) => ref),
      input.reshape([batch, IMAGE.size, IMAGE.size, IMAGE.channels]),
    );
  });
}

/**
 * The network.
 *
 * @param parameters In the order of `parametersOf()`.
 * @param images [n, h, w, c].
 * @param running Means and variances of each batch norm in turn, to be used; default: the batch's.
 * @returns With the batch's statistics, in the order of `running`.
 */
function forward(net: Wrn, parameters: Tensor[], images: Tensor, running?: Tensor[]) {
  let next = 0;
  let nextRunning = 0;
  const statistics: Tensor[] = [];
  const parameter = () => parameters[next++]!;
  const norm = (x: Tensor) => {
    const used = running?.slice(nextRunning, nextRunning += 2) as [Tensor, Tensor] | undefined;
    const [y, ...batchStatistics] = batchNorm(x, parameter(), used);
    statistics.push(...batchStatistics);
    return jax.nn.relu(y);
  };
  let x = norm(convolution(images.transpose([0, 3, 1, 2]), parameter(), 1));
  for (const { inIsStem, inChannels, outChannels, stride } of blocksOf(net)) {
    const skip = shortcut(x.ref, stride, outChannels - inChannels);
    const activated = inIsStem ? x : norm(x);
    const middle = norm(convolution(activated, parameter(), stride));
    x = convolution(middle, parameter(), 1).add(skip);
  }
  const features = norm(x).mean([2, 3]);
  const logits = jax.numpy.matmul(features, parameter()).add(parameter());
  return { logits, statistics };
}

function convolution(x: Tensor, weight: Tensor, stride: number): Tensor {
  const padding = (weight.shape[2]! - 1) / 2;
  return jax.lax.convGeneralDilated(x, weight, [stride, stride], [
    [padding, padding],
    [padding, padding],
  ]);
}

/** The mean of each square, and zero channels. */
function shortcut(x: Tensor, stride: number, zeros: number): Tensor {
  const [n, c, h, w] = x.shape as [number, number, number, number];
  const small = stride === 1
    ? x
    : x.reshape([n, c, h / stride, stride, w / stride, stride]).mean([3, 5]);
  return zeros ? jax.numpy.pad(small, [[0, 0], [0, zeros], [0, 0], [0, 0]]) : small;
}

/** @returns The normalised map, and the batch's mean and unbiased variance if they were used. */
function batchNorm(
  x: Tensor,
  affine: Tensor,
  running?: [Tensor, Tensor],
): [Tensor, ...Tensor[]] {
  const [n, c, h, w] = x.shape as [number, number, number, number];
  const pixels = n * h * w;
  const each = [1, c, 1, 1];
  const scale = affine.ref.slice(0).reshape(each);
  const shift = affine.slice(1).reshape(each);
  const axes = [0, 2, 3];
  const mean = running?.[0].reshape(each) ?? x.ref.mean(axes, { keepdims: true });
  const centred = x.sub(mean.ref);
  const variance = running?.[1].reshape(each) ??
    centred.ref.mul(centred.ref).mean(axes, { keepdims: true });
  const factor = scale.div(jax.numpy.sqrt(variance.ref.add(TRAINING.epsilon)));
  const y = centred.mul(factor).add(shift);
  if (running) {
    mean.dispose();
    variance.dispose();
    return [y];
  }
  return [y, mean.reshape([c]), variance.reshape([c]).mul(pixels / (pixels - 1))];
}

function initialParameters(net: Wrn): Tensor[] {
  return parametersOf(net).map((parameter: Parameter, i) => {
    const tensor = jax.numpy.array(initialValues(parameter, i)).reshape([...parameter.shape]);
    return parameter.kind === "conv" ? toOihw(tensor) : tensor;
  });
}

/** Means of 0 and variances of 1. */
function initialStatistics(net: Wrn): Tensor[] {
  return parametersOf(net).filter(({ kind }) => kind === "batchNorm").flatMap(({ shape }) => [
    jax.numpy.array(new Float32Array(shape[1]!)),
    jax.numpy.array(new Float32Array(shape[1]!).fill(1)),
  ]);
}

function random(shape: number[], seed: number): Tensor {
  return jax.numpy.array(uniform(seed, shape.reduce((a, b) => a * b))).reshape(shape);
}

function toNchw(x: Tensor): Tensor {
  return x.transpose([0, 3, 1, 2]);
}

function toOihw(weight: Tensor): Tensor {
  return weight.transpose([3, 2, 0, 1]);
}

function oihw([kernel, , ci, co]: readonly number[]): number[] {
  return [co!, ci!, kernel!, kernel!];
}

/** Waits until tensors lie in memory of their own, in their order. */
async function upload(...tensors: Tensor[]): Promise<Tensor[]> {
  // A sum is computed; a mere view of other memory would be read out of order at each use.
  const made = tensors.map((tensor) => jax.jit((x: Tensor) => x.add(0))(tensor));
  await jax.blockUntilReady(made);
  return made;
}
