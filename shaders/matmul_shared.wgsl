// Matrix products of a batch, by tiles in workgroup memory (gemm_nn.wgsl): for GPUs. Its speed on one
// has not been measured.
// a: [batch, rows, depth], b: [batch, depth, columns] or, if TRANSPOSED, [batch, columns, depth]
// (+ bias: [columns], with BIAS)  ->  y: [batch, rows, columns]; f32, row-major, depth and columns
// multiples of 4.
const TRANSPOSED: bool = false;
const BIAS: bool = false;

struct Extents {
  rows: u32, depth4: u32, columns4: u32,
  rowTiles: u32, columnTiles: u32,
  tiles: u32, // of the whole batch
}

@group(0) @binding(0) var<storage, read> a: array<vec4f>;
@group(0) @binding(1) var<storage, read> b: array<vec4f>;
@group(0) @binding(2) var<storage, read> bias: array<vec4f>;
@group(0) @binding(3) var<storage, read_write> y: array<vec4f>;
@group(0) @binding(4) var<uniform> e: Extents;

/** Fetches what the step needs; past the depth zeros. */
fn fetch(step: u32, lane: u32, index: u32, row: u32, column: u32) {
  let k4 = step * DEPTH + lane % DEPTH;
  let r = row + fetchRow(lane, 0u);
  let aAt = (index * e.rows + r) * e.depth4 + k4;
  // unroll
  for (var s = 0u; s < A_LOADS; s++) {
    let below = s * (LANES / DEPTH);
    let inside = (k4 < e.depth4) & (r + below < e.rows);
    aNext[s] = select(vec4f(), a[select(0u, aAt + below * e.depth4, inside)], inside);
  }
  let bAt = index * 4u * e.depth4 * e.columns4;
  if (TRANSPOSED) {
    // Four columns, 4 of the depth of each: turned by 90 degrees.
    let c4 = column + lane / DEPTH;
    let inside = (k4 < e.depth4) & (c4 < e.columns4);
    let at = select(0u, bAt + 4u * c4 * e.depth4 + k4, inside);
    let next = select(0u, e.depth4, inside);
    let m = transpose(mat4x4f(b[at], b[at + next], b[at + 2u * next], b[at + 3u * next]));
    // unroll
    for (var s = 0u; s < B_LOADS; s++) {
      bNext[s] = select(vec4f(), m[s], inside);
    }
  } else {
    let c4 = column + lane % TILE_COLUMNS;
    let first = 4u * step * DEPTH + lane / TILE_COLUMNS;
    let at = bAt + first * e.columns4 + c4;
    // unroll
    for (var s = 0u; s < B_LOADS; s++) {
      let below = s * (LANES / TILE_COLUMNS);
      let inside = (first + below < 4u * e.depth4) & (c4 < e.columns4);
      bNext[s] = select(vec4f(), b[select(0u, at + below * e.columns4, inside)], inside);
    }
  }
}

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u,
        @builtin(local_invocation_index) lane: u32) {
  let tile = group.y * groups.x + group.x;
  if (tile >= e.tiles) { return; }
  // Workgroups side by side share rows of a; b is the smaller one, or of equal use.
  let column = tile % e.columnTiles * TILE_COLUMNS;
  let row = tile / e.columnTiles % e.rowTiles * TILE_ROWS;
  let index = tile / (e.columnTiles * e.rowTiles);
  let bDepth = select(lane / TILE_COLUMNS, 4u * (lane % DEPTH), TRANSPOSED);
  let bStep = select(LANES / TILE_COLUMNS, 1u, TRANSPOSED);
  let bColumn = select(lane % TILE_COLUMNS, lane / DEPTH, TRANSPOSED);
  fetch(0u, lane, index, row, column);
  let steps = (e.depth4 + DEPTH - 1u) / DEPTH;
  for (var step = 0u; step < steps; step++) {
    stage(lane, bDepth, bStep, bColumn);
    fetch(step + 1u, lane, index, row, column);
    multiply(lane);
  }
  // unroll
  for (var q = 0u; q < COLUMNS; q++) {
    let c4 = column + lane % ACROSS + q * ACROSS;
    var start: vec4f;
    if (BIAS) { start = bias[min(c4, e.columns4 - 1u)]; }
    // unroll
    for (var r = 0u; r < ROWS; r++) {
      let to = row + lane / ACROSS + r * DOWN;
      if ((to < e.rows) & (c4 < e.columns4)) {
        y[(index * e.rows + to) * e.columns4 + c4] = start + sum[r * COLUMNS + q];
      }
    }
  }
}
