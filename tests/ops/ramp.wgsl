// y[i] = i * STEP
// y: [n], f32.
const STEP: f32 = 1.0;
const LANES: u32 = 64u;

@group(0) @binding(0) var<storage, read_write> y: array<f32>;

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u,
        @builtin(local_invocation_index) lane: u32) {
  let i = (group.y * groups.x + group.x) * LANES + lane; // grid() folds past 65535
  if (i < arrayLength(&y)) { y[i] = f32(i) * STEP; }
}
