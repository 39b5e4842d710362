/** Decodes picture files; `datasets/pictures.ts` makes of them what a network reads. */
import decodeJpeg, { init as initJpeg } from "@jsquash/jpeg/decode.js";
import decodePng from "@jsquash/png/decode.js";
import type { Picture } from "../datasets/pictures.ts";

/**
 * Decodes a PNG, a JPEG (turned upright as its EXIF says) or a binary PGM or PPM.
 *
 * @throws {Error} If the file is of another kind, damaged or cut short.
 */
export async function decodePicture(bytes: Uint8Array): Promise<Picture> {
  const starts = (...head: number[]) => head.every((byte, i) => bytes[i] === byte);
  if (bytes.length === 0) throw new Error("the file is empty");
  if (starts(0x89, 0x50, 0x4e, 0x47)) return await fromPng(bytes);
  if (starts(0xff, 0xd8)) return await fromJpeg(bytes);
  if (starts(0x50, 0x35) || starts(0x50, 0x36)) return fromNetpbm(bytes);
  throw new Error("it is not a PNG, JPEG, PGM or PPM picture");
}

async function fromPng(bytes: Uint8Array): Promise<Picture> {
  try {
    const { width, height, data } = await decodePng(bytes.slice().buffer);
    return { width, height, rgba: data };
  } catch {
    throw new Error("the PNG is damaged or cut short"); // the decoder says no more
  }
}

const jpegMessages: string[] = [];
let jpegReady: Promise<void> | undefined;

async function fromJpeg(bytes: Uint8Array): Promise<Picture> {
  // A JPEG cut short decodes to a picture that is grey below; only a message tells.
  jpegReady ??= initJpeg({
    printErr: (message: string) => jpegMessages.push(message),
  });
  await jpegReady;
  jpegMessages.length = 0;
  let picture: ImageData | undefined;
  try {
    picture = await decodeJpeg(bytes.slice().buffer, {
      preserveOrientation: true,
    });
  } catch {
    jpegMessages.push("no picture in it");
  }
  if (!picture || jpegMessages.length > 0) {
    throw new Error(
      `the JPEG is damaged or of an unknown kind (${jpegMessages[0]})`,
    );
  }
  const { width, height, data } = picture;
  return { width, height, rgba: data as Uint8ClampedArray };
}

/** Netpbm P5 (grey) and P6 (colour): https://netpbm.sourceforge.net/doc/ppm.html */
function fromNetpbm(bytes: Uint8Array): Picture {
  const text = new TextDecoder("latin1").decode(bytes.subarray(0, 1000));
  const gap = String.raw`(?:\s|#[^\n]*\n)+`;
  const header = new RegExp(`^P([56])${gap}(\\d+)${gap}(\\d+)${gap}(\\d+)\\s`)
    .exec(text);
  if (!header) throw new Error("the PGM or PPM has a damaged header");
  const [kind, width, height, maximum] = header.slice(1).map(Number) as [
    number,
    number,
    number,
    number,
  ];
  const channels = kind === 5 ? 1 : 3;
  const sampleBytes = maximum < 256 ? 1 : 2;
  const samples = bytes.subarray(header[0].length);
  const pixels = width * height;
  if (
    pixels === 0 || maximum === 0 || maximum > 65535 ||
    samples.length < pixels * channels * sampleBytes
  ) {
    throw new Error("the PGM or PPM is damaged or cut short");
  }
  const sample = (i: number) =>
    (sampleBytes === 1 ? samples[i]! : samples[2 * i]! * 256 + samples[2 * i + 1]!) * 255 / maximum;
  const rgba = new Uint8ClampedArray(pixels * 4).fill(255);
  for (let i = 0; i < pixels; i++) {
    for (let c = 0; c < 3; c++) {
      rgba[4 * i + c] = sample(channels === 1 ? i : 3 * i + c);
    }
  }
  return { width, height, rgba };
}
