import { assertEquals, assertThrows } from "@std/assert";
import {
  decodeSafeTensors,
  decodeSafeTensorsHeader,
  encodeSafeTensors,
  SafeTensorsError,
  safeTensorsHeaderEnd,
} from "../../nn/safetensors.ts";

const tensors = new Map([
  ["b", { shape: [2, 3], data: Float32Array.of(1, 2, 3, 4, 5, 6) }],
  ["a", { shape: [1], data: Float32Array.of(7) }],
  ["none", { shape: [0], data: Float32Array.of() }],
]);
const metadata = { made: "by hand" };

Deno.test("safetensors: the header alone says where each tensor lies", () => {
  const file = encodeSafeTensors({ tensors, metadata });
  assertEquals(decodeSafeTensors(file), { tensors, metadata });
  const end = safeTensorsHeaderEnd(file.subarray(0, 8), file.length);
  assertEquals(end % 8, 0);
  for (const size of [file.length, undefined]) {
    const header = decodeSafeTensorsHeader(file.subarray(0, end), size);
    assertEquals(header.metadata, metadata);
    assertEquals([...header.tensors], [
      ["b", { shape: [2, 3], start: end, end: end + 24 }],
      ["a", { shape: [1], start: end + 24, end: end + 28 }],
      ["none", { shape: [0], start: end + 28, end: end + 28 }],
    ]);
  }
});

/** A file whose header is some text. */
function withHeader(text: string, bytes = 8): Uint8Array {
  const json = new TextEncoder().encode(text);
  const file = new Uint8Array(8 + json.length + bytes);
  new DataView(file.buffer).setBigUint64(0, BigInt(json.length), true);
  file.set(json, 8);
  return file;
}

Deno.test("safetensors: what is wrong with a file is named", () => {
  const tensor = (fields: Record<string, unknown>) => {
    const good = { dtype: "F32", shape: [2], data_offsets: [0, 8] };
    return withHeader(JSON.stringify({ t: { ...good, ...fields } }));
  };
  const html = new TextEncoder().encode("<!DOCTYPE html>".padEnd(300));
  const cases: [Uint8Array, string][] = [
    [new Uint8Array(5), "5 bytes, less than the 8 of the header's length"],
    [html, "its header would have 578975"],
    [withHeader("{}").subarray(0, 9), "the header ends at byte 10 of 9"],
    [withHeader("{"), "its header is not JSON"],
    [withHeader("\xff{}").fill(0xff, 8, 9), "its header is not JSON"],
    [withHeader("[]"), "its header is not a JSON object"],
    [withHeader("null"), "its header is not a JSON object"],
    [withHeader('{"__metadata__":{"a":1}}'), "its metadata is not an object of strings"],
    [withHeader('{"t":null}'), "tensor t lacks its shape or its data_offsets"],
    [tensor({ shape: "2" }), "tensor t lacks its shape or its data_offsets"],
    [tensor({ shape: [-2] }), "tensor t lacks its shape or its data_offsets"],
    [tensor({ data_offsets: [0] }), "tensor t lacks its shape or its data_offsets"],
    [tensor({ dtype: "BF16" }), "tensor t is BF16; only F32 is read"],
    [tensor({ shape: [3] }), "tensor t [3] should lie in bytes"],
    [tensor({ data_offsets: [4, 12] }), "tensor t [2] should lie in bytes"],
    [tensor({ data_offsets: [8, 0] }), "tensor t [2] should lie in bytes"],
  ];
  for (const [file, message] of cases) {
    const told = `not a whole safetensors file: ${message}`;
    assertThrows(() => decodeSafeTensors(file), SafeTensorsError, told);
  }
  const endless = withHeader("{}");
  new DataView(endless.buffer).setBigUint64(0, 2n ** 40n, true);
  assertThrows(
    () => safeTensorsHeaderEnd(endless),
    SafeTensorsError,
    "its header would have 1099511627776 bytes; it may be another kind of file",
  );
});
