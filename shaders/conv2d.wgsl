// Convolution as a register-tiled implicit matrix product; no workgroup memory.
// x: [n, h, w, ci]  *  weight: [tap, ci, co]  (+ addend: [n, ho, wo, co])  ->  y: [n, ho, wo, co]
// f32, NHWC; ci and co are multiples of 4.
//
// A lane makes PIXELS pixels by 4 * COLUMNS channels. With SPREAD it is the data gradient of a strided
// convolution: x is read as if upsample - 1 zeros stood between its pixels. Output pixels are then
// counted phase by phase (those with equal coordinates modulo upsample), so that all pixels of a lane
// meet zeros at the same taps and skip them.
const PIXELS: u32 = 4u;
const PIXELS_BUT_ONE: u32 = 3u;
const COLUMNS: u32 = 4u;
const SPREAD: bool = false;
const LANES: u32 = 64u;

struct Extents {
  h: i32, w: i32, ci4: u32,
  ho: i32, wo: i32, co4: u32,
  kernel: i32, stride: i32, upsample: i32, padding: i32,
  pixels: u32, // n * ho * wo
  pixelTiles: u32,
  columnTiles: u32,
  add: u32,
}

@group(0) @binding(0) var<storage, read> x: array<vec4f>;
@group(0) @binding(1) var<storage, read> weight: array<vec4f>;
@group(0) @binding(2) var<storage, read> addend: array<vec4f>;
@group(0) @binding(3) var<storage, read_write> y: array<vec4f>;
@group(0) @binding(4) var<uniform> e: Extents;

/** An output pixel; (top, left) is the first one of its phase. */
struct Pixel { image: i32, row: i32, column: i32, top: i32, left: i32 }

/** Where the i-th output pixel stands. */
fn pixelAt(i: i32) -> Pixel {
  let image = i / (e.ho * e.wo);
  var rest = i - image * e.ho * e.wo;
  if (!SPREAD) {
    let row = rest / e.wo;
    return Pixel(image, row, rest - row * e.wo, 0, 0);
  }
  // Phases may differ in size: extents need not be multiples of upsample.
  for (var py = 0; py < e.upsample; py++) {
    let rows = (e.ho - py + e.upsample - 1) / e.upsample;
    for (var px = 0; px < e.upsample; px++) {
      let columns = (e.wo - px + e.upsample - 1) / e.upsample;
      if (rest < rows * columns) {
        let row = rest / columns;
        let column = rest - row * columns;
        return Pixel(image, py + row * e.upsample, px + column * e.upsample, py, px);
      }
      rest -= rows * columns;
    }
  }
  return Pixel(image, 0, 0, 0, 0);
}

/** The pixel after one: no divisions, which software drivers compile at length. */
fn next(pixel: Pixel) -> Pixel {
  let step = select(1, e.upsample, SPREAD);
  var p = pixel;
  p.column += step;
  let lineEnds = p.column >= e.wo;
  p.row += select(0, step, lineEnds);
  let phaseEnds = p.row >= e.ho;
  if (SPREAD) {
    p.left += select(0, 1, phaseEnds);
    let phasesEnd = p.left >= min(step, e.wo);
    p.left = select(p.left, 0, phasesEnd);
    p.top += select(0, 1, phasesEnd);
    let imageEnds = p.top >= min(step, e.ho);
    p.top = select(p.top, 0, imageEnds);
    p.image += select(0, 1, imageEnds);
  } else {
    p.image += select(0, 1, phaseEnds);
  }
  p.row = select(p.row, p.top, phaseEnds);
  p.column = select(p.column, p.left, lineEnds);
  return p;
}

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u,
        @builtin(local_invocation_index) lane: u32) {
  let i = (group.y * groups.x + group.x) * LANES + lane;
  if (i >= e.pixelTiles * e.columnTiles) { return; }
  let column = i / e.pixelTiles * COLUMNS;
  let first = i % e.pixelTiles * PIXELS;

  var pixel: array<Pixel, PIXELS>;
  pixel[0] = pixelAt(i32(first));
  // unroll
  for (var p = 0u; p < PIXELS_BUT_ONE; p++) {
    pixel[p + 1u] = next(pixel[p]);
  }
  var sum: array<vec4f, PIXELS * COLUMNS>;
  for (var ky = 0; ky < e.kernel; ky++) {
    for (var kx = 0; kx < e.kernel; kx++) {
      var start: array<u32, PIXELS>;
      var inside: array<bool, PIXELS>;
      var any = false;
      // & and |, not && and ||: SwiftShader's time to compile doubles with each branch that is unrolled.
      // unroll
      for (var p = 0u; p < PIXELS; p++) {
        var row = pixel[p].row * e.stride + ky - e.padding;
        var col = pixel[p].column * e.stride + kx - e.padding;
        inside[p] = (row >= 0) & (col >= 0) & (first + p < e.pixels);
        if (SPREAD) {
          inside[p] = inside[p] & (row % e.upsample == 0) & (col % e.upsample == 0);
          row /= e.upsample;
          col /= e.upsample;
        }
        inside[p] = inside[p] & (row < e.h) & (col < e.w);
        let at = (pixel[p].image * e.h + row) * e.w + col;
        start[p] = select(0u, u32(at) * e.ci4, inside[p]);
        any = any | inside[p];
      }
      if (!any) { continue; }
      var k = u32(ky * e.kernel + kx) * e.ci4 * 4u * e.co4 + column;
      for (var c = 0u; c < e.ci4; c++) {
        var xs: array<vec4f, PIXELS>;
        // unroll
        for (var p = 0u; p < PIXELS; p++) {
          xs[p] = select(vec4f(), x[start[p] + c], inside[p]);
        }
        // unroll
        for (var q = 0u; q < COLUMNS; q++) {
          let m = mat4x4f(weight[k + q], weight[k + e.co4 + q],
                          weight[k + 2u * e.co4 + q], weight[k + 3u * e.co4 + q]);
          // unroll
          for (var p = 0u; p < PIXELS; p++) {
            sum[p * COLUMNS + q] += m * xs[p];
          }
        }
        k += 4u * e.co4;
      }
    }
  }
  // unroll
  for (var p = 0u; p < PIXELS; p++) {
    if (first + p < e.pixels) {
      let at = u32((pixel[p].image * e.ho + pixel[p].row) * e.wo + pixel[p].column) * e.co4 + column;
      // unroll
      for (var q = 0u; q < COLUMNS; q++) {
        // One store, not one in each branch: software drivers make a loop over the lanes of each.
        var value = sum[p * COLUMNS + q];
        if (e.add != 0u) { value += addend[at + q]; }
        y[at + q] = value;
      }
    }
  }
}
