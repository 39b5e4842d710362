import { assertEquals, assertThrows } from "@std/assert";
import {
  readThroughTexture,
  setConstants,
  storeAsHalf,
  TEXTURE_WIDTH,
  unroll,
} from "../../shaders/specialize.ts";

/** Checks the whole message. */
function refuses(work: () => unknown, message: string): void {
  assertEquals(assertThrows(work, Error).message, message);
}

const SOURCE = `const ROWS: u32 = 4u;
const RELU: bool = false; // fused
const SCALE: f32 = 1.5;
fn main() { let ROWS2 = ROWS; }
`;

Deno.test("setConstants() replaces the named values and nothing else", () => {
  assertEquals(
    setConstants("k", SOURCE, { ROWS: 16, RELU: true, SCALE: 2 }),
    `const ROWS: u32 = 16u;
const RELU: bool = true; // fused
const SCALE: f32 = 2;
fn main() { let ROWS2 = ROWS; }
`,
  );
  assertEquals(setConstants("k", SOURCE, {}), SOURCE);
});

Deno.test("setConstants() refuses a name that is not declared at the top", () => {
  refuses(
    () => setConstants("conv2d", SOURCE, { ROWS: 2, COLUMNS: 3 }),
    'kernel conv2d: its WGSL declares no "const COLUMNS: type" to set',
  );
  refuses(
    () => setConstants("conv2d", "  const ROWS: u32 = 4u;", { ROWS: 2 }),
    'kernel conv2d: its WGSL declares no "const ROWS: type" to set',
  );
});

Deno.test("unroll() repeats the body with the index written out", () => {
  const source = `const N: u32 = 2u;
  // unroll
  for (var p = 0u; p < N; p++) {
    sum[p] += up * p;
  }
end`;
  assertEquals(
    unroll("k", source),
    `const N: u32 = 2u;
  {
    sum[0u] += up * 0u;
  }
{
    sum[1u] += up * 1u;
  }
end`,
  );
});

Deno.test("unroll() takes inner loops first, and literal counts", () => {
  const source = `// unroll
for (var p = 0u; p < 2; p++) {
// unroll
for (var q = 0u; q < 3; q++) { x[p * 3u + q] = 0; }
}`;
  const unrolled = unroll("k", source);
  const stores = [...unrolled.matchAll(/x\[(\d)u \* 3u \+ (\d)u\]/g)];
  assertEquals(
    stores.map(([, p, q]) => `${p}${q}`),
    ["00", "01", "02", "10", "11", "12"],
  );
  assertEquals(unrolled.includes("for"), false);
});

Deno.test("unroll() leaves loops without the mark", () => {
  const source = "for (var p = 0u; p < 2; p++) { }";
  assertEquals(unroll("k", source), source);
});

Deno.test("unroll() refuses what is no counted loop, and counts it does not know", () => {
  refuses(
    () => unroll("k", "// unroll\nwhile (true) { }"),
    "kernel k: cannot unroll // unroll\nwhile (true) { }",
  );
  refuses(
    () => unroll("k", "// unroll\nfor (var p = 0u; p < N; p++) { }"),
    "kernel k: cannot unroll // unroll\nfor (var p = 0u; p < N; p++) { }",
  );
  refuses(
    () => unroll("k", "// unroll\nfor (var p = 0u; p < 2; p++) { if (a) {}"),
    "kernel k: no } for { if (a) {}",
  );
});

Deno.test("readThroughTexture() turns every load of a binding into one from a texture", () => {
  const source = `@binding(0) var<storage, read> x: array<vec4f>;
@binding(1) var<storage, read> max: array<vec4f>;
fn main() {
  // x: [n, c]
  let a = x[offsets[i] + 1u] + max[x_index] * dx[2];
  let b = x[3u];
}`;
  assertEquals(
    readThroughTexture("k", source, "x"),
    `@binding(0) var x: texture_storage_2d<rgba32float, read>;
@binding(1) var<storage, read> max: array<vec4f>;
fn main() {
  // x: [n, c]
  let a = x_at(offsets[i] + 1u) + max[x_index] * dx[2];
  let b = x_at(3u);
}
fn x_at(i: u32) -> vec4f {
  return textureLoad(x, vec2u(i % ${TEXTURE_WIDTH}u, i / ${TEXTURE_WIDTH}u));
}
`,
  );
});

Deno.test("readThroughTexture() refuses a binding that holds no vectors", () => {
  refuses(
    () => readThroughTexture("k", "var<storage, read> x: array<f32>;", "x"),
    'kernel k: its WGSL does not declare "var<storage, read> x: array<vec4f>;"',
  );
});

Deno.test("storeAsHalf() widens what is loaded and rounds what is stored", () => {
  const source = `@group(0) @binding(0) var<storage, read> x: array<vec4f>;
@group(0) @binding(1) var<storage, read_write> y: array<vec4f>;
let at = index[1];
y[row[0] + q] = x[start[p] + c] + x[0] * value.x[1];
if (y[i] == 0) { z = y[1] + max[2]; } else { y[i] = vec4f(); }`;
  assertEquals(
    storeAsHalf("k", storeAsHalf("k", source, "x"), "y"),
    `@group(0) @binding(0) var<storage, read> x: array<vec4h>;
@group(0) @binding(1) var<storage, read_write> y: array<vec4h>;
let at = index[1];
y[row[0] + q] = vec4h(vec4f(x[start[p] + c]) + vec4f(x[0]) * value.x[1]);
if (vec4f(y[i]) == 0) { z = vec4f(y[1]) + max[2]; } else { y[i] = vec4h(vec4f()); }`,
  );
});

Deno.test("storeAsHalf() sees through an alias, and takes floats alone", () => {
  const source = (value: string) =>
    `alias Value = ${value};
@group(0) @binding(0) var<storage, read_write> dx: array<Value>;
dx[i] = dx[j];`;
  for (const [value, half] of [["f32", "f16"], ["vec4f", "vec4h"]] as const) {
    assertEquals(
      storeAsHalf("k", source(value), "dx"),
      `alias Value = ${value};
@group(0) @binding(0) var<storage, read_write> dx: array<${half}>;
dx[i] = ${half}(Value(dx[j]));`,
    );
  }
  const message = (name: string) =>
    `kernel k: its WGSL declares no floats "${name}" to store in 16 bits`;
  refuses(() => storeAsHalf("k", source("u32"), "dx"), message("dx"));
  refuses(() => storeAsHalf("k", source("f32"), "x"), message("x"));
});
