// Winograd F(4x4, 3x3): the tiles of a map, transformed: V = B^T d B of each 6x6 tile d.
// x: [n, h, w, c]  ->  v: [36, tiles, c], f32; c is a multiple of 4.
// Tiles past the last are zero. Points 0, +-P, +-Q and infinity; see winograd.ts.
const LANES: u32 = 64u;
const P: f32 = 0.7071067811865476;
const Q: f32 = 1.4142135623730951;

struct Extents {
  h: i32, w: i32, c4: u32,
  down: i32, across: i32, // tiles of an image
  known: u32, // tiles of the map
  tiles: u32, // and those that fill up to a multiple of 4
}

@group(0) @binding(0) var<storage, read> x: array<vec4f>;
@group(0) @binding(1) var<storage, read_write> v: array<vec4f>;
@group(0) @binding(2) var<uniform> e: Extents;

fn transform(d: array<vec4f, 6>) -> array<vec4f, 6> {
  let even = d[4] - 2.0 * d[2];
  let odd = P * (d[3] - 2.0 * d[1]);
  let evenQ = d[4] - 0.5 * d[2];
  let oddQ = Q * (d[3] - 0.5 * d[1]);
  return array<vec4f, 6>(
    d[0] - 2.5 * d[2] + d[4], even + odd, even - odd, evenQ + oddQ, evenQ - oddQ,
    d[1] - 2.5 * d[3] + d[5],
  );
}

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u,
        @builtin(local_invocation_index) lane: u32) {
  let i = (group.y * groups.x + group.x) * LANES + lane;
  if (i >= e.tiles * e.c4) { return; }
  let t = i / e.c4;
  let c = i - t * e.c4;
  let tile = i32(t);
  let image = tile / (e.down * e.across);
  let rest = tile - image * e.down * e.across;
  let top = rest / e.across * 4 - 1;
  let left = rest % e.across * 4 - 1;
  let known = t < e.known;
  var rows: array<array<vec4f, 6>, 6>;
  // unroll
  for (var r = 0u; r < 6u; r++) {
    let row = top + i32(r);
    var d: array<vec4f, 6>;
    // unroll
    for (var s = 0u; s < 6u; s++) {
      let col = left + i32(s);
      let inside = known & (row >= 0) & (row < e.h) & (col >= 0) & (col < e.w);
      let at = select(0u, u32((image * e.h + row) * e.w + col) * e.c4 + c, inside);
      d[s] = select(vec4f(), x[at], inside);
    }
    rows[r] = transform(d);
  }
  // unroll
  for (var s = 0u; s < 6u; s++) {
    let column = transform(array<vec4f, 6>(
      rows[0][s], rows[1][s], rows[2][s], rows[3][s], rows[4][s], rows[5][s],
    ));
    // unroll
    for (var r = 0u; r < 6u; r++) {
      v[(6u * r + s) * e.tiles * e.c4 + i] = column[r];
    }
  }
}
