// Winograd F(4x4, 3x3): the products, transformed back: y = A^T m A, 4x4 pixels of each 6x6 tile m.
// m: [36, tiles, co]  (+ addend: [n, h, w, co])  ->  y: [n, h, w, co], f32; co a multiple of 4.
// Points 0, +-P, +-Q and infinity; see winograd.ts.
const LANES: u32 = 64u;
const P: f32 = 0.7071067811865476;
const Q: f32 = 1.4142135623730951;

struct Extents {
  h: i32, w: i32, c4: u32,
  down: i32, across: i32, // tiles of an image
  known: u32, // tiles of the map
  tiles: u32, // of m, which may have more
  add: u32,
}

@group(0) @binding(0) var<storage, read> m: array<vec4f>;
@group(0) @binding(1) var<storage, read> addend: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> y: array<vec4f>;
@group(0) @binding(3) var<uniform> e: Extents;

fn transform(d: array<vec4f, 6>) -> array<vec4f, 4> {
  let sumP = d[1] + d[2];
  let sumQ = d[3] + d[4];
  let differenceP = P * (d[1] - d[2]);
  let differenceQ = Q * (d[3] - d[4]);
  return array<vec4f, 4>(
    d[0] + sumP + sumQ,
    differenceP + differenceQ,
    0.5 * sumP + 2.0 * sumQ,
    0.5 * differenceP + 2.0 * differenceQ + d[5],
  );
}

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u,
        @builtin(local_invocation_index) lane: u32) {
  let i = (group.y * groups.x + group.x) * LANES + lane;
  let t = i / e.c4;
  let c = i - t * e.c4;
  if (t >= e.known) { return; }
  let tile = i32(t);
  let image = tile / (e.down * e.across);
  let rest = tile - image * e.down * e.across;
  let top = rest / e.across * 4;
  let left = rest % e.across * 4;
  var columns: array<array<vec4f, 4>, 6>;
  // unroll
  for (var s = 0u; s < 6u; s++) {
    var d: array<vec4f, 6>;
    // unroll
    for (var r = 0u; r < 6u; r++) {
      d[r] = m[(6u * r + s) * e.tiles * e.c4 + i];
    }
    columns[s] = transform(d);
  }
  // unroll
  for (var r = 0u; r < 4u; r++) {
    let row = transform(array<vec4f, 6>(
      columns[0][r], columns[1][r], columns[2][r], columns[3][r], columns[4][r], columns[5][r],
    ));
    // unroll
    for (var s = 0u; s < 4u; s++) {
      if (top + i32(r) < e.h && left + i32(s) < e.w) {
        let at = u32((image * e.h + top + i32(r)) * e.w + left + i32(s)) * e.c4 + c;
        var value = row[s];
        if (e.add != 0u) { value += addend[at]; }
        y[at] = value;
      }
    }
  }
}
