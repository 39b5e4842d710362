// Weight gradient of a convolution, first stage: each split sums over its own rows of dy.
// x: [n, h, w, ci], dy: [n, ho, wo, co]  ->  partial: [split, tap, ci, co]
// f32, NHWC; ci and co are multiples of 4. A lane makes 4 * ROWS input by 4 * COLUMNS output channels
// of one tap.
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
    for (var ox = begin; ox < end; ox++) {
      let xAt = u32(xLine + ox * e.stride) * e.ci4 + ci;
      let dyAt = u32(line * e.wo + ox) * e.co4 + co;
      var g: array<vec4f, COLUMNS>;
      // unroll
      for (var q = 0u; q < COLUMNS; q++) {
        g[q] = dy[dyAt + q];
      }
      // unroll
      for (var r = 0u; r < ROWS; r++) {
        let v = x[xAt + r];
        // unroll
        for (var q = 0u; q < COLUMNS; q++) {
          sum[(4u * r + 0u) * COLUMNS + q] += v.x * g[q];
          sum[(4u * r + 1u) * COLUMNS + q] += v.y * g[q];
          sum[(4u * r + 2u) * COLUMNS + q] += v.z * g[q];
          sum[(4u * r + 3u) * COLUMNS + q] += v.w * g[q];
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
