// Matrix product by register tiles; no workgroup memory. f32, row-major.
// a: [rows, depth], b: [depth, columns] or, if TRANSPOSED, [columns, depth]  (+ bias: [columns], with
// BIAS)  ->  y: [rows, columns]. Rows of a and of y may be padded to a multiple of 4, with zeros.
//
// A lane makes ROWS rows by 4 * COLUMNS columns. UNALIGNED_A, _B: rows of a, of b are no whole number
// of vec4s; four floats are then shifted out of two.
const ROWS: u32 = 8u;
const COLUMNS: u32 = 4u;
const TRANSPOSED: bool = false;
const BIAS: bool = false;
const UNALIGNED_A: bool = false;
const UNALIGNED_B: bool = false;
const LANES: u32 = 64u;

struct Extents {
  rows: u32,
  columns: u32, // of y, padding included
  filled: u32, // of these, not padding
  depth: u32,
  aStride: u32,
  bRows: u32,
  bStride: u32,
  columnTiles: u32,
  lanes: u32,
}

@group(0) @binding(0) var<storage, read> a: array<vec4f>;
@group(0) @binding(1) var<storage, read> b: array<vec4f>;
@group(0) @binding(2) var<storage, read> bias: array<f32>;
@group(0) @binding(3) var<storage, read_write> y: array<f32>;
@group(0) @binding(4) var<uniform> e: Extents;

/** a[row][k], and the three after it; zero past the depth. */
fn a4(row: u32, k: u32) -> vec4f {
  let i = min(row, e.rows - 1u) * e.aStride + k;
  if (!UNALIGNED_A) { return a[i / 4u]; }
  return within(k, unaligned(a[i / 4u], a[i / 4u + 1u], i % 4u));
}

/** Sets to zero what is past the depth. */
fn within(k: u32, v: vec4f) -> vec4f {
  return select(vec4f(), v, k + vec4u(0u, 1u, 2u, 3u) < vec4u(e.depth));
}

/**
 * b[row][k + 4 q], and the three after it; past the end of a row zero if TRANSPOSED, else anything.
 * Past the last row comes the last again, which a's zeros take out.
 */
fn b4(row: u32, k: u32, q: u32) -> vec4f {
  let i = min(row, e.bRows - 1u) * e.bStride + k;
  if (!UNALIGNED_B) { return b[i / 4u + q]; }
  let v = unaligned(b[i / 4u + q], b[i / 4u + q + 1u], i % 4u);
  if (!TRANSPOSED) { return v; }
  return within(k, v);
}

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u,
        @builtin(local_invocation_index) lane: u32) {
  let i = (group.y * groups.x + group.x) * LANES + lane;
  if (i >= e.lanes) { return; }
  let row = i / e.columnTiles * ROWS;
  let column = i % e.columnTiles * 4u * COLUMNS;
  let lastColumn = e.columns - 1u;

  var sum: array<vec4f, ROWS * COLUMNS>;
  if (BIAS) {
    // unroll
    for (var q = 0u; q < COLUMNS; q++) {
      let c = min(column + 4u * q + vec4u(0u, 1u, 2u, 3u), vec4u(lastColumn));
      let start = vec4f(bias[c.x], bias[c.y], bias[c.z], bias[c.w]);
      // unroll
      for (var p = 0u; p < ROWS; p++) {
        sum[p * COLUMNS + q] = start;
      }
    }
  }
  for (var k = 0u; k < e.depth; k += 4u) {
    var v: array<vec4f, ROWS>;
    // unroll
    for (var p = 0u; p < ROWS; p++) {
      v[p] = a4(row + p, k);
    }
    // unroll
    for (var q = 0u; q < COLUMNS; q++) {
      var m: mat4x4f;
      // unroll
      for (var j = 0u; j < 4u; j++) {
        if (TRANSPOSED) { m[j] = b4(column + 4u * q + j, k, 0u); }
        else { m[j] = b4(k + j, column, q); }
      }
      if (TRANSPOSED) { m = transpose(m); }
      // unroll
      for (var p = 0u; p < ROWS; p++) {
        sum[p * COLUMNS + q] += m * v[p];
      }
    }
  }
  // Past the last row and the last column their values are written again, which takes no branches.
  // unroll
  for (var p = 0u; p < ROWS; p++) {
    let start = min(row + p, e.rows - 1u) * e.columns;
    var value = 0.0;
    // unroll
    for (var q = 0u; q < COLUMNS; q++) {
      // unroll
      for (var j = 0u; j < 4u; j++) {
        let c = min(column + 4u * q + j, lastColumn);
        value = select(value, sum[p * COLUMNS + q][j], column + 4u * q + j <= lastColumn);
        y[start + c] = select(0.0, value, c < e.filled);
      }
    }
  }
}
