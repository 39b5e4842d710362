/** Extents of a row-major array, outermost first. */
export type Shape = readonly number[];

/** `[images, height, width, channels]`. */
export type Shape4 = readonly [number, number, number, number];

/** Number of values in an array of this shape. */
export function size(shape: Shape): number {
  return shape.reduce((product, extent) => product * extent, 1);
}

/**
 * Refuses an array that does not fill its shape: a typed array reads past its
 * end as `undefined`, and a reference that turns into NaN hides where.
 *
 * @param name What the array is, such as `"conv2d: x"`.
 * @throws {RangeError} If the length is not that of the shape.
 */
export function checkLength(
  name: string,
  values: { readonly length: number },
  shape: Shape,
): void {
  if (values.length !== size(shape)) {
    throw new RangeError(
      `${name} must hold the ${size(shape)} values of [${shape}], got ${values.length}`,
    );
  }
}
