// Weight gradient of a convolution, first stage: each split sums over its own rows of dy.
// x: [n, h, w, ci], dy: [n, ho, wo, co]  ->  partial: [split, tap, ci, co]
// f32, NHWC; ci and co are multiples of 4. A lane makes 4 * ROWS input by 4 * COLUMNS output channels
// of one tap, from four pixels a turn, so that sums go through memory less often.
const ROWS: u32 = 2u;
const COLUMNS: u32 = 2u;
const LANES: u32 = 64u;

struct Extents {
  h: i32, w: i32, ci4: u32,
  ho: i32, wo: i32, co4: u32,
  kernel: i32, stride: i32, padding: i32,
  lines: i32, // n * ho
  linesPerSplit: i32,
  lanes: u32,
}

@group(0) @binding(0) var<storage, read> x: array<vec4f>;
@group(0) @binding(1) var<storage, read> dy: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> partial: array<vec4f>;
@group(0) @binding(3) var<uniform> e: Extents;

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u,
        @builtin(local_invocation_index) lane: u32) {
  let i = (group.y * groups.x + group.x) * LANES + lane;
  if (i >= e.lanes) { return; }
  let columnTiles = e.co4 / COLUMNS;
  let rowTiles = e.ci4 / ROWS;
  let co = i % columnTiles * COLUMNS;
  let ci = i / columnTiles % rowTiles * ROWS;
  let tap = i32(i / (columnTiles * rowTiles)) % (e.kernel * e.kernel);
  let split = i32(i / (columnTiles * rowTiles)) / (e.kernel * e.kernel);
  let ky = tap / e.kernel;
  let kx = tap % e.kernel;
  // Output columns whose tap lies inside the picture.
  let begin = max(0, (e.padding - kx + e.stride - 1) / e.stride);
  let end = min(e.wo, (e.w + e.padding - kx + e.stride - 1) / e.stride);

  var sum: array<vec4f, 4u * ROWS * COLUMNS>;
  for (var line = split * e.linesPerSplit; line < min((split + 1) * e.linesPerSplit, e.lines); line++) {
    let sy = line % e.ho * e.stride + ky - e.padding;
    if (sy < 0 || sy >= e.h) { continue; }
    let xLine = (line / e.ho * e.h + sy) * e.w + kx - e.padding;
    for (var ox = begin; ox < end; ox += 4) {
      var g: array<vec4f, 4u * COLUMNS>;
      var xAt: array<u32, 4>;
      // unroll
      for (var p = 0u; p < 4u; p++) {
        let pixel = min(ox + i32(p), end - 1);
        xAt[p] = u32(xLine + pixel * e.stride) * e.ci4 + ci;
        let dyAt = u32(line * e.wo + pixel) * e.co4 + co;
        // unroll
        for (var q = 0u; q < COLUMNS; q++) {
          g[p * COLUMNS + q] = select(vec4f(), dy[dyAt + q], ox + i32(p) < end);
        }
      }
      // unroll
      for (var r = 0u; r < ROWS; r++) {
        let v0 = x[xAt[0] + r];
        let v1 = x[xAt[1] + r];
        let v2 = x[xAt[2] + r];
        let v3 = x[xAt[3] + r];
        // unroll
        for (var q = 0u; q < COLUMNS; q++) {
          let g0 = g[q];
          let g1 = g[COLUMNS + q];
          let g2 = g[2u * COLUMNS + q];
          let g3 = g[3u * COLUMNS + q];
          sum[(4u * r + 0u) * COLUMNS + q] += v0.x * g0 + v1.x * g1 + v2.x * g2 + v3.x * g3;
          sum[(4u * r + 1u) * COLUMNS + q] += v0.y * g0 + v1.y * g1 + v2.y * g2 + v3.y * g3;
          sum[(4u * r + 2u) * COLUMNS + q] += v0.z * g0 + v1.z * g1 + v2.z * g2 + v3.z * g3;
          sum[(4u * r + 3u) * COLUMNS + q] += v0.w * g0 + v1.w * g1 + v2.w * g2 + v3.w * g3;
        }
      }
    }
  }
  let base = (u32(split * e.kernel * e.kernel + tap) * e.ci4 + ci) * 4u * e.co4 + co;
  // unroll
  for (var r = 0u; r < ROWS; r++) {
    // unroll
    for (var j = 0u; j < 4u; j++) {
      // unroll
      for (var q = 0u; q < COLUMNS; q++) {
        partial[base + (4u * r + j) * e.co4 + q] = sum[(4u * r + j) * COLUMNS + q];
      }
    }
  }
}
