// Nothing but fused multiply-adds on registers: the best rate that an adapter reaches.
// y: [lanes, 4], f32.
const LANES: u32 = 64u;
const VECTORS: u32 = 4u;
const ROUNDS: u32 = 1024u;

@group(0) @binding(0) var<storage, read_write> y: array<vec4f>;

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u,
        @builtin(local_invocation_index) lane: u32) {
  let i = (group.y * groups.x + group.x) * LANES + lane;
  // From the lane's index, so that no compiler knows them.
  let factor = vec4f(1.0 - 1e-6 * f32(lane));
  let term = vec4f(1e-6 * f32(lane));
  var sums: array<vec4f, VECTORS>;
  // unroll
  for (var v = 0u; v < VECTORS; v++) {
    sums[v] = vec4f(f32(lane + v));
  }
  for (var round = 0u; round < ROUNDS; round++) {
    // unroll
    for (var v = 0u; v < VECTORS; v++) {
      sums[v] = fma(sums[v], factor, term);
    }
  }
  var total = vec4f();
  // unroll
  for (var v = 0u; v < VECTORS; v++) {
    total += sums[v];
  }
  if (i < arrayLength(&y)) { y[i] = total; }
}
