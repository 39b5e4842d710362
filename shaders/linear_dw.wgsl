// Parameter gradients of linear.wgsl, added to what is there or set. Row c of the lanes is the bias.
// x: [n, c4], dy: [n, m]  ->  dweight: [c, m], dbias: [m]
const LANES: u32 = 64u;

struct Extents { n: u32, stride: u32, c: u32, m: u32, addWeight: u32, addBias: u32 }

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read> dy: array<f32>;
@group(0) @binding(2) var<storage, read_write> dweight: array<f32>;
@group(0) @binding(3) var<storage, read_write> dbias: array<f32>;
@group(0) @binding(4) var<uniform> e: Extents;

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u,
        @builtin(local_invocation_index) lane: u32) {
  let i = (group.y * groups.x + group.x) * LANES + lane;
  if (i >= (e.c + 1u) * e.m) { return; }
  let c = i / e.m;
  let column = i % e.m;
  var sum = 0.0;
  if (c == e.c) {
    for (var row = 0u; row < e.n; row++) { sum += dy[row * e.m + column]; }
    dbias[column] = select(sum, dbias[column] + sum, e.addBias != 0u);
  } else {
    for (var row = 0u; row < e.n; row++) {
      sum += x[row * e.stride + c] * dy[row * e.m + column];
    }
    dweight[i] = select(sum, dweight[i] + sum, e.addWeight != 0u);
  }
}
