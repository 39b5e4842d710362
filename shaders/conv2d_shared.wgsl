// Convolution as an implicit matrix product [pixels, taps * ci] x [taps * ci, co], by tiles in workgroup
// memory (gemm_nn.wgsl): for GPUs. Its speed on one has not been measured.
// x: [n, h, w, ci]  *  weight: [tap, ci, co]  (+ addend: [n, ho, wo, co])  ->  y: [n, ho, wo, co]
// f32, NHWC; ci and co are multiples of 4.
//
// With SPREAD it is the data gradient of a strided convolution: x is read as if upsample - 1 zeros stood
// between its pixels. Output pixels with equal coordinates modulo upsample, a phase, meet the same taps
// and zeros at all others. A workgroup makes pixels of one phase, from its taps alone; for these it is a
// plain convolution.
const SPREAD: bool = false;

struct Extents {
  n: i32, h: i32, w: i32, ci4: u32,
  ho: i32, wo: i32, co4: u32,
  kernel: i32, stride: i32, upsample: i32, padding: i32,
  columnTiles: u32,
  tiles: u32,
  add: u32,
}

@group(0) @binding(0) var<storage, read> x: array<vec4f>;
@group(0) @binding(1) var<storage, read> weight: array<vec4f>;
@group(0) @binding(2) var<storage, read> addend: array<vec4f>;
@group(0) @binding(3) var<storage, read_write> y: array<vec4f>;
@group(0) @binding(4) var<uniform> e: Extents;

/** In `x` down, `y` across, as pairs are throughout: what is along rows first. */
struct Phase {
  corner: vec2i, // its first pixel
  pixels: vec2i, // of an image
  first: i32, // of the workgroup's pixels, in all images
  tap: vec2i, // the first of its taps, of which every upsample-th is one
  taps: vec2i,
  offset: vec2i, // from a pixel to where the first tap reads
}

fn phaseAt(corner: vec2i, first: i32) -> Phase {
  let u = e.upsample;
  let pixels = (vec2i(e.ho, e.wo) - corner + u - 1) / u;
  let tap = ((e.padding - corner) % u + u) % u;
  return Phase(corner, pixels, first, tap, (e.kernel - tap + u - 1) / u, (corner + tap - e.padding) / u);
}

/** The phase of a workgroup. */
fn phaseOf(tile: i32) -> Phase {
  var phase = phaseAt(vec2i(), tile * i32(TILE_ROWS));
  if (!SPREAD) { return phase; }
  for (var i = 1; i < e.upsample * e.upsample; i++) {
    let left = phase.first - pixelsOf(phase);
    if (left < 0) { break; }
    // Phases begin with a new workgroup.
    let first = left / i32(TILE_ROWS) * i32(TILE_ROWS);
    phase = phaseAt(vec2i(i / e.upsample, i % e.upsample), first);
  }
  return phase;
}

/** In all images. */
fn pixelsOf(phase: Phase) -> i32 { return e.n * phase.pixels.x * phase.pixels.y; }

/** Of each row fetched: where its pixel's first tap reads x, as index of a pixel, then in its image. */
var<private> source: array<vec3i, A_LOADS>;

fn findSources(lane: u32, phase: Phase) {
  let perImage = max(1, phase.pixels.x * phase.pixels.y);
  // unroll
  for (var s = 0u; s < A_LOADS; s++) {
    let pixel = phase.first + i32(fetchRow(lane, s));
    let rest = pixel % perImage;
    let at = vec2i(rest / max(1, phase.pixels.y), rest % max(1, phase.pixels.y));
    let start = at * e.stride + phase.offset;
    // Past the last pixel, one that no tap finds inside the picture.
    let index = (pixel / perImage * e.h + start.x) * e.w + start.y;
    source[s] = vec3i(index, select(vec2i(-0x1000000), start, pixel < pixelsOf(phase)));
  }
}

