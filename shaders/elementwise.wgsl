// Element by element; vec4 by vec4, so the size is a multiple of 4.
// OP 0: y = a + b.  1: y = max(a, 0).  2: y = b where a > 0, else 0 (the gradient of 1).
const OP: u32 = 0u;
const LANES: u32 = 64u;

@group(0) @binding(0) var<storage, read> a: array<vec4f>;
@group(0) @binding(1) var<storage, read> b: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> y: array<vec4f>;

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u,
        @builtin(local_invocation_index) lane: u32) {
  let i = (group.y * groups.x + group.x) * LANES + lane;
  if (i >= arrayLength(&y)) { return; }
  switch OP {
    case 0u: { y[i] = a[i] + b[i]; }
    case 1u: { y[i] = max(a[i], vec4f()); }
    default: { y[i] = select(vec4f(), b[i], a[i] > vec4f()); }
  }
}
