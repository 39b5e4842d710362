// Winograd F(4x4, 3x3), weight gradient, last stage: transforms back, dg = G^T d G, and scatters the
// result into the block-major gradient.
// d: [36, ci, co]  ->  gradient: blocks [9, c_in, c_out]
// table: as in pack_weight.wgsl; adds: for each active block, whether to add to what is there.
const LANES: u32 = 64u;
const NONE: u32 = 0xffffffffu;
const P: f32 = 0.7071067811865476;
const Q: f32 = 1.4142135623730951;

struct Extents { ci: u32, co4: u32, inUnits: u32 }

@group(0) @binding(0) var<storage, read> d: array<vec4f>;
@group(0) @binding(1) var<storage, read> table: array<u32>;
@group(0) @binding(2) var<storage, read> adds: array<u32>;
@group(0) @binding(3) var<storage, read_write> gradient: array<f32>;
@group(0) @binding(4) var<uniform> e: Extents;

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
  if (i >= e.ci * e.co4) { return; }
  let place = e.ci * e.co4; // of the 36, the distance
  var columns: array<array<vec4f, 3>, 6>;
  // unroll
  for (var s = 0u; s < 6u; s++) {
    var column: array<vec4f, 6>;
    // unroll
    for (var r = 0u; r < 6u; r++) {
      column[r] = d[(6u * r + s) * place + i];
    }
    columns[s] = transform(column);
  }
  var taps: array<vec4f, 9>;
  // unroll
  for (var r = 0u; r < 3u; r++) {
    let row = transform(array<vec4f, 6>(
      columns[0][r], columns[1][r], columns[2][r], columns[3][r], columns[4][r], columns[5][r],
    ));
    // unroll
    for (var s = 0u; s < 3u; s++) {
      taps[3u * r + s] = row[s];
    }
  }
  let ci = i / e.co4;
  let inUnit = table[3u * ci];
  if (inUnit == NONE) { return; }
  let inWidth = table[3u * ci + 2u];
  // unroll
  for (var j = 0u; j < 4u; j++) {
    let co = e.ci + i % e.co4 * 4u + j;
    let outUnit = table[3u * co];
    if (outUnit != NONE) {
      let outWidth = table[3u * co + 2u];
      let block = outUnit * e.inUnits + inUnit;
      let to = table[3u * (e.ci + 4u * e.co4) + block] + table[3u * ci + 1u] * outWidth +
        table[3u * co + 1u];
      let plane = inWidth * outWidth;
      if (adds[block] != 0u) {
        // unroll
        for (var tap = 0u; tap < 9u; tap++) {
          gradient[to + tap * plane] += taps[tap][j];
        }
      } else {
        // unroll
        for (var tap = 0u; tap < 9u; tap++) {
          gradient[to + tap * plane] = taps[tap][j];
        }
      }
    }
  }
}
