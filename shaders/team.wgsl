// Part of kernels in which TEAM lanes of a workgroup make one result together. The kernel declares LANES,
// TEAM, STEPS (the logarithm of TEAM) and APART: how far apart the lanes of a team are.
var<workgroup> shares: array<f32, LANES>;

/** The sum of what the lanes of a team have, the same for each of them. All lanes must come here. */
fn teamSum(lane: u32, own: f32) -> f32 {
  var sum = own;
  // unroll
  for (var k = 0u; k < STEPS; k++) {
    workgroupBarrier();
    shares[lane] = sum;
    workgroupBarrier();
    sum += shares[lane ^ (APART << k)];
  }
  return sum;
}
