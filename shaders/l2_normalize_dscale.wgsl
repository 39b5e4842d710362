// Gradient of the scales of l2_normalize.wgsl, added to what is there or set.
// x: [n, stride], scale: [c], norms: [n], dy: [n, c4]  ->  dscale: [c]
const RELU: bool = false;
const LANES: u32 = 64u;

struct Extents { n: u32, stride: u32, c: u32, c4: u32, add: u32 }

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read> scale: array<f32>;
@group(0) @binding(2) var<storage, read> norms: array<f32>;
@group(0) @binding(3) var<storage, read> dy: array<f32>;
@group(0) @binding(4) var<storage, read_write> dscale: array<f32>;
@group(0) @binding(5) var<uniform> e: Extents;

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u,
        @builtin(local_invocation_index) lane: u32) {
  let c = (group.y * groups.x + group.x) * LANES + lane;
  if (c >= e.c) { return; }
  var sum = 0.0;
  for (var row = 0u; row < e.n; row++) {
    let unit = x[row * e.stride + c] / norms[row];
    var d = dy[row * e.c4 + c];
    // The same expression as in l2_normalize.wgsl, so that both clip alike.
    if (RELU) { d = select(0.0, d, unit * scale[c] > 0.0); }
    sum += d * unit;
  }
  dscale[c] = select(sum, dscale[c] + sum, e.add != 0u);
}
