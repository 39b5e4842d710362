// Winograd F(4x4, 3x3): one matrix product for each of the 36 places of a tile.
// v: [36, tiles, ci], u: [36, ci, co]  ->  m: [36, tiles, co], f32.
// A lane makes TILES tiles by 4 * COLUMNS channels.
const TILES: u32 = 8u;
const COLUMNS: u32 = 4u;
const LANES: u32 = 64u;

struct Extents { tiles: u32, ci4: u32, co4: u32, tileLanes: u32, lanes: u32 }

@group(0) @binding(0) var<storage, read> v: array<vec4f>;
@group(0) @binding(1) var<storage, read> u: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> m: array<vec4f>;
@group(0) @binding(3) var<uniform> e: Extents;

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u,
        @builtin(local_invocation_index) lane: u32) {
  let i = (group.y * groups.x + group.x) * LANES + lane;
  if (i >= e.lanes) { return; }
  let first = i % e.tileLanes * TILES;
  let columnTiles = e.co4 / COLUMNS;
  let column = i / e.tileLanes % columnTiles * COLUMNS;
  let place = i / (e.tileLanes * columnTiles);
  var start: array<u32, TILES>;
  // unroll
  for (var t = 0u; t < TILES; t++) {
    start[t] = (place * e.tiles + min(first + t, e.tiles - 1u)) * e.ci4;
  }
  var k = place * e.ci4 * 4u * e.co4 + column;
  var sum: array<vec4f, TILES * COLUMNS>;
  for (var c = 0u; c < e.ci4; c++) {
    var vs: array<vec4f, TILES>;
    // unroll
    for (var t = 0u; t < TILES; t++) {
      vs[t] = v[start[t] + c];
    }
    // unroll
    for (var q = 0u; q < COLUMNS; q++) {
      let matrix = mat4x4f(u[k + q], u[k + e.co4 + q], u[k + 2u * e.co4 + q], u[k + 3u * e.co4 + q]);
      // unroll
      for (var t = 0u; t < TILES; t++) {
        sum[t * COLUMNS + q] += matrix * vs[t];
      }
    }
    k += 4u * e.co4;
  }
  // unroll
  for (var t = 0u; t < TILES; t++) {
    if (first + t < e.tiles) {
      // unroll
      for (var q = 0u; q < COLUMNS; q++) {
        m[(place * e.tiles + first + t) * e.co4 + column + q] = sum[t * COLUMNS + q];
      }
    }
  }
}
