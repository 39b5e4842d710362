/**
 * Reads and writes safetensors files: an 8-byte length, a JSON header, then the tensors' bytes.
 * Format: https://github.com/huggingface/safetensors. Only F32 is needed here.
 */
export interface SafeTensors {
  /** Arrays by name. */
  tensors: Map<string, { shape: number[]; data: Float32Array }>;
  /** Texts by name. */
  metadata: Record<string, string>;
}

/** The file is not what it should be; the message says where. */
export class SafeTensorsError extends Error {
  /** Survives minifiers. */
  override name = "SafeTensorsError";
}

/** Where the file's tensors start is a multiple of this, in bytes. */
const HEADER_ALIGNMENT = 8;

/** The bytes of a file of F32 tensors. */
export function encodeSafeTensors(
  { tensors, metadata }: SafeTensors,
): Uint8Array<ArrayBuffer> {
  const header: Record<string, unknown> = { __metadata__: metadata };
  let end = 0;
  for (const [name, { shape, data }] of tensors) {
    header[name] = {
      dtype: "F32",
      shape,
      data_offsets: [end, end += data.byteLength],
    };
  }
  let json = new TextEncoder().encode(JSON.stringify(header));
  const padded = Math.ceil(json.length / HEADER_ALIGNMENT) * HEADER_ALIGNMENT;
  json = Uint8Array.from({ length: padded }, (_, i) => json[i] ?? 0x20); // spaces, as the format asks
  const file = new Uint8Array(8 + padded + end);
  new DataView(file.buffer).setBigUint64(0, BigInt(padded), true);
  file.set(json, 8);
  let at = 8 + padded;
  for (const { data } of tensors.values()) {
    file.set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength), at);
    at += data.byteLength;
  }
  return file;
}

/** Where a tensor lies, in bytes from the beginning of the file. */
export interface TensorPlace {
  /** Outermost first. */
  shape: number[];
  /** Its first byte. */
  start: number;
  /** Behind its last byte. */
  end: number;
}

/** What a file says of itself before the tensors' bytes. */
export interface SafeTensorsHeader {
  /** By name. */
  tensors: Map<string, TensorPlace>;
  /** Texts by name. */
  metadata: Record<string, string>;
}

/** Bytes at the file's beginning that say how long the header is. */
export const HEADER_START = 8;

/** The format's own limit, in bytes: a longer header is a sign that the file is something else. */
const LONGEST_HEADER = 100_000_000;

function fail(what: string): never {
  throw new SafeTensorsError(`not a whole safetensors file: ${what}`);
}

/**
 * Where the header ends and the tensors' bytes begin.
 *
 * @param file Its first {@linkcode HEADER_START} bytes, or more.
 * @param size Of the whole file, in bytes, if that is known.
 * @throws {SafeTensorsError} If that cannot be a safetensors file.
 */
export function safeTensorsHeaderEnd(file: Uint8Array, size: number = Infinity): number {
  if (file.length < HEADER_START) {
    fail(`${file.length} bytes, less than the ${HEADER_START} of the header's length`);
  }
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  const end = HEADER_START + Number(view.getBigUint64(0, true));
  if (end > LONGEST_HEADER) {
    fail(`its header would have ${end - HEADER_START} bytes; it may be another kind of file`);
  }
  if (end > size) fail(`the header ends at byte ${end} of ${size}`);
  return end;
}

/**
 * Reads the header alone.
 *
 * @param file The file, or as much of its beginning as {@linkcode safeTensorsHeaderEnd} says.
 * @param size Of the whole file, in bytes, if that is known.
 * @throws {SafeTensorsError} If the header is not that of F32 tensors within the file.
 */
export function decodeSafeTensorsHeader(
  file: Uint8Array,
  size: number = Infinity,
): SafeTensorsHeader {
  const begin = safeTensorsHeaderEnd(file, file.length);
  let header: unknown;
  try {
    const text = new TextDecoder("utf-8", { fatal: true });
    header = JSON.parse(text.decode(file.subarray(HEADER_START, begin)));
  } catch (error) {
    fail(`its header is not JSON (${(error as Error).message})`);
  }
  if (!isRecord(header)) fail("its header is not a JSON object");
  const { __metadata__: metadata = {}, ...entries } = header;
  if (!isRecord(metadata) || !Object.values(metadata).every((text) => typeof text === "string")) {
    fail("its metadata is not an object of strings");
  }
  const tensors = new Map<string, TensorPlace>();
  for (const [name, entry] of Object.entries(entries)) {
    const { dtype, shape, data_offsets: offsets } = isRecord(entry) ? entry : {};
    if (!isCounts(shape) || !isCounts(offsets) || offsets.length !== 2) {
      fail(`tensor ${name} lacks its shape or its data_offsets`);
    }
    if (dtype !== "F32") fail(`tensor ${name} is ${dtype}; only F32 is read`);
    const length = shape.reduce((product, extent) => product * extent, 1);
    const [start, end] = offsets.map((offset) => begin + offset) as [number, number];
    if (end - start !== 4 * length || end > size) {
      const of = size === Infinity ? `, ${4 * length} bytes` : ` of ${size}`;
      fail(`tensor ${name} [${shape}] should lie in bytes ${start} to ${end}${of}`);
    }
    tensors.set(name, { shape, start, end });
  }
  return { tensors, metadata: metadata as Record<string, string> };
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isCounts(value: unknown): value is number[] {
  return Array.isArray(value) && value.every((item) => Number.isSafeInteger(item) && item >= 0);
}

/** Reads a file. @throws {SafeTensorsError} If the bytes are not a whole safetensors file of F32 tensors. */
export function decodeSafeTensors(file: Uint8Array): SafeTensors {
  const { tensors, metadata } = decodeSafeTensorsHeader(file, file.length);
  return {
    tensors: new Map(
      [...tensors].map(([name, { shape, start, end }]) => {
        // A copy, because the bytes need not be aligned.
        return [name, { shape, data: new Float32Array(file.slice(start, end).buffer) }];
      }),
    ),
    metadata,
  };
}
