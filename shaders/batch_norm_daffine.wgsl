// Backward, second stage: adds the chunks up in a fixed order.
// partial: [chunk, 2, c4]  ->  sums: [2, c4] (sum of dz, sum of dz * normalised x), for dx;
// daffine: [2, c] (gradients of scale and shift), added to what is there or set.
const LANES: u32 = 64u;

struct Extents { c: u32, channels: u32, chunks: u32, add: u32 }

@group(0) @binding(0) var<storage, read> partial: array<f32>;
@group(0) @binding(1) var<storage, read_write> sums: array<f32>;
@group(0) @binding(2) var<storage, read_write> daffine: array<f32>;
@group(0) @binding(3) var<uniform> e: Extents;

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let c = group.x * LANES + lane;
  if (c >= e.c) { return; }
  var shift = 0.0;
  var scale = 0.0;
  for (var chunk = 0u; chunk < e.chunks; chunk++) {
    shift += partial[2u * chunk * e.c + c];
    scale += partial[(2u * chunk + 1u) * e.c + c];
  }
  sums[c] = shift;
  sums[e.c + c] = scale;
  if (c < e.channels) {
    daffine[c] = select(scale, daffine[c] + scale, e.add != 0u);
    daffine[e.channels + c] = select(shift, daffine[e.channels + c] + shift, e.add != 0u);
  }
}
