// Winograd F(4x4, 3x3): the active blocks of a block-major weight, transformed: U = G g G^T of each 3x3
// kernel g.
// weight: blocks [9, c_in, c_out]  ->  u: [36, ci, co], padded with zeros to multiples of 4; or,
// transposed, [36, co, ci] of the kernels turned round, for a data gradient.
// table: as in pack_weight.wgsl. Points 0, +-P, +-Q and infinity; see winograd.ts.
const LANES: u32 = 64u;
const NONE: u32 = 0xffffffffu;
const P: f32 = 0.7071067811865476;
const Q: f32 = 1.4142135623730951;

struct Extents { ci: u32, co: u32, inUnits: u32, transposed: u32 }

@group(0) @binding(0) var<storage, read> weight: array<f32>;
@group(0) @binding(1) var<storage, read> table: array<u32>;
@group(0) @binding(2) var<storage, read_write> u: array<f32>;
@group(0) @binding(3) var<uniform> e: Extents;

fn transform(g: vec3f) -> array<f32, 6> {
  let evenP = -2.0 / 3.0 * (g.x + 0.5 * g.z);
  let oddP = -2.0 / 3.0 * P * g.y;
  let evenQ = 1.0 / 6.0 * (g.x + 2.0 * g.z);
  let oddQ = 1.0 / 6.0 * Q * g.y;
  return array<f32, 6>(g.x, evenP + oddP, evenP - oddP, evenQ + oddQ, evenQ - oddQ, g.z);
}

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u,
        @builtin(local_invocation_index) lane: u32) {
  let i = (group.y * groups.x + group.x) * LANES + lane;
  if (i >= e.ci * e.co) { return; }
  // Neighbouring lanes write neighbouring elements.
  let turned = e.transposed != 0u;
  let ci = select(i / e.co, i % e.ci, turned);
  let co = select(i % e.co, i / e.ci, turned);
  let inUnit = table[3u * ci];
  let outUnit = table[3u * (e.ci + co)];
  let known = inUnit != NONE && outUnit != NONE;
  let outWidth = table[3u * (e.ci + co) + 2u];
  let plane = table[3u * ci + 2u] * outWidth;
  var start = 0u;
  if (known) {
    start = table[3u * (e.ci + e.co) + outUnit * e.inUnits + inUnit] +
      table[3u * ci + 1u] * outWidth + table[3u * (e.ci + co) + 1u];
  }
  var g: array<vec3f, 3>;
  // unroll
  for (var r = 0u; r < 3u; r++) {
    // unroll
    for (var s = 0u; s < 3u; s++) {
      let tap = select(3u * r + s, 8u - 3u * r - s, turned);
      g[r][s] = select(0.0, weight[start + select(0u, tap * plane, known)], known);
    }
  }
  let rows = array<array<f32, 6>, 3>(transform(g[0]), transform(g[1]), transform(g[2]));
  // unroll
  for (var s = 0u; s < 6u; s++) {
    let column = transform(vec3f(rows[0][s], rows[1][s], rows[2][s]));
    // unroll
    for (var r = 0u; r < 6u; r++) {
      u[(6u * r + s) * e.ci * e.co + i] = column[r];
    }
  }
}
