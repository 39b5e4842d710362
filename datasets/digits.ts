import { type Dataset, MemoryImageSet } from "./image_set.ts";

const COUNT = 1797;
const PIXELS = 64;

/** Of five pictures of a class, in the order of the file, the one that is for testing. */
const TEST_RANK = 2;

/**
 * Handwritten digits, 8x8 pixels of 0 to 16, 1,438 for training and 359 for testing.
 *
 * Every fifth picture of each class is a test picture, so both parts have the classes alike. The file
 * goes from writer to writer: the same hands wrote both parts.
 *
 * Source: E. Alpaydin and C. Kaynak, Optical Recognition of Handwritten Digits, UCI Machine Learning
 * Repository, 1998, https://doi.org/10.24432/C50P49, CC BY 4.0; the file optdigits.tes.
 */
export async function loadDigits(): Promise<Dataset> {
  const { pixels, labels } = await decodeDigits();
  const seen = new Uint32Array(10);
  const isTest = Array.from(
    labels,
    (label) => seen[label]!++ % 5 === TEST_RANK,
  );
  const part = (name: string, wanted: boolean) => {
    const kept = labels.filter((_, i) => isTest[i] === wanted);
    const keptPixels = pixels.filter((_, i) => {
      return isTest[Math.floor(i / PIXELS)] === wanted;
    });
    return new MemoryImageSet(`digits ${name}`, keptPixels, kept);
  };
  return {
    classes: Array.from("0123456789"),
    height: 8,
    width: 8,
    channels: 1,
    maximum: 16,
    train: part("train", false),
    test: part("test", true),
  };
}

/**
 * All pictures in the order of the UCI file.
 *
 * The stored bytes are the labels, then pixel by pixel all pictures, those of a class together: alike
 * values in a row deflate best.
 *
 * @returns `pixels` `[1797, 8, 8]` and `labels` `[1797]`.
 */
export async function decodeDigits(): Promise<
  { pixels: Uint8Array; labels: Uint8Array }
> {
  // Imported here, so that a bundler can keep the pictures out of a page's first file.
  const { digitsData } = await import("./digits_data.ts");
  const deflated = Uint8Array.from(atob(digitsData), (c) => c.charCodeAt(0));
  const stream = new Blob([deflated]).stream()
    .pipeThrough(new DecompressionStream("deflate"));
  const stored = new Uint8Array(await new Response(stream).arrayBuffer());
  const labels = stored.slice(0, COUNT);
  const pixels = new Uint8Array(COUNT * PIXELS);
  const byClass = [...labels.keys()].sort((a, b) => labels[a]! - labels[b]!);
  byClass.forEach((picture, i) => {
    for (let pixel = 0; pixel < PIXELS; pixel++) {
      pixels[picture * PIXELS + pixel] = stored[(pixel + 1) * COUNT + i]!;
    }
  });
  return { pixels, labels };
}
