/**
 * TensorFlow.js on its WebGPU backend: NHWC, op by op, as its API has it; it has no compiled steps.
 *
 * Not imported by name, so that neither type checks nor deno.lock pull it in.
 *
 * @module
 */
import type { Contender, Job } from "../contender.ts";
import { TENSORFLOW, TENSORFLOW_WEBGPU } from "../packages.ts";
import type { Work } from "../workloads.ts";
import {
  augmentOnCpu,
  blocksOf,
  crops,
  IMAGE,
  images,
  initialValues,
  parametersOf,
  TRAINING,
  uniform,
  WHOLE,
  type Wrn,
} from "../wrn.ts";
import { OP_SEEDS, rootMeanSquare } from "./operands.ts";

interface Tensor {
  readonly shape: number[];
  data(): Promise<Float32Array>;
  dispose(): void;
}
interface Variable extends Tensor {
  readonly name: string;
  assign(value: Tensor): void;
}

/** The part of the package that is used. */
interface TensorFlow {
  setBackend(name: "webgpu"): Promise<boolean>;
  ready(): Promise<void>;
  backend(): {
    device: GPUDevice;
    queue: GPUQueue;
    ensureCommandEncoderReady(): void;
    endComputePassEncoder(): void;
    submitQueue(): void;
  };
  engine(): {
    runKernel(name: string, inputs: Record<string, Tensor>, attributes: unknown): Tensor;
  };
  tidy<T>(f: () => T): T;
  keep<T extends Tensor>(x: T): T;
  dispose(tensors: Tensor[]): void;
  tensor(values: Float32Array, shape: readonly number[]): Tensor;
  tensor1d(values: Int32Array, dtype: "int32"): Tensor;
  variable(value: Tensor, trainable: boolean, name?: string): Variable;
  variableGrads(
    f: () => Tensor,
    variables: Variable[],
  ): { value: Tensor; grads: Record<string, Tensor> };
  grads(f: (...x: Tensor[]) => Tensor): (x: Tensor[], dy: Tensor) => Tensor[];
  conv2d(x: Tensor, filter: Tensor, strides: number, padding: number): Tensor;
  moments(x: Tensor, axes: number[]): { mean: Tensor; variance: Tensor };
  batchNorm(
    x: Tensor,
    mean: Tensor,
    variance: Tensor,
    offset: Tensor,
    scale: Tensor,
    epsilon: number,
  ): Tensor;
  relu(x: Tensor): Tensor;
  add(a: Tensor, b: Tensor): Tensor;
  mul(a: Tensor, b: Tensor | number): Tensor;
  matMul(a: Tensor, b: Tensor): Tensor;
  mean(x: Tensor, axes: number[]): Tensor;
  avgPool(x: Tensor, size: number, strides: number, padding: number): Tensor;
  pad(x: Tensor, width: [number, number][]): Tensor;
  oneHot(labels: Tensor, depth: number): Tensor;
  losses: { softmaxCrossEntropy(labels: Tensor, logits: Tensor): Tensor };
  train: {
    momentum(
      rate: number,
      momentum: number,
      nesterov: boolean,
    ): { applyGradients(gradients: Record<string, Tensor>): void; dispose(): void };
  };
}

let tf: TensorFlow;

export async function open(): Promise<Contender> {
  tf = await import(TENSORFLOW);
  await import(TENSORFLOW_WEBGPU);
  if (!await tf.setBackend("webgpu")) {
    throw new Error("TensorFlow.js cannot use its webgpu backend");
  }
  await tf.ready();
  const { adapterInfo } = tf.backend().device;
  return {
    about: {
      contender: "tensorflow.js",
      version: TENSORFLOW.split("@").at(-1)!,
      adapter: adapterInfo.description || `${adapterInfo.vendor} ${adapterInfo.architecture}`,
      software: adapterInfo.isFallbackAdapter,
    },
    prepare(work) {
      switch (work.op) {
        case "matmul":
        case "conv":
        case "batchNorm":
          return Promise.resolve(opJob(work));
        case "train":
          // Both compute in the format that arrays are stored in.
          if (work.activations === "f16") return Promise.resolve(undefined);
          return Promise.resolve(trainJob(work.net, work.batch));
        case "infer":
          return Promise.resolve(inferJob(work.net, work.batch));
        default:
          return Promise.resolve(undefined);
      }
    },
  };
}