/** Where the k-th row of the phase's weights is. */
fn weightRow(k: u32, phase: Phase) -> u32 {
  let index = quotient(k / 4u, e.ci4);
  let down = quotient(index, u32(max(1, phase.taps.y)));
  let at = phase.tap + e.upsample * vec2i(i32(down), i32(index) - i32(down) * phase.taps.y);
  return u32(at.x * e.kernel + at.y) * 4u * e.ci4 + k - index * 4u * e.ci4;
}

/** Fetches what the step needs; past the depth zeros. */
fn fetch(step: u32, lane: u32, phase: Phase, column: u32) {
  let depth4 = u32(phase.taps.x * phase.taps.y) * e.ci4;
  let k4 = step * DEPTH + lane % DEPTH;
  let index = quotient(k4, e.ci4);
  let c = k4 - index * e.ci4;
  let down = i32(quotient(index, u32(max(1, phase.taps.y))));
  let tap = vec2i(down, i32(index) - down * phase.taps.y);
  let ahead = (tap.x * e.w + tap.y) * i32(e.ci4) + i32(c);
  // unroll
  for (var s = 0u; s < A_LOADS; s++) {
    let spot = source[s].yz + tap;
    let inside = (k4 < depth4) & all(spot >= vec2i()) & all(spot < vec2i(e.h, e.w));
    let at = u32(source[s].x * i32(e.ci4) + ahead);
    aNext[s] = select(vec4f(), x[select(0u, at, inside)], inside);
  }
  let c4 = column + lane % TILE_COLUMNS;
  let first = 4u * step * DEPTH + lane / TILE_COLUMNS;
  let bAt = first * e.co4 + c4;
  // unroll
  for (var s = 0u; s < B_LOADS; s++) {
    let below = s * (LANES / TILE_COLUMNS);
    let inside = (first + below < 4u * depth4) & (c4 < e.co4);
    var at = bAt + below * e.co4;
    if (SPREAD) { at = weightRow(first + below, phase) * e.co4 + c4; }
    bNext[s] = select(vec4f(), weight[select(0u, at, inside)], inside);
  }
}

/** Where the i-th pixel of a phase is in y. */
fn pixelAt(i: i32, phase: Phase) -> u32 {
  if (!SPREAD) { return u32(i); }
  let perImage = phase.pixels.x * phase.pixels.y;
  let rest = i % perImage;
  let at = phase.corner + e.upsample * vec2i(rest / phase.pixels.y, rest % phase.pixels.y);
  return u32((i / perImage * e.ho + at.x) * e.wo + at.y);
}

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u,
        @builtin(local_invocation_index) lane: u32) {
  let tile = group.y * groups.x + group.x;
  if (tile >= e.tiles) { return; }
  // Workgroups side by side share pixels; the weights, read by all, stay in caches anyway.
  let column = tile % e.columnTiles * TILE_COLUMNS;
  let phase = phaseOf(i32(tile / e.columnTiles));
  let steps = (u32(phase.taps.x * phase.taps.y) * e.ci4 + DEPTH - 1u) / DEPTH;
  findSources(lane, phase);
  fetch(0u, lane, phase, column);
  for (var step = 0u; step < steps; step++) {
    stage(lane, lane / TILE_COLUMNS, LANES / TILE_COLUMNS, lane % TILE_COLUMNS);
    fetch(step + 1u, lane, phase, column);
    multiply(lane);
  }
  // unroll
  for (var r = 0u; r < ROWS; r++) {
    let pixel = phase.first + i32(lane / ACROSS + r * DOWN);
    if (pixel < pixelsOf(phase)) {
      let at = pixelAt(pixel, phase) * e.co4;
      // unroll
      for (var q = 0u; q < COLUMNS; q++) {
        let c4 = column + lane % ACROSS + q * ACROSS;
        if (c4 < e.co4) {
          if (e.add != 0u) { y[at + c4] = sum[r * COLUMNS + q] + addend[at + c4]; }
          else { y[at + c4] = sum[r * COLUMNS + q]; }
        }
      }
    }
  }
}
