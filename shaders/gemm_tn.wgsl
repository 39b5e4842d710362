// Part of kernels: a matrix product [depth, rows]^T x [depth, columns] by tiles in workgroup memory, in
// the way of gemm_nn.wgsl. Both operands lie as they are needed: 4 rows, or 4 columns, to a vec4.
//
// A workgroup makes 4 * TILE_ROWS rows by 4 * TILE_COLUMNS columns, going DEPTH deep at a time; a lane
// every DOWN-th group of 4 rows by every ACROSS-th group of 4 columns, ROWS by COLUMNS of them. A turn
// of the depth takes ROWS + COLUMNS vec4s for 16 * ROWS * COLUMNS multiplications.
const TILE_ROWS: u32 = 16u;
const TILE_COLUMNS: u32 = 16u;
const DEPTH: u32 = 16u;
const ROWS: u32 = 2u;
const COLUMNS: u32 = 2u;
const LANES: u32 = 64u;
/** vec4s of each piece that a lane fetches. */
const A_LOADS: u32 = 4u;
const B_LOADS: u32 = 4u;

const DOWN: u32 = TILE_ROWS / ROWS;
const ACROSS: u32 = TILE_COLUMNS / COLUMNS;

var<workgroup> aTile: array<array<array<vec4f, TILE_ROWS>, 4>, DEPTH / 4u>;
var<workgroup> bTile: array<array<array<vec4f, TILE_COLUMNS>, 4>, DEPTH / 4u>;
/** What comes into a at [aDepth(lane, s)][lane % TILE_ROWS], and likewise into b. */
var<private> aNext: array<vec4f, A_LOADS>;
var<private> bNext: array<vec4f, B_LOADS>;
/**
 * Of row 4 * (lane / ACROSS + r * DOWN) + j, group lane % ACROSS + q * ACROSS: at
 * (4 * r + j) * COLUMNS + q.
 */
var<private> sum: array<vec4f, 4u * ROWS * COLUMNS>;

fn aDepth(lane: u32, s: u32) -> u32 { return lane / TILE_ROWS + s * (LANES / TILE_ROWS); }
fn bDepth(lane: u32, s: u32) -> u32 { return lane / TILE_COLUMNS + s * (LANES / TILE_COLUMNS); }

/** In uniform control flow. */
fn stage(lane: u32) {
  workgroupBarrier(); // All are done with what is there.
  // unroll
  for (var s = 0u; s < A_LOADS; s++) {
    let k = aDepth(lane, s);
    aTile[k / 4u][k % 4u][lane % TILE_ROWS] = aNext[s];
  }
  // unroll
  for (var s = 0u; s < B_LOADS; s++) {
    let k = bDepth(lane, s);
    bTile[k / 4u][k % 4u][lane % TILE_COLUMNS] = bNext[s];
  }
  workgroupBarrier();
}

fn multiply(lane: u32) {
  let row = lane / ACROSS;
  let column = lane % ACROSS;
  for (var k = 0u; k < DEPTH / 4u; k++) {
    // unroll
    for (var i = 0u; i < 4u; i++) {
      var b: array<vec4f, COLUMNS>;
      // unroll
      for (var q = 0u; q < COLUMNS; q++) {
        b[q] = bTile[k][i][column + q * ACROSS];
      }
      // unroll
      for (var r = 0u; r < ROWS; r++) {
        let a = aTile[k][i][row + r * DOWN];
        // unroll
        for (var j = 0u; j < 4u; j++) {
          // unroll
          for (var q = 0u; q < COLUMNS; q++) {
            sum[(4u * r + j) * COLUMNS + q] += a[j] * b[q];
          }
        }
      }
    }
  }
}
