/** floor(v / by), for v below 2^20: a few operations, where a GPU takes some twenty to divide integers. */
fn quotient(v: u32, by: u32) -> u32 {
  return u32((f32(v) + 0.5) * (1.0 / f32(by)));
}
