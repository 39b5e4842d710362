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

/** Reads a file. @throws {SafeTensorsError} If the bytes are not a whole safetensors file of F32 tensors. */
export function decodeSafeTensors(file: Uint8Array): SafeTensors {
  const fail = (what: string): never => {
    throw new SafeTensorsError(`not a whole safetensors file: ${what}`);
  };
  if (file.length < 8) {
    fail(`${file.length} bytes, less than the 8 of the header's length`);
  }
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  const start = 8 + Number(view.getBigUint64(0, true));
  if (start > file.length) {
    fail(`the header ends at byte ${start} of ${file.length}`);
  }
  let header: Record<
    string,
    { dtype: string; shape: number[]; data_offsets: [number, number] }
  >;
  try {
    header = JSON.parse(new TextDecoder().decode(file.subarray(8, start)));
  } catch (error) {
    return fail(`its header is not JSON (${(error as Error).message})`);
  }
  const { __metadata__, ...entries } = header;
  const tensors: SafeTensors["tensors"] = new Map();
  for (
    const [name, { dtype, shape, data_offsets: [from, to] }] of Object.entries(
      entries,
    )
  ) {
    const length = shape.reduce((product, extent) => product * extent, 1);
    if (dtype !== "F32") fail(`tensor ${name} is ${dtype}; only F32 is read`);
    if (to - from !== 4 * length || start + to > file.length) {
      fail(
        `tensor ${name} [${shape}] should lie in bytes ${start + from} to ${
          start + to
        } of ${file.length}`,
      );
    }
    // A copy, because the bytes need not be aligned.
    tensors.set(name, {
      shape,
      data: new Float32Array(file.slice(start + from, start + to).buffer),
    });
  }
  return {
    tensors,
    metadata: (__metadata__ ?? {}) as unknown as Record<string, string>,
  };
}
