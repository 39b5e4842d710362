// Winograd F(4x4, 3x3): a packed weight, transformed: U = G g G^T of each 3x3 kernel g.
// packed: [9, ci, co]  ->  u: [36, ci, co], f32; co is a multiple of 4.
// Points 0, +-P, +-Q and infinity; see winograd.ts.
const LANES: u32 = 64u;
const P: f32 = 0.7071067811865476;
const Q: f32 = 1.4142135623730951;

struct Extents { kernels: u32 } // ci * co / 4

@group(0) @binding(0) var<storage, read> packed: array<vec4f>;
@group(0) @binding(1) var<storage, read_write> u: array<vec4f>;
@group(0) @binding(2) var<uniform> e: Extents;

fn transform(g: array<vec4f, 3>) -> array<vec4f, 6> {
  let evenP = -2.0 / 3.0 * (g[0] + 0.5 * g[2]);
  let oddP = -2.0 / 3.0 * P * g[1];
  let evenQ = 1.0 / 6.0 * (g[0] + 2.0 * g[2]);
  let oddQ = 1.0 / 6.0 * Q * g[1];
  return array<vec4f, 6>(g[0], evenP + oddP, evenP - oddP, evenQ + oddQ, evenQ - oddQ, g[2]);
}

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u,
        @builtin(local_invocation_index) lane: u32) {
  let i = (group.y * groups.x + group.x) * LANES + lane;
  if (i >= e.kernels) { return; }
  var rows: array<array<vec4f, 6>, 3>;
  // unroll
  for (var r = 0u; r < 3u; r++) {
    var g: array<vec4f, 3>;
    // unroll
    for (var s = 0u; s < 3u; s++) {
      g[s] = packed[(3u * r + s) * e.kernels + i];
    }
    rows[r] = transform(g);
  }
  // unroll
  for (var s = 0u; s < 6u; s++) {
    let column = transform(array<vec4f, 3>(rows[0][s], rows[1][s], rows[2][s]));
    // unroll
    for (var r = 0u; r < 6u; r++) {
      u[(6u * r + s) * e.kernels + i] = column[r];
    }
  }
}
