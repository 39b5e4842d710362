/** This project, through its library. */
import { Gpu, has16Bit } from "../../nn/gpu/gpu.ts";
import type { About, Contender } from "../contender.ts";
import type { Work } from "../workloads.ts";
import { copy, fma } from "../ceilings/ceilings.ts";
import { batchNormJob, convJob, matmulJob } from "./ours_ops.ts";
import { dvnJob, inferJob, levelJob, trainJob } from "./ours_networks.ts";

export async function open(): Promise<Contender> {
  return contenderOn(await Gpu.open());
}

function canTrain(gpu: Gpu, { activations }: Extract<Work, { op: "train" }>): boolean {
  return activations !== "f16" || has16Bit(gpu);
}

export function contenderOn(gpu: Gpu): Contender {
  const about: About = {
    contender: "ours",
    version: "at this commit",
    adapter: gpu.describe(),
    software: gpu.adapterClass === "software",
  };
  return {
    about,
    prepare(work) {
      switch (work.op) {
        case "matmul":
          return matmulJob(gpu, work.size);
        case "conv":
          return convJob(gpu, work);
        case "batchNorm":
          return batchNormJob(gpu, work);
        case "train":
          return canTrain(gpu, work) ? trainJob(gpu, work) : Promise.resolve(undefined);
        case "infer":
          return inferJob(gpu, work.net, work.batch);
        case "dvn":
          return dvnJob(gpu, work);
        case "level":
          return levelJob(gpu, work);
        case "fma":
          return fma(gpu, work);
        case "copy":
          return copy(gpu, work.by);
      }
    },
  };
}
