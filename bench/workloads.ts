/**
 * What is measured, as plain data: all contenders are given the same.
 *
 * @module
 */
import { macs, trainingFlops, type Wrn, wrn16, WRN_32_4 } from "./wrn.ts";

/** A convolution of square maps, its padding (kernel - 1) / 2. */
export interface Conv {
  op: "conv";
  /** "dx" and "dw": the gradients of the input and of the weight alone. */
  pass: "forward" | "dx" | "dw";
  batch: number;
  /** Side of the input. */
  size: number;
  ci: number;
  co: number;
  kernel: number;
  stride: number;
}

/** Something to do once, all of it float32. */
export type Work =
  /** The product of two square matrices. */
  | { op: "matmul"; size: number }
  | Conv
  /** Batch norm with the batch's statistics, then ReLU; "both": and all its gradients. */
  | { op: "batchNorm"; pass: "forward" | "both"; batch: number; size: number; channels: number }
  /**
   * A step: augmentation, forward, loss, backward, SGD with Nesterov momentum and decay of all parameters;
   * activations in 32 bits unless it is said.
   */
  | { op: "train"; net: Wrn; batch: number; activations?: "f32" | "f16" }
  /** Bytes to logits, with running statistics. */
  | { op: "infer"; net: Wrn; batch: number }
  /** A step of J1: one of its sub-networks, or all four, on a batch of each task. */
  | { op: "dvn"; net: Wrn; batch: number; only?: { task: number; level: number } }
  /** Bytes to logits at a level, from 1, of J2's four. */
  | { op: "level"; net: Wrn; batch: number; level: number }
  /** What the adapter can do at best: fused multiply-adds of vec4 on registers, so many in a lane. */
  | { op: "fma"; lanes: number; each: number }
  | { op: "copy"; by: "shader" | "queue" };

export interface Workload {
  /** Unique; names it in tables and results. */
  id: string;
  work: Work;
}

/** Workloads whose ratios matter: they are measured in turn. */
export interface Group {
  /** What `--only` picks by. */
  name: string;
  workloads: Workload[];
  /** Part of `--quick`. */
  quick: boolean;
  /** Would take WebGPU peers many minutes: they sit it out. */
  heavy?: boolean;
}

/** Begins the names of multiply-adds measured in turn with the workloads that the rest begins. */
export const BESIDE = "fma beside ";

/** The paper's ResNet-42, of which J2 makes four units. */
const RESNET: Wrn = {
  widths: [64, 128, 256, 512],
  blocks: 5,
  stem: { kernel: 7, channels: 64 },
  classes: 50,
};

/** The backbone of the paper's J1. */
export const J1: Wrn = WRN_32_4;

/** A J1 step of all four sub-networks: the paper's, or on software a WRN-16-2's with fewer images. */
export function dvnWork(software: boolean, quick = false): Extract<Work, { op: "dvn" }> {
  return software
    ? { op: "dvn", net: wrn16(2), batch: quick ? 8 : 32 }
    : { op: "dvn", net: J1, batch: 128 };
}

/** Level and density of J2's networks: u of 4 units have (u / 4)^2 of the weights. */
export const LEVELS = [1, 2, 3, 4];

/** A J1 step's sub-networks: tasks from 0, levels from 1, and their densities. */
export const SUB_NETWORKS = [
  { task: 0, level: 1, density: 1 / 4 },
  { task: 0, level: 2, density: 1 },
  { task: 1, level: 1, density: 1 / 4 },
  { task: 1, level: 2, density: 1 },
];

/**
 * All groups.
 *
 * @param software The adapter is a processor: networks are smaller where the paper's would take minutes a
 *   step.
 * @param quick So is the J1 step there.
 */
export function groups(software: boolean, quick = false): Group[] {
  const dvn = dvnWork(software, quick);
  const wideBatch = software ? 32 : 128;
  return [
    {
      name: "ceilings",
      quick: true,
      workloads: [
        { id: "fma", work: fmaWork(software) },
        { id: "copy by shader", work: { op: "copy", by: "shader" } },
        { id: "copy by queue", work: { op: "copy", by: "queue" } },
      ],
    },
    {
      name: "matmul",
      quick: true,
      workloads: [
        { id: `${BESIDE}matmul`, work: fmaWork(software) },
        { id: "matmul 1024", work: { op: "matmul", size: 1024 } },
      ],
    },
    convolution(software, { size: 32, ci: 64, co: 64, kernel: 3, stride: 1 }, true),
    convolution(software, { size: 16, ci: 128, co: 128, kernel: 3, stride: 1 }),
    convolution(software, { size: 8, ci: 256, co: 256, kernel: 3, stride: 1 }),
    convolution(software, { size: 32, ci: 64, co: 128, kernel: 3, stride: 2 }),
    convolution(software, { size: 32, ci: 64, co: 64, kernel: 1, stride: 1 }),
    {
      name: "batch norm",
      quick: true,
      workloads: (["forward", "both"] as const).map((pass) => ({
        id: `batch norm + ReLU 64 ch 32 px ${pass === "both" ? "forward + backward" : pass}`,
        work: { op: "batchNorm", pass, batch: 32, size: 32, channels: 64 },
      })),
    },
    training("WRN-16-1", wrn16(1), 32, true),
    training("WRN-16-2", wrn16(2), 32),
    ...[
      training("WRN-16-1", wrn16(1), 128),
      training("WRN-16-2", wrn16(2), 128),
      training("WRN-32-4", WRN_32_4, wideBatch),
    ].map((group) => ({ ...group, heavy: software })),
    {
      name: "infer",
      quick: false,
      workloads: [1, 32].map((batch) => ({
        id: `infer WRN-16-2 batch ${batch}`,
        work: { op: "infer", net: wrn16(2), batch },
      })),
    },
    {
      name: "dvn",
      quick: true,
      workloads: [
        { id: dvnId(), work: dvn },
        ...SUB_NETWORKS.map(({ task, level }): Workload => ({
          id: dvnId({ task, level }),
          work: { ...dvn, only: { task, level } },
        })),
      ],
    },
    ...[1, 32].map((batch): Group => ({
      name: "levels",
      quick: batch === 32,
      workloads: LEVELS.map((level) => ({
        id: levelId(level, batch),
        work: { op: "level", net: RESNET, batch, level },
      })),
    })),
  ];
}