/** Ops are gathered into command buffers: this submits the last one. */
async function settle(): Promise<void> {
  const backend = tf.backend();
  backend.ensureCommandEncoderReady();
  backend.endComputePassEncoder();
  backend.submitQueue();
  await backend.queue.onSubmittedWorkDone();
}

function functionJob(f: () => Tensor, release: () => void): Job {
  return {
    run: () => tf.tidy(f).dispose(),
    settle,
    async check() {
      const result = tf.tidy(f);
      const value = rootMeanSquare(await result.data());
      result.dispose();
      return value;
    },
    release,
  };
}

function opJob(work: Extract<Work, { op: "matmul" | "conv" | "batchNorm" }>): Job {
  switch (work.op) {
    case "matmul": {
      const shape = [work.size, work.size];
      const operands = [random(shape, OP_SEEDS.x), random(shape, OP_SEEDS.weight)] as const;
      return functionJob(() => tf.matMul(...operands), () => tf.dispose([...operands]));
    }
    case "conv": {
      const { pass, batch, size, ci, co, kernel, stride } = work;
      const filterShape = [kernel, kernel, ci, co];
      const inputShape = [batch, size, size, ci];
      const x = random(inputShape, OP_SEEDS.x);
      const filter = random(filterShape, OP_SEEDS.weight);
      const dy = random([batch, size / stride, size / stride, co], OP_SEEDS.dy);
      const pad = (kernel - 1) / 2;
      const attributes = { strides: stride, pad, dataFormat: "NHWC", inputShape, filterShape };
      // The kernels that its gradient of conv2d runs; tf.grad would run the forward one, too.
      const run = {
        forward: () => tf.conv2d(x, filter, stride, pad),
        dx: () => tf.engine().runKernel("Conv2DBackpropInput", { dy, filter }, attributes),
        dw: () => tf.engine().runKernel("Conv2DBackpropFilter", { x, dy }, attributes),
      }[pass];
      return functionJob(run, () => tf.dispose([x, filter, dy]));
    }
    case "batchNorm": {
      const { pass, batch, size, channels } = work;
      const shape = [batch, size, size, channels];
      const x = random(shape, OP_SEEDS.x);
      const dy = random(shape, OP_SEEDS.dy);
      const scale = tf.tensor(new Float32Array(channels).fill(1), [channels]);
      const shift = tf.tensor(new Float32Array(channels), [channels]);
      const forward = (x: Tensor, scale: Tensor, shift: Tensor) => {
        const { mean, variance } = tf.moments(x, [0, 1, 2]);
        return tf.relu(tf.batchNorm(x, mean, variance, shift, scale, TRAINING.epsilon));
      };
      const gradients = tf.grads(forward);
      const run = pass === "forward"
        ? () => forward(x, scale, shift)
        : () => gradients([x, scale, shift], dy)[0]!;
      return functionJob(run, () => tf.dispose([x, dy, scale, shift]));
    }
  }
}

/** Variables of a network: batch norms as scale, then shift; running ones as mean, then variance. */
class Network {
  readonly parameters: Variable[];
  readonly running: Variable[];

  constructor(readonly net: Wrn) {
    const parameters = parametersOf(net);
    this.parameters = parameters.flatMap((parameter, index) => {
      const { kind, shape, name } = parameter;
      const values = initialValues(parameter, index);
      if (kind !== "batchNorm") return [variable(values, shape, true, name)];
      const [, c] = shape as [number, number];
      return [
        variable(values.subarray(0, c), [c], true, `${name}.scale`),
        variable(values.subarray(c), [c], true, `${name}.shift`),
      ];
    });
    this.running = parameters.filter(({ kind }) => kind === "batchNorm").flatMap(({ shape }) => {
      const [, c] = shape as [number, number];
      return [
        variable(new Float32Array(c), [c], false),
        variable(new Float32Array(c).fill(1), [c], false),
      ];
    });
  }

