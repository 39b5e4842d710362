// Data gradient of linear.wgsl.
// dy: [n, m], weight: [c, m]  ->  dx: [n, c4], zeros in the padding.
const LANES: u32 = 64u;

struct Extents { n: u32, stride: u32, c: u32, m: u32 }

@group(0) @binding(0) var<storage, read> dy: array<f32>;
@group(0) @binding(1) var<storage, read> weight: array<f32>;
@group(0) @binding(2) var<storage, read_write> dx: array<f32>;
@group(0) @binding(3) var<uniform> e: Extents;

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u,
        @builtin(local_invocation_index) lane: u32) {
  let i = (group.y * groups.x + group.x) * LANES + lane;
  if (i >= e.n * e.stride) { return; }
  let c = i % e.stride;
  var sum = 0.0;
  if (c < e.c) {
    for (var column = 0u; column < e.m; column++) {
      sum += dy[i / e.stride * e.m + column] * weight[c * e.m + column];
    }
  }
  dx[i] = sum;
}
