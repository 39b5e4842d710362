// x: [n, 4]  ->  y: [n, 4], f32.
const LANES: u32 = 64u;

@group(0) @binding(0) var<storage, read> x: array<vec4f>;
@group(0) @binding(1) var<storage, read_write> y: array<vec4f>;

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u,
        @builtin(local_invocation_index) lane: u32) {
  let i = (group.y * groups.x + group.x) * LANES + lane; // grid() folds past 65535
  if (i < arrayLength(&y)) { y[i] = x[i]; }
}
