// Winograd F(4x4, 3x3), weight gradient: the tiles of dy, transformed: A dy A^T, 6x6 of each 4x4 tile.
// dy: [n, h, w, c]  ->  z: [36, tiles, c], f32; c is a multiple of 4.
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

@group(0) @binding(0) var<storage, read> dy: array<vec4f>;
@group(0) @binding(1) var<storage, read_write> z: array<vec4f>;
@group(0) @binding(2) var<uniform> e: Extents;

fn transform(d: array<vec4f, 4>) -> array<vec4f, 6> {
  let evenP = d[0] + 0.5 * d[2];
  let oddP = P * (d[1] + 0.5 * d[3]);
  let evenQ = d[0] + 2.0 * d[2];
  let oddQ = Q * (d[1] + 2.0 * d[3]);
  return array<vec4f, 6>(d[0], evenP + oddP, evenP - oddP, evenQ + oddQ, evenQ - oddQ, d[3]);
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
  let top = rest / e.across * 4;
  let left = rest % e.across * 4;
  let known = t < e.known;
  var rows: array<array<vec4f, 6>, 4>;
  // unroll
  for (var r = 0u; r < 4u; r++) {
    let row = top + i32(r);
    var d: array<vec4f, 4>;
    // unroll
    for (var s = 0u; s < 4u; s++) {
      let col = left + i32(s);
      let inside = known & (row < e.h) & (col < e.w);
      let at = select(0u, u32((image * e.h + row) * e.w + col) * e.c4 + c, inside);
      d[s] = select(vec4f(), dy[at], inside);
    }
    rows[r] = transform(d);
  }
  // unroll
  for (var s = 0u; s < 6u; s++) {
    let column = transform(array<vec4f, 4>(rows[0][s], rows[1][s], rows[2][s], rows[3][s]));
    // unroll
    for (var r = 0u; r < 6u; r++) {
      z[(6u * r + s) * e.tiles * e.c4 + i] = column[r];
    }
  }
}
