// Sums the parts of a split sum in a fixed order.
// partial: [split, ...]  ->  sum: [...], f32; a multiple of 4 numbers.
const LANES: u32 = 64u;

struct Extents { length: u32, splits: u32 } // length: of the sum, in vec4s

@group(0) @binding(0) var<storage, read> partial: array<vec4f>;
@group(0) @binding(1) var<storage, read_write> sum: array<vec4f>;
@group(0) @binding(2) var<uniform> e: Extents;

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u,
        @builtin(local_invocation_index) lane: u32) {
  let i = (group.y * groups.x + group.x) * LANES + lane;
  if (i >= e.length) { return; }
  var total = vec4f();
  for (var split = 0u; split < e.splits; split++) {
    total += partial[split * e.length + i];
  }
  sum[i] = total;
}
