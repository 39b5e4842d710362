// Backward, second stage: adds the chunks up in a fixed order.
// partial: [chunk, 2, c]  ->  sums: [2, c] (sum of dz, sum of dz * normalised x), for dx;
// daffine (gradients of scales and shifts).
// affineAt: [c, 3]: where in that array a channel's two numbers stand (NONE for padding), and whether
// to add to what is there.
// A team of lanes goes through a channel's chunks; on software, one lane.
const LANES: u32 = 64u;
const TEAM: u32 = 1u;
const STEPS: u32 = 0u;
const APART: u32 = LANES / TEAM; // lanes side by side read channels side by side
const NONE: u32 = 0xffffffffu;

struct Extents { c: u32, chunks: u32 }

@group(0) @binding(0) var<storage, read> partial: array<f32>;
@group(0) @binding(1) var<storage, read_write> sums: array<f32>;
@group(0) @binding(2) var<storage, read> affineAt: array<u32>;
@group(0) @binding(3) var<storage, read_write> daffine: array<f32>;
@group(0) @binding(4) var<uniform> e: Extents;

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let c = group.x * APART + lane % APART;
  let member = lane / APART;
  var shift = 0.0;
  var scale = 0.0;
  for (var chunk = member; chunk < select(0u, e.chunks, c < e.c); chunk += TEAM) {
    shift += partial[2u * chunk * e.c + c];
    scale += partial[(2u * chunk + 1u) * e.c + c];
  }
  shift = teamSum(lane, shift);
  scale = teamSum(lane, scale);
  if (c >= e.c || member > 0u) { return; }
  sums[c] = shift;
  sums[e.c + c] = scale;
  let scaleAt = affineAt[3u * c];
  let shiftAt = affineAt[3u * c + 1u];
  if (scaleAt == NONE) { return; }
  let adds = affineAt[3u * c + 2u] != 0u;
  daffine[scaleAt] = select(scale, daffine[scaleAt] + scale, adds);
  daffine[shiftAt] = select(shift, daffine[shiftAt] + shift, adds);
}
