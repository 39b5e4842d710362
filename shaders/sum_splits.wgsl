// Sums the parts of a split sum in a fixed order; into one, or into fewer parts, of which each is the
// sum of every so many: all lanes of the next stage then have less to go through.
// partial: [split, ...]  ->  sum: [...] or [part, ...], f32; a multiple of 4 numbers.
const LANES: u32 = 64u;

struct Extents { length: u32, all: u32 } // of the sum, and of partial, in vec4s

@group(0) @binding(0) var<storage, read> partial: array<vec4f>;
@group(0) @binding(1) var<storage, read_write> sum: array<vec4f>;
@group(0) @binding(2) var<uniform> e: Extents;

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u,
        @builtin(local_invocation_index) lane: u32) {
  let i = (group.y * groups.x + group.x) * LANES + lane;
  if (i >= e.length) { return; }
  var total = vec4f();
  for (var at = i; at < e.all; at += e.length) { total += partial[at]; }
  sum[i] = total;
}
