// Winograd F(4x4, 3x3), weight gradient: one matrix product over the tiles for each of the 36 places.
// v: [36, tiles, ci], z: [36, tiles, co]  ->  partial: [split, 36, ci, co], f32; with `add`, added to it.
// A lane makes 4 * ROWS input by 4 * COLUMNS output channels of one place over one split's tiles, four a
// turn, so that sums go through memory less often.
const ROWS: u32 = 2u;
const COLUMNS: u32 = 4u;
const LANES: u32 = 64u;

struct Extents {
  tiles: u32, // a multiple of 4
  ci4: u32, co4: u32,
  tilesPerSplit: u32, // a multiple of 4
  lanes: u32,
  add: u32,
}

@group(0) @binding(0) var<storage, read> v: array<vec4f>;
@group(0) @binding(1) var<storage, read> z: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> partial: array<vec4f>;
@group(0) @binding(3) var<uniform> e: Extents;

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u,
        @builtin(local_invocation_index) lane: u32) {
  let i = (group.y * groups.x + group.x) * LANES + lane;
  if (i >= e.lanes) { return; }
  let columnTiles = e.co4 / COLUMNS;
  let rowTiles = e.ci4 / ROWS;
  let co = i % columnTiles * COLUMNS;
  let ci = i / columnTiles % rowTiles * ROWS;
  let place = i / (columnTiles * rowTiles) % 36u;
  let split = i / (columnTiles * rowTiles * 36u);
  let vAt = place * e.tiles * e.ci4 + ci;
  let zAt = place * e.tiles * e.co4 + co;
  let end = min((split + 1u) * e.tilesPerSplit, e.tiles);
  var sum: array<vec4f, 4u * ROWS * COLUMNS>;
  for (var t = split * e.tilesPerSplit; t < end; t += 4u) {
    var vs: array<vec4f, 4u * ROWS>;
    // unroll
    for (var r = 0u; r < ROWS; r++) {
      // unroll
      for (var p = 0u; p < 4u; p++) {
        vs[4u * r + p] = v[vAt + (t + p) * e.ci4 + r];
      }
    }
    // unroll
    for (var q = 0u; q < COLUMNS; q++) {
      let z0 = z[zAt + t * e.co4 + q];
      let z1 = z[zAt + (t + 1u) * e.co4 + q];
      let z2 = z[zAt + (t + 2u) * e.co4 + q];
      let z3 = z[zAt + (t + 3u) * e.co4 + q];
      // unroll
      for (var r = 0u; r < ROWS; r++) {
        let v0 = vs[4u * r + 0u];
        let v1 = vs[4u * r + 1u];
        let v2 = vs[4u * r + 2u];
        let v3 = vs[4u * r + 3u];
        sum[(4u * r + 0u) * COLUMNS + q] += v0.x * z0 + v1.x * z1 + v2.x * z2 + v3.x * z3;
        sum[(4u * r + 1u) * COLUMNS + q] += v0.y * z0 + v1.y * z1 + v2.y * z2 + v3.y * z3;
        sum[(4u * r + 2u) * COLUMNS + q] += v0.z * z0 + v1.z * z1 + v2.z * z2 + v3.z * z3;
        sum[(4u * r + 3u) * COLUMNS + q] += v0.w * z0 + v1.w * z1 + v2.w * z2 + v3.w * z3;
      }
    }
  }
  let base = ((split * 36u + place) * e.ci4 + ci) * 4u * e.co4 + co;
  // unroll
  for (var r = 0u; r < ROWS; r++) {
    // unroll
    for (var j = 0u; j < 4u; j++) {
      // unroll
      for (var q = 0u; q < COLUMNS; q++) {
        let at = base + (4u * r + j) * e.co4 + q;
        var value = sum[(4u * r + j) * COLUMNS + q];
        if (e.add != 0u) { value += partial[at]; }
        partial[at] = value;
      }
    }
  }
}
