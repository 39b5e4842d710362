// Weight gradient of a convolution, first stage, as an implicit matrix product
// [pixels, taps * ci]^T x [pixels, co], by tiles in workgroup memory (gemm_tn.wgsl): for GPUs. Its speed
// on one has not been measured. Each split sums over its own pixels of dy.
// x: [n, h, w, ci], dy: [n, ho, wo, co]  ->  partial: [split, tap, ci, co]
// f32, NHWC; ci and co are multiples of 4.
struct Extents {
  h: i32, w: i32, ci4: u32,
  ho: u32, wo: u32, co4: u32,
  kernel: i32, stride: i32, padding: i32,
  pixels: u32, // n * ho * wo
  perSplit: u32,
  rowTiles: u32, columnTiles: u32,
  tiles: u32, // of all splits
}

@group(0) @binding(0) var<storage, read> x: array<vec4f>;
@group(0) @binding(1) var<storage, read> dy: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> partial: array<vec4f>;
@group(0) @binding(3) var<uniform> e: Extents;

/**
 * Image, row and column of each pixel of dy that is next to be fetched: whole numbers, but floats are
 * multiplied and divided faster.
 */
var<private> source: array<vec3f, A_LOADS>;

/** The four rows of a tap and of four input channels that a lane fetches. */
struct Rows { offset: vec2f, channel4: u32, exist: bool }

/** Fetches what follows `begin`; from `end` on zeros. */
fn fetch(begin: u32, end: u32, lane: u32, rows: Rows, column: u32) {
  // unroll
  for (var s = 0u; s < A_LOADS; s++) {
    let spot = source[s].yz * f32(e.stride) + rows.offset;
    let inside = (begin + aDepth(lane, s) < end) & rows.exist &
      all(spot >= vec2f()) & all(spot < vec2f(f32(e.h), f32(e.w)));
    let line = u32(source[s].x * f32(e.h) + max(0.0, spot.x));
    let at = (line * u32(e.w) + u32(max(0.0, spot.y))) * e.ci4 + rows.channel4;
    aNext[s] = select(vec4f(), x[select(0u, at, inside)], inside);
    // On to the pixel DEPTH further on. Halves keep the floor of a quotient away from its neighbours.
    let ahead = source[s].z + f32(DEPTH);
    let down = floor((ahead + 0.5) * (1.0 / f32(e.wo)));
    let row = source[s].y + down;
    let images = floor((row + 0.5) * (1.0 / f32(e.ho)));
    source[s] += vec3f(images, down - images * f32(e.ho), f32(DEPTH) - down * f32(e.wo));
  }
  let c4 = column + lane % TILE_COLUMNS;
  let first = begin + bDepth(lane, 0u);
  let bAt = first * e.co4 + c4;
  // unroll
  for (var s = 0u; s < B_LOADS; s++) {
    let below = s * (LANES / TILE_COLUMNS);
    let inside = (first + below < end) & (c4 < e.co4);
    bNext[s] = select(vec4f(), dy[select(0u, bAt + below * e.co4, inside)], inside);
  }
}

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u,
        @builtin(local_invocation_index) lane: u32) {
  let tile = group.y * groups.x + group.x;
  if (tile >= e.tiles) { return; }
  let column = tile % e.columnTiles * TILE_COLUMNS;
  let row = tile / e.columnTiles % e.rowTiles * TILE_ROWS;
  let split = tile / (e.columnTiles * e.rowTiles);
  let begin = split * e.perSplit;
  let end = min(begin + e.perSplit, e.pixels);
  // unroll
  for (var s = 0u; s < A_LOADS; s++) {
    let pixel = begin + aDepth(lane, s);
    source[s] = vec3f(vec3u(pixel / (e.ho * e.wo), pixel / e.wo % e.ho, pixel % e.wo));
  }
  let rows4 = u32(e.kernel * e.kernel) * e.ci4;
  let r4 = row + lane % TILE_ROWS;
  let tap = i32(r4 / e.ci4);
  let offset = vec2f(vec2i(tap / e.kernel, tap % e.kernel) - e.padding);
  let rows = Rows(offset, r4 % e.ci4, r4 < rows4);
  fetch(begin, end, lane, rows, column);
  for (var pixel = begin; pixel < end; pixel += DEPTH) {
    stage(lane);
    fetch(pixel + DEPTH, end, lane, rows, column);
    multiply(lane);
  }
  // unroll
  for (var r = 0u; r < ROWS; r++) {
    let to = row + lane / ACROSS + r * DOWN;
    // unroll
    for (var q = 0u; q < COLUMNS; q++) {
      let c4 = column + lane % ACROSS + q * ACROSS;
      if ((to < rows4) & (c4 < e.co4)) {
        // unroll
        for (var j = 0u; j < 4u; j++) {
          partial[(4u * (split * rows4 + to) + j) * e.co4 + c4] = sum[(4u * r + j) * COLUMNS + q];
        }
      }
    }
  }
}
