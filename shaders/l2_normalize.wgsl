// Divides each row by its L2 norm and scales its channels; with RELU, also clips below zero.
// x: [n, stride] (c channels, then perhaps padding), scale: [c]
//   ->  y: [n, c4] (zeros in the padding), norms: [n], each at least epsilon.
const RELU: bool = false;
const LANES: u32 = 64u;

struct Extents { n: u32, stride: u32, c: u32, c4: u32, epsilon: f32 }

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read> scale: array<f32>;
@group(0) @binding(2) var<storage, read_write> y: array<f32>;
@group(0) @binding(3) var<storage, read_write> norms: array<f32>;
@group(0) @binding(4) var<uniform> e: Extents;

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u,
        @builtin(local_invocation_index) lane: u32) {
  let row = (group.y * groups.x + group.x) * LANES + lane;
  if (row >= e.n) { return; }
  var squares = 0.0;
  for (var c = 0u; c < e.c; c++) {
    let value = x[row * e.stride + c];
    squares += value * value;
  }
  let norm = max(sqrt(squares), e.epsilon);
  norms[row] = norm;
  for (var c = 0u; c < e.c; c++) {
    let value = x[row * e.stride + c] / norm * scale[c];
    if (RELU) { y[row * e.c4 + c] = max(value, 0.0); } else { y[row * e.c4 + c] = value; }
  }
  for (var c = e.c; c < e.c4; c++) { y[row * e.c4 + c] = 0.0; }
}
