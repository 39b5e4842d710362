// Inference: what batch_norm_apply.wgsl needs, from the running statistics.
// affine (scales, shifts), running (means, variances)  ->  norm: [4, c], as in training.
// affineAt, runningAt: [c, 2]: where in those arrays a channel's two numbers stand; NONE for padding.
const LANES: u32 = 64u;
const NONE: u32 = 0xffffffffu;

struct Extents { c: u32, epsilon: f32 }

@group(0) @binding(0) var<storage, read> affine: array<f32>;
@group(0) @binding(1) var<storage, read> running: array<f32>;
@group(0) @binding(2) var<storage, read> affineAt: array<vec2u>;
@group(0) @binding(3) var<storage, read> runningAt: array<vec2u>;
@group(0) @binding(4) var<storage, read_write> norm: array<f32>;
@group(0) @binding(5) var<uniform> e: Extents;

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let c = group.x * LANES + lane;
  if (c >= e.c) { return; }
  if (affineAt[c].x == NONE) {
    for (var row = 0u; row < 4u; row++) { norm[row * e.c + c] = 0.0; }
    return;
  }
  norm[c] = running[runningAt[c].x];
  norm[e.c + c] = inverseSqrt(running[runningAt[c].y] + e.epsilon);
  norm[2u * e.c + c] = affine[affineAt[c].x];
  norm[3u * e.c + c] = affine[affineAt[c].y];
}
