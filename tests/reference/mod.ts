/**
 * Float64 references of every op, checked by finite differences; the GPU's results are compared
 * with these. No GPU, no Deno API: they run in a browser as well.
 *
 * @module
 */
export * from "./add.ts";
export * from "./assert_close.ts";
export * from "./augment.ts";
export * from "./batch_norm.ts";
export * from "./conv2d.ts";
export * from "./deep_virtual_network.ts";
export * from "./distillation.ts";
export * from "./global_average_pool.ts";
export * from "./l2_normalize.ts";
export * from "./learning_rate.ts";
export * from "./linear.ts";
export * from "./numerical_grad.ts";
export * from "./random.ts";
export * from "./relu.ts";
export * from "./residual_network.ts";
export * from "./sgd.ts";
export * from "./shape.ts";
export * from "./shortcut.ts";
export * from "./softmax_cross_entropy.ts";
export * from "./unit_blocks.ts";
