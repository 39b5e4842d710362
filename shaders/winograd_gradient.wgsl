// Winograd F(4x4, 3x3), weight gradient, last stage: transforms back, dg = G^T d G.
// d: [36, ci, co]  ->  dw: [9, ci, co], f32; co is a multiple of 4.
// Points 0, +-P, +-Q and infinity; see winograd.ts.
const LANES: u32 = 64u;
const P: f32 = 0.7071067811865476;
const Q: f32 = 1.4142135623730951;

struct Extents { kernels: u32 } // ci * co / 4

@group(0) @binding(0) var<storage, read> d: array<vec4f>;
@group(0) @binding(1) var<storage, read_write> dw: array<vec4f>;
@group(0) @binding(2) var<uniform> e: Extents;

fn transform(c: array<vec4f, 6>) -> array<vec4f, 3> {
  let sumP = -2.0 / 3.0 * (c[1] + c[2]);
  let sumQ = 1.0 / 6.0 * (c[3] + c[4]);
  let differenceP = -2.0 / 3.0 * P * (c[1] - c[2]);
  let differenceQ = 1.0 / 6.0 * Q * (c[3] - c[4]);
  return array<vec4f, 3>(
    c[0] + sumP + sumQ, differenceP + differenceQ, 0.5 * sumP + 2.0 * sumQ + c[5],
  );
}

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u,
        @builtin(local_invocation_index) lane: u32) {
  let i = (group.y * groups.x + group.x) * LANES + lane;
  if (i >= e.kernels) { return; }
  var columns: array<array<vec4f, 3>, 6>;
  // unroll
  for (var s = 0u; s < 6u; s++) {
    var column: array<vec4f, 6>;
    // unroll
    for (var r = 0u; r < 6u; r++) {
      column[r] = d[(6u * r + s) * e.kernels + i];
    }
    columns[s] = transform(column);
  }
  // unroll
  for (var r = 0u; r < 3u; r++) {
    let row = transform(array<vec4f, 6>(
      columns[0][r], columns[1][r], columns[2][r], columns[3][r], columns[4][r], columns[5][r],
    ));
    // unroll
    for (var s = 0u; s < 3u; s++) {
      dw[(3u * r + s) * e.kernels + i] = row[s];
    }
  }
}
