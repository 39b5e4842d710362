/** Pictures with their classes: what the trainer reads, and the labels at a glance. */
export interface ImageSet {
  /** Number of pictures. */
  readonly length: number;
  /** Class of each picture. */
  readonly labels: ArrayLike<number>;
  /**
   * Copies pictures and labels into a batch.
   *
   * @param indices Which pictures, each in `[0, length)`.
   * @param images Receives `indices.length` pictures, each `height * width * channels` bytes, row by
   *   row, channels last.
   * @param labels Receives the class of each.
   * @throws {RangeError} If an index or the size of a buffer is wrong; nothing is written then.
   */
  read(indices: Uint32Array, images: Uint8Array, labels: Uint32Array): void;
}

/** Pictures of one size, cut into a training and a test part. */
export interface Dataset {
  /** Names of the classes, in label order. */
  readonly classes: readonly string[];
  /** Rows of pixels. */
  readonly height: number;
  /** Pixels in a row. */
  readonly width: number;
  /** Bytes of a pixel. */
  readonly channels: number;
  /** The largest byte value a picture can hold. */
  readonly maximum: number;
  /** To learn from. */
  readonly train: ImageSet;
  /** To be judged by, never learned from. */
  readonly test: ImageSet;
}

/** Pictures held in memory. */
export class MemoryImageSet implements ImageSet {
  readonly #pictureBytes: number;

  /**
   * @param name Names the set in errors, such as "digits test".
   * @param pixels All pictures, one after the other.
   * @param labels Class of each.
   * @throws {RangeError} If the pixels are not a whole number of bytes for each label.
   */
  constructor(
    readonly name: string,
    readonly pixels: Uint8Array,
    readonly labels: Uint8Array,
  ) {
    this.#pictureBytes = pixels.length / labels.length;
    if (!Number.isInteger(this.#pictureBytes)) {
      throw new RangeError(
        `${name}: ${pixels.length} bytes of pixels are not ${labels.length} pictures of one size`,
      );
    }
  }

  get length(): number {
    return this.labels.length;
  }

  read(indices: Uint32Array, images: Uint8Array, labels: Uint32Array): void {
    const size = this.#pictureBytes, count = indices.length;
    checkIndices(this.name, indices, this.length);
    if (images.length !== count * size || labels.length !== count) {
      throw new RangeError(
        `${this.name}: ${count} pictures need buffers of ${
          count * size
        } bytes and ${count} labels, ` +
          `got ${images.length} and ${labels.length}`,
      );
    }
    indices.forEach((index, i) => {
      const start = index * size;
      images.set(this.pixels.subarray(start, start + size), i * size);
      labels[i] = this.labels[index]!;
    });
  }
}

/** Some pictures of another set, under labels of their own. Pictures are not copied. */
export class ImageSubset implements ImageSet {
  /**
   * @param name Names the set in errors.
   * @param positions Where `source` has each picture.
   * @param labels Class of each.
   */
  constructor(
    readonly name: string,
    readonly source: ImageSet,
    readonly positions: Uint32Array,
    readonly labels: Uint32Array,
  ) {}

  get length(): number {
    return this.positions.length;
  }

  read(indices: Uint32Array, images: Uint8Array, labels: Uint32Array): void {
    checkIndices(this.name, indices, this.length);
    const positions = indices.map((index) => this.positions[index]!);
    this.source.read(positions, images, labels);
    indices.forEach((index, i) => labels[i] = this.labels[index]!);
  }
}

/** @throws {RangeError} If an index is not in `[0, length)`. */
function checkIndices(
  name: string,
  indices: Uint32Array,
  length: number,
): void {
  const bad = indices.find((index) => index >= length);
  if (bad !== undefined) {
    throw new RangeError(
      `${name}: there is no picture ${bad}; it has ${length}, counted from 0`,
    );
  }
}
