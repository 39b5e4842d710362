// Gradients of matmul.wgsl's right operand and of its bias, set or, with ADD and addBias, added to what
// is there. f32, row-major.
// x: [n, c4] (c columns, then padding), dy: [n, m] or padded  ->  dw: [c, m] = x^T dy,
// dbias: [m] = column sums of dy
//
// A lane makes 4 * ROWS rows by 4 * COLUMNS columns of dw. All sum their columns of dy, too, of which
// those with the first rows write dbias: a loop of its own, under a branch, makes lavapipe (Mesa 22.3)
// lose memory, half a megabyte a dispatch.
// UNALIGNED: rows of dy are no whole number of vec4s.
const ROWS: u32 = 2u;
const COLUMNS: u32 = 4u;
const ADD: bool = false;
const UNALIGNED: bool = false;
const LANES: u32 = 64u;

struct Extents {
  n: u32, c: u32, m: u32,
  xStride: u32, dyStride: u32,
  columnTiles: u32,
  tiles: u32,
  addBias: u32,
}

@group(0) @binding(0) var<storage, read> x: array<vec4f>;
@group(0) @binding(1) var<storage, read> dy: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> dw: array<f32>;
@group(0) @binding(3) var<storage, read_write> dbias: array<f32>;
@group(0) @binding(4) var<uniform> e: Extents;

/** x[row][column + 4 p], and the three after it; zero past the last row. */
fn x4(row: u32, column: u32, p: u32) -> vec4f {
  return select(vec4f(), x[(row * e.xStride + column) / 4u + p], row < e.n);
}

/**
 * dy[row][column + 4 q], and the three after it, which past the end of a row are others'. Past the last
 * row comes the last again, which x's zeros take out.
 */
fn dy4(row: u32, column: u32, q: u32) -> vec4f {
  let i = min(row, e.n - 1u) * e.dyStride + column;
  if (!UNALIGNED) { return dy[i / 4u + q]; }
  return unaligned(dy[i / 4u + q], dy[i / 4u + q + 1u], i % 4u);
}

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u,
        @builtin(local_invocation_index) lane: u32) {
  let i = (group.y * groups.x + group.x) * LANES + lane;
  if (i >= e.tiles) { return; }
  let first = i / e.columnTiles * 4u * ROWS;
  let column = i % e.columnTiles * 4u * COLUMNS;
  let lastColumn = e.m - 1u;

  var sum: array<vec4f, 4u * ROWS * COLUMNS>;
  if (ADD) {
    // unroll
    for (var p = 0u; p < ROWS; p++) {
      // unroll
      for (var s = 0u; s < 4u; s++) {
        let start = min(first + 4u * p + s, e.c - 1u) * e.m;
        // unroll
        for (var q = 0u; q < COLUMNS; q++) {
          let k = start + min(column + 4u * q + vec4u(0u, 1u, 2u, 3u), vec4u(lastColumn));
          sum[(4u * p + s) * COLUMNS + q] = vec4f(dw[k.x], dw[k.y], dw[k.z], dw[k.w]);
        }
      }
    }
  }
  var bias: array<vec4f, COLUMNS>;
  if (e.addBias != 0u && first == 0u) {
    // unroll
    for (var q = 0u; q < COLUMNS; q++) {
      let k = min(column + 4u * q + vec4u(0u, 1u, 2u, 3u), vec4u(lastColumn));
      bias[q] = vec4f(dbias[k.x], dbias[k.y], dbias[k.z], dbias[k.w]);
    }
  }
  // Four rows at a time: sums that do not fit into registers are loaded and stored less often.
  for (var k = 0u; k < e.n; k += 4u) {
    var v: array<mat4x4f, ROWS>;
    // unroll
    for (var p = 0u; p < ROWS; p++) {
      // unroll
      for (var j = 0u; j < 4u; j++) {
        v[p][j] = x4(k + j, first, p);
      }
      v[p] = transpose(v[p]);
    }
    // unroll
    for (var q = 0u; q < COLUMNS; q++) {
      let m = mat4x4f(dy4(k, column, q), dy4(k + 1u, column, q), dy4(k + 2u, column, q),
                      dy4(k + 3u, column, q));
      bias[q] += m * select(vec4f(), vec4f(1.0), k + vec4u(0u, 1u, 2u, 3u) < vec4u(e.n));
      // unroll
      for (var p = 0u; p < ROWS; p++) {
        // unroll
        for (var s = 0u; s < 4u; s++) {
          sum[(4u * p + s) * COLUMNS + q] += m * v[p][s];
        }
      }
    }
  }
  // Past the last row and the last column their values are written again, which takes no branches.
  var values: array<vec4f, COLUMNS>;
  // unroll
  for (var p = 0u; p < ROWS; p++) {
    // unroll
    for (var s = 0u; s < 4u; s++) {
      let row = first + 4u * p + s;
      let start = min(row, e.c - 1u) * e.m;
      var value = 0.0;
      // unroll
      for (var q = 0u; q < COLUMNS; q++) {
        values[q] = select(values[q], sum[(4u * p + s) * COLUMNS + q], row < e.c);
        // unroll
        for (var j = 0u; j < 4u; j++) {
          let c = column + 4u * q + j;
          value = select(value, values[q][j], c <= lastColumn);
          dw[start + min(c, lastColumn)] = value;
        }
      }
    }
  }
  if (first != 0u) { return; }
  var value = 0.0;
  // unroll
  for (var q = 0u; q < COLUMNS; q++) {
    // unroll
    for (var j = 0u; j < 4u; j++) {
      let c = column + 4u * q + j;
      value = select(value, bias[q][j], c <= lastColumn);
      dbias[min(c, lastColumn)] = value;
    }
  }
}
