// Part of kernels: a matrix product [rows, depth] x [depth, columns] by tiles in workgroup memory. The
// kernel fetches a piece of each operand into registers, `stage` puts them where all lanes see them,
// and `multiply` adds their product to the lane's own sums while the next pieces are on their way.
//
// A workgroup makes TILE_ROWS rows by 4 * TILE_COLUMNS columns, going 4 * DEPTH deep at a time. Of these
// a lane makes every DOWN-th row by every ACROSS-th group of 4 columns, ROWS by COLUMNS of them: lanes
// side by side then read, and write, vec4s side by side. In 4 turns of the depth a lane loads
// ROWS + 4 * COLUMNS vec4s for 16 * ROWS * COLUMNS multiplications; those of `a` are the same for all
// ACROSS lanes of a row. Rows of `a` are one vec4 longer than they need be, so that 8 of them start in
// different memory banks.
const TILE_ROWS: u32 = 64u;
const TILE_COLUMNS: u32 = 16u;
const DEPTH: u32 = 4u;
const ROWS: u32 = 8u;
const COLUMNS: u32 = 2u;
const LANES: u32 = 64u;
/** vec4s of each piece that a lane fetches. */
const A_LOADS: u32 = 4u;
const B_LOADS: u32 = 4u;

const DOWN: u32 = TILE_ROWS / ROWS;
const ACROSS: u32 = TILE_COLUMNS / COLUMNS;
const A_STRIDE: u32 = DEPTH + 1u;

var<workgroup> aTile: array<vec4f, TILE_ROWS * A_STRIDE>; // [row][depth], 4 of the depth to a vec4
var<workgroup> bTile: array<vec4f, 4u * DEPTH * TILE_COLUMNS>; // [depth][column], 4 columns to a vec4
/** a[fetchRow(lane, s)][lane % DEPTH], and what comes into b at `stage`'s places. */
var<private> aNext: array<vec4f, A_LOADS>;
var<private> bNext: array<vec4f, B_LOADS>;
/** Of row lane / ACROSS + r * DOWN, group lane % ACROSS + q * ACROSS: at r * COLUMNS + q. */
var<private> sum: array<vec4f, ROWS * COLUMNS>;

fn fetchRow(lane: u32, s: u32) -> u32 { return lane / DEPTH + s * (LANES / DEPTH); }

/** The s-th of a lane's vec4s of `b` goes to bAt + s * bStep; in uniform control flow. */
fn stage(lane: u32, bAt: u32, bStep: u32) {
  workgroupBarrier(); // All are done with what is there.
  // unroll
  for (var s = 0u; s < A_LOADS; s++) {
    aTile[fetchRow(lane, s) * A_STRIDE + lane % DEPTH] = aNext[s];
  }
  // unroll
  for (var s = 0u; s < B_LOADS; s++) {
    bTile[bAt + s * bStep] = bNext[s];
  }
  workgroupBarrier();
}

fn multiply(lane: u32) {
  let aAt = lane / ACROSS * A_STRIDE;
  let bAt = lane % ACROSS;
  for (var k = 0u; k < DEPTH; k++) {
    var a: array<vec4f, ROWS>;
    // unroll
    for (var r = 0u; r < ROWS; r++) {
      a[r] = aTile[aAt + r * DOWN * A_STRIDE + k];
    }
    // unroll
    for (var j = 0u; j < 4u; j++) {
      // unroll
      for (var q = 0u; q < COLUMNS; q++) {
        let b = bTile[(4u * k + j) * TILE_COLUMNS + bAt + q * ACROSS];
        // unroll
        for (var r = 0u; r < ROWS; r++) {
          sum[r * COLUMNS + q] += a[r][j] * b;
        }
      }
    }
  }
}
