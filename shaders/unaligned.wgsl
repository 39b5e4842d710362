/** Four floats on end, the first of them `by` (0 to 3) floats into `low`; `high` follows `low`. */
fn unaligned(low: vec4f, high: vec4f, by: u32) -> vec4f {
  let two = (by & 2u) != 0u;
  let v = select(low, vec4f(low.zw, high.xy), two);
  return select(v, vec4f(v.yzw, select(high.x, high.z, two)), (by & 1u) != 0u);
}
