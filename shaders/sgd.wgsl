// One step of stochastic gradient descent with Nesterov momentum and weight decay (L2) over the parts
// of a page that `chunks` names; everything else keeps its bits.
//   g = gradient + decay * value;  v = momentum * v + g;  value -= rate * (g + momentum * v)
// With SCALED, gradients are scaling[0] times too large, and where scaling[2] is not zero nothing is done;
// see loss_scale.wgsl.
// chunks: first vec4, the one past the last, which of their 4 floats to update, whether decay applies;
// a workgroup takes one. No two share a vec4: the floats that stay are written back as they were.
const SCALED: bool = false;
const LANES: u32 = 64u;

struct Chunk { first: u32, end: u32, mask: u32, decays: u32 }
struct Extents { chunks: u32 }

@group(0) @binding(0) var<storage, read_write> values: array<vec4f>;
@group(0) @binding(1) var<storage, read_write> momentum: array<vec4f>;
@group(0) @binding(2) var<storage, read> gradients: array<vec4f>;
@group(0) @binding(3) var<storage, read> chunks: array<Chunk>;
@group(0) @binding(4) var<storage, read> hyper: array<f32>; // rate, momentum, decay
@group(0) @binding(5) var<storage, read> scaling: array<u32>;
@group(0) @binding(6) var<uniform> e: Extents;

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u,
        @builtin(local_invocation_index) lane: u32) {
  let index = group.y * groups.x + group.x;
  if (index >= e.chunks) { return; }
  if (SCALED) { if (scaling[2] != 0u) { return; } }
  let chunk = chunks[index];
  let rate = hyper[0];
  let mu = hyper[1];
  let decay = select(0.0, hyper[2], chunk.decays != 0u);
  let mine = (vec4u(chunk.mask) & vec4u(1u, 2u, 4u, 8u)) != vec4u();
  for (var i = chunk.first + lane; i < chunk.end; i += LANES) {
    let value = values[i];
    let old = momentum[i];
    var gradient = gradients[i];
    if (SCALED) { gradient /= bitcast<f32>(scaling[0]); }
    let g = gradient + decay * value;
    let v = mu * old + g;
    momentum[i] = select(old, v, mine);
    values[i] = select(value, value - rate * (g + mu * v), mine);
  }
}
