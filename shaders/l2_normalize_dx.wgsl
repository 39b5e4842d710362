// Data gradient of l2_normalize.wgsl, plus `addend`, the part of it that came by another way. What
// points along x is taken out, as it changes the norm alone; but not where epsilon stands for the norm.
// x, addend: [n, stride], scale: [c], norms: [n], dy: [n, c4]
//   ->  dx: [n, stride], zeros in the padding.
const RELU: bool = false;
const LANES: u32 = 64u;

struct Extents { n: u32, stride: u32, c: u32, c4: u32, epsilon: f32, add: u32 }

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read> scale: array<f32>;
@group(0) @binding(2) var<storage, read> norms: array<f32>;
@group(0) @binding(3) var<storage, read> dy: array<f32>;
@group(0) @binding(4) var<storage, read> addend: array<f32>;
@group(0) @binding(5) var<storage, read_write> dx: array<f32>;
@group(0) @binding(6) var<uniform> e: Extents;

// Gradient of the normalised x, whose value is `unit`.
fn dunit(row: u32, c: u32, unit: f32) -> f32 {
  let d = dy[row * e.c4 + c] * scale[c];
  // The same expression as in l2_normalize.wgsl, so that both clip alike.
  if (RELU) { return select(0.0, d, unit * scale[c] > 0.0); }
  return d;
}

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u,
        @builtin(local_invocation_index) lane: u32) {
  let row = (group.y * groups.x + group.x) * LANES + lane;
  if (row >= e.n) { return; }
  let norm = norms[row];
  var along = 0.0;
  for (var c = 0u; c < e.c; c++) {
    let unit = x[row * e.stride + c] / norm;
    along += dunit(row, c, unit) * unit;
  }
  along = select(0.0, along, norm > e.epsilon);
  for (var c = 0u; c < e.c; c++) {
    let at = row * e.stride + c;
    let unit = x[at] / norm;
    var value = (dunit(row, c, unit) - along * unit) / norm;
    if (e.add != 0u) { value += addend[at]; }
    dx[at] = value;
  }
  for (var c = e.c; c < e.stride; c++) { dx[row * e.stride + c] = 0.0; }
}
