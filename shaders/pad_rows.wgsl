// Pads rows with zeros to a multiple of 4.
// x: [n, m]  ->  y: [n, m4]
const LANES: u32 = 64u;

struct Extents { n: u32, stride: u32, m: u32 }

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read_write> y: array<f32>;
@group(0) @binding(2) var<uniform> e: Extents;

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u,
        @builtin(local_invocation_index) lane: u32) {
  let i = (group.y * groups.x + group.x) * LANES + lane;
  if (i >= e.n * e.stride) { return; }
  let column = i % e.stride;
  y[i] = 0.0;
  if (column < e.m) { y[i] = x[i / e.stride * e.m + column]; }
}
