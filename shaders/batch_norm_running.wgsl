// Inference: what batch_norm_apply.wgsl needs, from the running statistics.
// affine: [2, c] (scale, shift), running: [2, c] (mean, variance)  ->  norm: [4, c4], as in training.
const LANES: u32 = 64u;

struct Extents { c: u32, channels: u32, epsilon: f32 }

@group(0) @binding(0) var<storage, read> affine: array<f32>;
@group(0) @binding(1) var<storage, read> running: array<f32>;
@group(0) @binding(2) var<storage, read_write> norm: array<f32>;
@group(0) @binding(3) var<uniform> e: Extents;

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let c = group.x * LANES + lane;
  if (c >= e.c) { return; }
  let real = c < e.channels;
  let k = min(c, e.channels - 1u);
  norm[c] = select(0.0, running[k], real);
  norm[e.c + c] = select(0.0, inverseSqrt(running[e.channels + k] + e.epsilon), real);
  norm[2u * e.c + c] = select(0.0, affine[k], real);
  norm[3u * e.c + c] = select(0.0, affine[e.channels + k], real);
}
