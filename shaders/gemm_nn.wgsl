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

// Nested, so that what is constant in an index stays so where compilers keep the rest in bounds.
var<workgroup> aTile: array<array<vec4f, DEPTH + 1u>, TILE_ROWS>; // 4 of the depth to a vec4
var<workgroup> bTile: array<array<array<vec4f, TILE_COLUMNS>, 4>, DEPTH>; // 4 columns to a vec4
/** What comes into aTile[fetchRow(lane, s)][lane % DEPTH], and into bTile where `stage` is told. */
var<private> aNext: array<vec4f, A_LOADS>;
var<private> bNext: array<vec4f, B_LOADS>;
/** Of row lane / ACROSS + r * DOWN, group lane % ACROSS + q * ACROSS: at r * COLUMNS + q. */
var<private> sum: array<vec4f, ROWS * COLUMNS>;

fn fetchRow(lane: u32, s: u32) -> u32 { return lane / DEPTH + s * (LANES / DEPTH); }

/**
 * Of a lane's vec4s of `b` the s-th goes to depth bDepth + s * bStep, group bColumn; in uniform control
 * flow.
 */
fn stage(lane: u32, bDepth: u32, bStep: u32, bColumn: u32) {
  workgroupBarrier(); // All are done with what is there.
  // unroll
  for (var s = 0u; s < A_LOADS; s++) {
    aTile[fetchRow(lane, s)][lane % DEPTH] = aNext[s];
  }
  // unroll
  for (var s = 0u; s < B_LOADS; s++) {
    let k = bDepth + s * bStep;
    bTile[k / 4u][k % 4u][bColumn] = bNext[s];
  }
  workgroupBarrier();
}

fn multiply(lane: u32) {
  let row = lane / ACROSS;
  let column = lane % ACROSS;
  // unroll
  for (var k = 0u; k < DEPTH; k++) {
    var a: array<vec4f, ROWS>;
    // unroll
    for (var r = 0u; r < ROWS; r++) {
      a[r] = aTile[row + r * DOWN][k];
    }
    // unroll
    for (var j = 0u; j < 4u; j++) {
      // unroll
      for (var q = 0u; q < COLUMNS; q++) {
        let b = bTile[k][j][column + q * ACROSS];
        // unroll
        for (var r = 0u; r < ROWS; r++) {
          sum[r * COLUMNS + q] += a[r][j] * b;
        }
      }
    }
  }
}
