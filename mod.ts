/**
 * Deep virtual networks on WebGPU: one set of weights, many networks of different memory cost.
 *
 * What not every page needs is apart: pictures to learn from in `datasets.ts`, the paper's methods and
 * scenarios in `paper.ts`, measuring which kernels are fastest in `tuning.ts`, networks
 * that arrive level by level, or alone in a file, in `files.ts`.
 *
 * @module
 */
export type { Access, Constants, Kernel, Shape, Shapes, Workgroups } from "./shaders/kernel.ts";
export type {
  ConvChoice,
  ConvShape,
  Driver,
  WeightGradientChoice,
  WinogradChoice,
} from "./nn/gpu/chooser.ts";
export { type AdapterClass, Gpu, type GpuOptions } from "./nn/gpu/gpu.ts";
export type { Choice, Choices, ConvUse, Tuning, TuningState } from "./nn/gpu/tuning.ts";
export * from "./nn/gpu/errors.ts";
export type { KernelTime, Plan, Profile } from "./nn/gpu/plan.ts";
export { Tape, type TouchedRange } from "./nn/tape.ts";
export type { Dispatch, Format, Home, Tensor } from "./nn/tensor.ts";
export {
  type BlockLayout,
  blockRange,
  type Page,
  type Param,
  ParamStore,
  type State,
} from "./nn/params.ts";
export { Random } from "./nn/random.ts";
export { constant, type Initializer, rows, xavier, zeros } from "./nn/init.ts";
export {
  decodeSafeTensors,
  decodeSafeTensorsHeader,
  encodeSafeTensors,
  type SafeTensors,
  SafeTensorsError,
  type SafeTensorsHeader,
  safeTensorsHeaderEnd,
  type TensorPlace,
} from "./nn/safetensors.ts";
export { augment, type ImageShape, MATRIX_LENGTH, packedLength } from "./nn/ops/augment.ts";
export { batchNorm, type BatchNormOptions, pairLayout } from "./nn/ops/batch_norm.ts";
export { padChannels } from "./nn/ops/channels.ts";
export type { Conv2dGeometry, Tile } from "./shaders/conv2d.ts";
export type { SharedTile } from "./shaders/shared_tile.ts";
export { conv2d, type Conv2dOptions } from "./nn/ops/conv2d.ts";
export {
  COUNTER_LENGTH,
  crossEntropy,
  type CrossEntropyOptions,
  distillation,
  IGNORE_LABEL,
} from "./nn/ops/cross_entropy.ts";
export { add, relu } from "./nn/ops/elementwise.ts";
export { globalAveragePool } from "./nn/ops/global_average_pool.ts";
export { l2Normalize, type L2NormalizeOptions } from "./nn/ops/l2_normalize.ts";
export { linear } from "./nn/ops/linear.ts";
export { matmul } from "./nn/ops/matmul.ts";
export { shortcut } from "./nn/ops/shortcut.ts";
export { LossScale } from "./nn/optim/loss_scale.ts";
export { sgd, type SgdOptions } from "./nn/optim/sgd.ts";

export { type ConvLayer, convLayers } from "./dvn/backbone.ts";
export { type NetworkCost, networkCost } from "./dvn/costs.ts";
export type { ImageSet, TaskData } from "./dvn/data.ts";
export type { NetworkScore, TrainEvent } from "./dvn/events.ts";
export { Hierarchy, taskHierarchy, taskLevels, unitOrder } from "./dvn/hierarchy.ts";
export type { LossTerm, Method, Phase, Run, Target, Update } from "./dvn/method.ts";
export { DeepVirtualNetwork, type Mode } from "./dvn/network.ts";
export { parseScenario, ScenarioError } from "./dvn/parse_scenario.ts";
export type { BackboneSpec, Scenario, SequentialSpec, TaskSpec } from "./dvn/scenario.ts";
export { digitsScenario } from "./dvn/scenarios/digits.ts";
export { scenarioWithEpochs, withEpochs } from "./dvn/scenarios/scale.ts";
export { learningRate, type RateSpec } from "./dvn/schedule.ts";
export type { Part } from "./dvn/parameters.ts";
export type { TaskInfo } from "./dvn/task_info.ts";
export { type CheckpointFiles, train, type TrainOptions } from "./dvn/trainer.ts";
export { UnitPartition } from "./dvn/unit_partition.ts";
export type { SharedNetwork, VirtualNetwork } from "./dvn/virtual_network.ts";
export { describeWeights } from "./dvn/weights_file.ts";
