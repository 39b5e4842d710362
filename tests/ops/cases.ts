import { adapterCases } from "./adapter_cases.ts";
import { augmentCases } from "./augment_cases.ts";
import { autotuneCases } from "./autotune_cases.ts";
import { batchNormCases } from "./batch_norm_cases.ts";
import { conv2dCases } from "./conv2d_cases.ts";
import { crossEntropyCases } from "./cross_entropy_cases.ts";
import { elementwiseCases } from "./elementwise_cases.ts";
import { l2NormalizeCases } from "./l2_normalize_cases.ts";
import { linearCases } from "./linear_cases.ts";
import { lossScaleCases } from "./loss_scale_cases.ts";
import { matmulCases } from "./matmul_cases.ts";
import { sgdCases } from "./sgd_cases.ts";
import { shortcutCases } from "./shortcut_cases.ts";
import type { Driver } from "../../nn/gpu/chooser.ts";
import type { OpCase } from "./harness.ts";

const opCases: OpCase[] = [
  ...adapterCases,
  ...augmentCases,
  ...autotuneCases,
  ...batchNormCases,
  ...conv2dCases,
  ...crossEntropyCases,
  ...elementwiseCases,
  ...l2NormalizeCases,
  ...linearCases,
  ...lossScaleCases,
  ...matmulCases,
  ...sgdCases,
  ...shortcutCases,
];

/** A case with what its kernels are tuned for; default: the adapter. */
export interface TunedCase extends OpCase {
  driver?: Driver;
}

/** All cases; then again with other tile sizes, and buffers where software reads through textures. */
export const cases: TunedCase[] = [
  ...opCases,
  ...opCases.map((opCase): TunedCase => ({
    ...opCase,
    name: `${opCase.name}, as tuned for GPUs`,
    driver: "gpu",
  })),
];

/** Those that run in a browser, too: its compiler is another one, its adapter slow. */
export const browserCases: TunedCase[] = cases.filter(({ driver, onceInBrowsers }) =>
  !driver || !onceInBrowsers
);
