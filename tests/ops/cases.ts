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
import type { OpCase } from "./harness.ts";

/** All cases that run both in Deno and in a browser. */
export const cases: OpCase[] = [
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