/** Long enough to outlast its submission, short enough to be repeated. */
function fmaWork(software: boolean): Work {
  return { op: "fma", lanes: software ? 2 ** 16 : 2 ** 20, each: 2 ** 12 };
}

/** Forward and both gradients of a convolution, with what the adapter can do at best. */
function convolution(
  software: boolean,
  shape: Omit<Conv, "op" | "pass" | "batch">,
  quick = false,
): Group {
  const { size, ci, co, kernel, stride } = shape;
  const channels = ci === co ? ci : `${ci}->${co}`;
  const name = `conv ${kernel}x${kernel} ${channels} ch ${size} px${
    stride > 1 ? ` /${stride}` : ""
  }`;
  const passes = (["forward", "dx", "dw"] as const).map((pass): Workload => {
    return { id: `${name} ${pass}`, work: { op: "conv", pass, batch: 32, ...shape } };
  });
  return {
    name,
    quick,
    workloads: [{ id: `${BESIDE}${name}`, work: fmaWork(software) }, ...passes],
  };
}

function training(name: string, net: Wrn, batch: number, quick = false): Group {
  const id = `train ${name} batch ${batch}`;
  return {
    name: id,
    quick,
    workloads: [
      { id, work: { op: "train", net, batch } },
      { id: `${id}, f16`, work: { op: "train", net, batch, activations: "f16" } },
    ],
  };
}

/** Names a J1 step, or one of its sub-networks measured alone. */
export function dvnId(only?: { task: number; level: number }): string {
  return only ? `J1 task ${only.task + 1} level ${only.level} alone` : "J1 step";
}

/** Names the inference of a level of J2. */
export function levelId(level: number, batch: number): string {
  return `J2 level ${level} batch ${batch}`;
}

/** Multiplications and additions of one run, counted directly whatever the algorithm; none for copies. */
export function flops(work: Work): number | undefined {
  switch (work.op) {
    case "matmul":
      return 2 * work.size ** 3;
    case "conv": {
      const { batch, size, ci, co, kernel, stride } = work;
      return 2 * batch * (size / stride) ** 2 * kernel ** 2 * ci * co;
    }
    case "train":
      return trainingFlops(work.net, work.batch);
    case "infer":
      return 2 * macs(work.net) * work.batch;
    case "fma":
      return 2 * 4 * work.lanes * work.each;
    default:
      return undefined;
  }
}

/** {@linkcode flops}, or nearly. */
export function estimatedFlops(work: Work): number {
  switch (work.op) {
    case "dvn": {
      const { net, batch, only } = work;
      const density = SUB_NETWORKS.filter(({ task, level }) =>
        !only || task === only.task && level === only.level
      ).reduce((total, { density }) => total + density, 0);
      return density * trainingFlops(net, batch);
    }
    case "level":
      return 2 * macs(work.net) * work.batch * (work.level / LEVELS.length) ** 2;
    default:
      return flops(work) ?? 0;
  }
}

/** Bytes read and written by one run of a copy; none for other work. */
export function bytesMoved(work: Work): number | undefined {
  return work.op === "copy" ? 2 * COPY_BYTES : undefined;
}

/** Images that one run trains on or classifies; those of all tasks. */
export function imagesOf(work: Work): number | undefined {
  switch (work.op) {
    case "train":
    case "infer":
    case "level":
      return work.batch;
    case "dvn":
      return work.only ? work.batch : 2 * work.batch;
    default:
      return undefined;
  }
}

/** Only this project does such work. */
export function isOurs({ op }: Work): boolean {
  return op === "dvn" || op === "level" || op === "fma" || op === "copy";
}

/** Bytes of each of the two buffers of a copy. */
export const COPY_BYTES = 2 ** 25;
