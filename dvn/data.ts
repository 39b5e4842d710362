/**
 * What the trainer reads. `datasets` returns objects of this shape without importing this file:
 * structural types join the two outside.
 */
export interface ImageSet {
  /** Number of images. */
  readonly length: number;
  /**
   * Copies images and labels into a batch.
   *
   * @param indices Which images, each in `[0, length)`.
   * @param images Receives `indices.length` pictures, each `height * width * channels` bytes, row by
   *   row, channels last.
   * @param labels Receives the class of each, in `[0, classes.length)`.
   */
  read(indices: Uint32Array, images: Uint8Array, labels: Uint32Array): void;
}

/** One task: a labelled set of images, all of one size. */
export interface TaskData {
  /** Names of the classes, in label order. */
  readonly classes: readonly string[];
  /** Rows of pixels. */
  readonly height: number;
  /** Pixels in a row. */
  readonly width: number;
  /** Bytes of a pixel: 1 to 4. */
  readonly channels: number;
  /** The largest byte value a picture can hold: 255 for photographs, 16 for the digits. */
  readonly maximum: number;
  /** To learn from. */
  readonly train: ImageSet;
  /** Held out of the training images, to choose an epoch by. Needed if the scenario's `reportedEpoch` has it. */
  readonly validation?: ImageSet;
  /** To be judged by, never learned from. */
  readonly test: ImageSet;
}
