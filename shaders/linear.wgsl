// Fully connected layer.
// x: [n, c4] (c channels, then padding), weight: [c, m], bias: [m]  ->  y: [n, m]
const LANES: u32 = 64u;

struct Extents { n: u32, stride: u32, c: u32, m: u32 }

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read> weight: array<f32>;
@group(0) @binding(2) var<storage, read> bias: array<f32>;
@group(0) @binding(3) var<storage, read_write> y: array<f32>;
@group(0) @binding(4) var<uniform> e: Extents;

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u,
        @builtin(local_invocation_index) lane: u32) {
  let i = (group.y * groups.x + group.x) * LANES + lane;
  if (i >= e.n * e.m) { return; }
  let column = i % e.m;
  var sum = bias[column];
  for (var c = 0u; c < e.c; c++) {
    sum += x[i / e.m * e.stride + c] * weight[c * e.m + column];
  }
  y[i] = sum;
}
