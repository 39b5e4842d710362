// Winograd F(4x4, 3x3), weight gradient, last stage: sums the splits in a fixed order, transforms back,
// dg = G^T d G, and scatters the result into the block-major gradient.
// partial: [split, 36, ci, co]  ->  gradient: blocks [9, c_in, c_out]
// table: as in pack_weight.wgsl; adds: for each active block, whether to add to what is there.
const LANES: u32 = 64u;
const NONE: u32 = 0xffffffffu;
const P: f32 = 0.7071067811865476;
const Q: f32 = 1.4142135623730951;

struct Extents { ci: u32, co4: u32, inUnits: u32, splits: u32 }

@group(0) @binding(0) var<storage, read> partial: array<vec4f>;
@group(0) @binding(1) var<storage, read> table: array<u32>;
@group(0) @binding(2) var<storage, read> adds: array<u32>;
@group(0) @binding(3) var<storage, read_write> gradient: array<f32>;
@group(0) @binding(4) var<uniform> e: Extents;

fn transform(d: array<vec4f, 6>) -> array<vec4f, 3> {
  let sumP = -2.0 / 3.0 * (d[1] + d[2]);
  let sumQ = 1.0 / 6.0 * (d[3] + d[4]);
  let differenceP = -2.0 / 3.0 * P * (d[1] - d[2]);
  let differenceQ = 1.0 / 6.0 * Q * (d[3] - d[4]);
  return array<vec4f, 3>(
    d[0] + sumP + sumQ, differenceP + differenceQ, 0.5 * sumP + 2.0 * sumQ + d[5],
  );
}

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u,
        @builtin(local_invocation_index) lane: u32) {
  let i = (group.y * groups.x + group.x) * LANES + lane;
  if (i >= e.ci * e.co4) { return; }
  let place = e.ci * e.co4; // of the 36, the distance
  var sum: array<vec4f, 36>;
  for (var s = 0u; s < e.splits; s++) {
    // unroll
    for (var f = 0u; f < 36u; f++) {
      sum[f] += partial[(s * 36u + f) * place + i];
    }
  }
  var columns: array<array<vec4f, 3>, 6>;
  // unroll
  for (var s = 0u; s < 6u; s++) {
    columns[s] = transform(array<vec4f, 6>(
      sum[s], sum[6u + s], sum[12u + s], sum[18u + s], sum[24u + s], sum[30u + s],
    ));
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
      let more = adds[block] != 0u;
      // unroll
      for (var tap = 0u; tap < 9u; tap++) {
        let at = to + tap * inWidth * outWidth;
        gradient[at] = select(taps[tap][j], gradient[at] + taps[tap][j], more);
      }
    }
  }
}
