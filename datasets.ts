/**
 * Pictures to learn from: the handwritten digits, and readers of the datasets of the paper in their
 * official layouts, from wherever their files are (CIFAR-10, CIFAR-100, STL-10 and Tiny ImageNet); and
 * what cuts them into tasks and parts.
 *
 * What comes out is of the shape that `train()` of `mod.ts` reads.
 *
 * @module
 */
export type { Archive } from "./datasets/archives.ts";
export { loadCifar10, loadCifar100 } from "./datasets/cifar.ts";
export { selectClasses, splitClasses } from "./datasets/class_split.ts";
export { DatasetError, type FileSource } from "./datasets/dataset_files.ts";
export { loadDigits } from "./datasets/digits.ts";
export { limitImages } from "./datasets/image_limit.ts";
export type { Dataset, ImageSet } from "./datasets/image_set.ts";
export type { Ink } from "./datasets/ink.ts";
export type { Picture, PictureFormat } from "./datasets/pictures.ts";
export {
  type InkChoice,
  type PreparedPicture,
  preparePicture,
} from "./datasets/prepare_picture.ts";
export { loadStl10 } from "./datasets/stl10.ts";
export {
  type ImageCache,
  type JpegDecoder,
  loadTinyImageNet,
  type TinyImageNetOptions,
} from "./datasets/tiny_imagenet.ts";
export { splitValidation } from "./datasets/validation_split.ts";