  /** @param training Use the batch's statistics, and keep their running averages. */
  forward(images: Tensor, training: boolean): Tensor {
    let next = 0;
    let nextRunning = 0;
    const parameter = () => this.parameters[next++]!;
    const norm = (x: Tensor) => {
      const [scale, shift] = [parameter(), parameter()];
      const [mean, variance] = [this.running[nextRunning++]!, this.running[nextRunning++]!];
      if (!training) {
        return tf.relu(tf.batchNorm(x, mean, variance, shift, scale, TRAINING.epsilon));
      }
      const moments = tf.moments(x, [0, 1, 2]);
      const pixels = x.shape.slice(0, 3).reduce((a, b) => a * b);
      average(mean, moments.mean, 1);
      average(variance, moments.variance, pixels / (pixels - 1));
      return tf.relu(
        tf.batchNorm(x, moments.mean, moments.variance, shift, scale, TRAINING.epsilon),
      );
    };
    const conv = (x: Tensor, stride: number) => {
      const filter = parameter();
      return tf.conv2d(x, filter, stride, (filter.shape[0]! - 1) / 2);
    };
    let x = norm(conv(images, 1));
    for (const { inIsStem, inChannels, outChannels, stride } of blocksOf(this.net)) {
      const small = stride === 1 ? x : tf.avgPool(x, stride, stride, 0);
      const zeros = outChannels - inChannels;
      const skip = zeros ? tf.pad(small, [[0, 0], [0, 0], [0, 0], [0, zeros]]) : small;
      const activated = inIsStem ? x : norm(x);
      x = tf.add(conv(norm(conv(activated, stride)), 1), skip);
    }
    const features = tf.mean(norm(x), [1, 2]);
    const [weight, bias] = [parameter(), parameter()];
    return tf.add(tf.matMul(features, weight), bias);
  }

  dispose(): void {
    tf.dispose([...this.parameters, ...this.running]);
  }
}

/** Moves a running statistic a tenth of the way to the batch's. */
function average(running: Variable, batch: Tensor, factor: number): void {
  running.assign(tf.add(tf.mul(running, 0.9), tf.mul(batch, 0.1 * factor)));
}

function trainJob(net: Wrn, batch: number): Job {
  const { learningRate, momentum, weightDecay } = TRAINING;
  const network = new Network(net);
  const optimizer = tf.train.momentum(learningRate, momentum, true);
  const { bytes, labels } = images(batch, net.classes);
  const targets = tf.tidy(() => {
    return tf.keep(tf.oneHot(tf.tensor1d(new Int32Array(labels), "int32"), net.classes));
  });
  const shape = [batch, IMAGE.size, IMAGE.size, IMAGE.channels];
  let step = 0;
  let loss: Tensor | undefined;
  const run = () => {
    loss?.dispose();
    loss = tf.tidy(() => {
      const input = tf.tensor(augmentOnCpu(bytes, crops(step++, batch)), shape);
      const { value, grads } = tf.variableGrads(
        () => tf.losses.softmaxCrossEntropy(targets, network.forward(input, true)),
        network.parameters,
      );
      for (const variable of network.parameters) {
        const decay = tf.mul(variable, weightDecay);
        grads[variable.name] = tf.add(grads[variable.name]!, decay);
      }
      optimizer.applyGradients(grads);
      return value;
    });
  };
  return {
    run,
    settle,
    async loss() {
      run();
      return (await loss!.data())[0]!;
    },
    release() {
      network.dispose();
      optimizer.dispose();
      tf.dispose(loss ? [targets, loss] : [targets]);
    },
  };
}

function inferJob(net: Wrn, batch: number): Job {
  const network = new Network(net);
  const { bytes } = images(batch, net.classes);
  const whole = Array.from({ length: batch }, () => WHOLE);
  const shape = [batch, IMAGE.size, IMAGE.size, IMAGE.channels];
  return functionJob(
    () => network.forward(tf.tensor(augmentOnCpu(bytes, whole), shape), false),
    () => network.dispose(),
  );
}

/** Names must be unique in the process. */
let made = 0;

function variable(
  values: Float32Array,
  shape: readonly number[],
  trainable: boolean,
  name = "running",
): Variable {
  return tf.tidy(() => tf.variable(tf.tensor(values, shape), trainable, `${name} ${made++}`));
}

function random(shape: number[], seed: number): Tensor {
  return tf.tensor(uniform(seed, shape.reduce((a, b) => a * b)), shape);
}
