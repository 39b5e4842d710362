/** Pixels of a picture a visitor chose. */

/** Larger pictures are brought down to this many pixels a side: more would only cost memory. */
const LARGEST_SIDE = 4096;

/**
 * Decodes a picture file as the browser can, turned upright, transparency kept.
 *
 * @throws {Error} If it is empty, or not a picture that this browser reads.
 */
export async function decodeFile(file: Blob): Promise<ImageData> {
  if (file.size === 0) throw new Error("the file is empty");
  let bitmap: ImageBitmap;
  try {
    bitmap = await createImageBitmap(file, {
      premultiplyAlpha: "none",
      colorSpaceConversion: "none",
    });
  } catch {
    throw new Error(
      "it is not a picture that this browser can read, or it is damaged; try a PNG or a JPEG",
    );
  }
  try {
    const scale = Math.min(1, LARGEST_SIDE / Math.max(bitmap.width, bitmap.height));
    const width = Math.max(1, Math.round(bitmap.width * scale));
    const height = Math.max(1, Math.round(bitmap.height * scale));
    const context = new OffscreenCanvas(width, height).getContext("2d", {
      willReadFrequently: true,
    })!;
    context.imageSmoothingQuality = "high";
    context.drawImage(bitmap, 0, 0, width, height);
    return context.getImageData(0, 0, width, height);
  } finally {
    bitmap.close();
  }
}
