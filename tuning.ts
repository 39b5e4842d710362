/**
 * Measures which kernels are the fastest on an adapter, and remembers them; `Gpu.tuning` of `mod.ts` takes
 * them.
 *
 * @module
 */
export { type ConvolutionWork, convolutionWork, shapesOf } from "./dvn/convolution_work.ts";
export {
  autotune,
  type AutotuneOptions,
  type Trial,
  type TunedChoice,
  type TunedChoices,
  type TuningRecord,
} from "./nn/gpu/autotune.ts";
export {
  choicesOf,
  type ChoiceStore,
  pinRemembered,
  readTunedChoices,
} from "./nn/gpu/choice_store.ts";
export { IndexedDbChoices } from "./nn/gpu/indexed_db_choices.ts";
export { describeChoice, shapeKey } from "./nn/gpu/tuning.ts";
export { tuningKey } from "./nn/gpu/tuning_key.ts";
