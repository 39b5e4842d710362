// Matrix products of a batch whose left operands are transposed, by tiles in workgroup memory
// (gemm_tn.wgsl): for GPUs. Its speed on one has not been measured. Each split sums over its own part of
// the depth.
// x: [batch, n, c], dy: [batch, n, m]  ->  dw: [split, batch, c, m] = x^T dy or, with `add`, added to it;
// f32, row-major, c and m multiples of 4.
struct Extents {
  n: u32, c4: u32, m4: u32,
  batch: u32,
  rowTiles: u32, columnTiles: u32,
  perSplit: u32,
  tiles: u32, // of all splits
  add: u32,
}

@group(0) @binding(0) var<storage, read> x: array<vec4f>;
@group(0) @binding(1) var<storage, read> dy: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> dw: array<vec4f>;
@group(0) @binding(3) var<uniform> e: Extents;

/** Fetches what follows `begin`; from `end` on zeros. */
fn fetch(begin: u32, end: u32, lane: u32, index: u32, row: u32, column: u32) {
  let r4 = row + lane % TILE_ROWS;
  let aFirst = begin + aDepth(lane, 0u);
  let aAt = (index * e.n + aFirst) * e.c4 + r4;
  // unroll
  for (var s = 0u; s < A_LOADS; s++) {
    let below = s * (LANES / TILE_ROWS);
    let inside = (aFirst + below < end) & (r4 < e.c4);
    aNext[s] = select(vec4f(), x[select(0u, aAt + below * e.c4, inside)], inside);
  }
  let c4 = column + lane % TILE_COLUMNS;
  let bFirst = begin + bDepth(lane, 0u);
  let bAt = (index * e.n + bFirst) * e.m4 + c4;
  // unroll
  for (var s = 0u; s < B_LOADS; s++) {
    let below = s * (LANES / TILE_COLUMNS);
    let inside = (bFirst + below < end) & (c4 < e.m4);
    bNext[s] = select(vec4f(), dy[select(0u, bAt + below * e.m4, inside)], inside);
  }
}

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u,
        @builtin(local_invocation_index) lane: u32) {
  let tile = group.y * groups.x + group.x;
  if (tile >= e.tiles) { return; }
  let column = tile % e.columnTiles * TILE_COLUMNS;
  let row = tile / e.columnTiles % e.rowTiles * TILE_ROWS;
  let index = tile / (e.columnTiles * e.rowTiles) % e.batch;
  let split = tile / (e.columnTiles * e.rowTiles * e.batch);
  let begin = split * e.perSplit;
  let end = min(begin + e.perSplit, e.n);
  fetch(begin, end, lane, index, row, column);
  for (var k = begin; k < end; k += DEPTH) {
    stage(lane);
    fetch(k + DEPTH, end, lane, index, row, column);
    multiply(lane);
  }
  let base = (split * e.batch + index) * 4u * e.c4;
  // unroll
  for (var r = 0u; r < ROWS; r++) {
    let r4 = row + lane / ACROSS + r * DOWN;
    // unroll
    for (var q = 0u; q < COLUMNS; q++) {
      let c4 = column + lane % ACROSS + q * ACROSS;
      if ((r4 < e.c4) & (c4 < e.m4)) {
        // unroll
        for (var j = 0u; j < 4u; j++) {
          let at = (base + 4u * r4 + j) * e.m4 + c4;
          if (e.add != 0u) { dw[at] += sum[(4u * r + j) * COLUMNS + q]; }
          else { dw[at] = sum[(4u * r + j) * COLUMNS + q]; }
        }
      }
    }
  }
}
