// Whether a gradient is infinite or not a number, among those that sgd.wgsl is to use; `chunks` as there.
// scaling[2] becomes 1 if so.
const LANES: u32 = 64u;

struct Chunk { first: u32, end: u32, mask: u32, decays: u32 }
struct Extents { chunks: u32 }

@group(0) @binding(0) var<storage, read> gradients: array<vec4f>;
@group(0) @binding(1) var<storage, read> chunks: array<Chunk>;
@group(0) @binding(2) var<storage, read_write> scaling: array<atomic<u32>>;
@group(0) @binding(3) var<uniform> e: Extents;

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u,
        @builtin(local_invocation_index) lane: u32) {
  let index = group.y * groups.x + group.x;
  if (index >= e.chunks) { return; }
  let chunk = chunks[index];
  let mine = (vec4u(chunk.mask) & vec4u(1u, 2u, 4u, 8u)) != vec4u();
  var found = false;
  for (var i = chunk.first + lane; i < chunk.end; i += LANES) {
    // By the bits of the exponent: compilers may take it that no float is infinite.
    let exponents = bitcast<vec4u>(gradients[i]) & vec4u(0x7f800000u);
    found = found | any(mine & (exponents == vec4u(0x7f800000u)));
  }
  if (found) { atomicStore(&scaling[2], 1u); }
}
