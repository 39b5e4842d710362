/**
 * Deep virtual networks on WebGPU: one set of weights, many networks of different memory cost.
 *
 * @module
 */
export {
  autotune,
  type AutotuneOptions,
  type TunedChoice,
  type TunedChoices,
  type TuningRecord,
} from "./nn/gpu/autotune.ts";
export { choicesOf, type ChoiceStore, pinRemembered } from "./nn/gpu/choice_store.ts";
export type { ConvShape } from "./nn/gpu/chooser.ts";
export { Gpu, type GpuOptions } from "./nn/gpu/gpu.ts";
export { IndexedDbChoices } from "./nn/gpu/indexed_db_choices.ts";
export {
  type Choice,
  type Choices,
  type ConvUse,
  describeChoice,
  shapeKey,
  Tuning,
} from "./nn/gpu/tuning.ts";
export { tuningKey } from "./nn/gpu/tuning_key.ts";
export * from "./nn/gpu/errors.ts";
export type { KernelTime, Plan, Profile } from "./nn/gpu/plan.ts";
export { Tape } from "./nn/tape.ts";
export type { Tensor } from "./nn/tensor.ts";
export { type BlockLayout, blockRange, type Param, ParamStore, type State } from "./nn/params.ts";
export { Random } from "./nn/random.ts";
export { constant, type Initializer, rows, xavier, zeros } from "./nn/init.ts";
export {
  decodeSafeTensors,
  encodeSafeTensors,
  type SafeTensors,
  SafeTensorsError,
} from "./nn/safetensors.ts";
export { augment, type ImageShape, MATRIX_LENGTH, packedLength } from "./nn/ops/augment.ts";
export { batchNorm, type BatchNormOptions, pairLayout } from "./nn/ops/batch_norm.ts";
export { padChannels } from "./nn/ops/channels.ts";
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
export { sgd } from "./nn/optim/sgd.ts";

export { type ConvolutionWork, convolutionWork, shapesOf } from "./dvn/convolution_work.ts";
export type { NetworkCost } from "./dvn/costs.ts";
export type { ImageSet, TaskData } from "./dvn/data.ts";
export type { NetworkScore, TrainEvent } from "./dvn/events.ts";
export { Hierarchy, unitOrder } from "./dvn/hierarchy.ts";
export type { LossTerm, Method, Phase, Run, Target, Update } from "./dvn/method.ts";
export { ablationNames, findMethod, methodNames, methods } from "./dvn/methods/index.ts";
export { DeepVirtualNetwork, type Mode } from "./dvn/network.ts";
export { parseScenario, ScenarioError } from "./dvn/parse_scenario.ts";
export type { BackboneSpec, Scenario, SequentialSpec, TaskSpec } from "./dvn/scenario.ts";
export { digitsScenario } from "./dvn/scenarios/digits.ts";
export { builtInScenario, paperScenarioNames, scenarioNames } from "./dvn/scenarios/index.ts";
export {
  describeScale,
  type Scale,
  scaleNames,
  scaleScenario,
  scenarioWithEpochs,
  withEpochs,
} from "./dvn/scenarios/scale.ts";
export { learningRate } from "./dvn/schedule.ts";
export type { TaskInfo } from "./dvn/task_info.ts";
export { type CheckpointFiles, train, type TrainOptions } from "./dvn/trainer.ts";
export { UnitPartition } from "./dvn/unit_partition.ts";
export type { VirtualNetwork } from "./dvn/virtual_network.ts";

export { loadCifar10, loadCifar100 } from "./datasets/cifar.ts";
export { selectClasses, splitClasses } from "./datasets/class_split.ts";
export { DatasetError, type FileSource } from "./datasets/dataset_files.ts";
export { loadDigits } from "./datasets/digits.ts";
export { limitImages } from "./datasets/image_limit.ts";
export type { Dataset } from "./datasets/image_set.ts";
export { loadStl10 } from "./datasets/stl10.ts";
export {
  type ImageCache,
  type JpegDecoder,
  loadTinyImageNet,
  type TinyImageNetOptions,
} from "./datasets/tiny_imagenet.ts";
export { splitValidation } from "./datasets/validation_split.ts";
