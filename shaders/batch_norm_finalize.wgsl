// Merges the chunks' statistics (Chan, Golub and LeVeque 1979), the mean first, and updates the running
// ones.
// partial: [chunk, 2, c], affine (scales, shifts), running (means, variances)
//   ->  norm: [4, c]: mean, 1 / deviation, scale, shift; zeros in the padding channels.
// momentum: [1], the weight of the old running statistics.
// affineAt, runningAt: [c, 2]: where in those arrays a channel's two numbers stand; NONE for padding.
const LANES: u32 = 64u;
const NONE: u32 = 0xffffffffu;

struct Extents { c: u32, pixels: u32, chunk: u32, chunks: u32, epsilon: f32 }

@group(0) @binding(0) var<storage, read> partial: array<f32>;
@group(0) @binding(1) var<storage, read> affine: array<f32>;
@group(0) @binding(2) var<storage, read_write> running: array<f32>;
@group(0) @binding(3) var<storage, read> affineAt: array<vec2u>;
@group(0) @binding(4) var<storage, read> runningAt: array<vec2u>;
@group(0) @binding(5) var<storage, read> momentum: array<f32>;
@group(0) @binding(6) var<storage, read_write> norm: array<f32>;
@group(0) @binding(7) var<uniform> e: Extents;

fn pixelsOf(chunk: u32) -> f32 {
  return f32(min((chunk + 1u) * e.chunk, e.pixels) - chunk * e.chunk);
}

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let c = group.x * LANES + lane;
  if (c >= e.c) { return; }
  // Distances from the first chunk's mean keep their digits where the mean is large.
  let count = f32(e.pixels);
  let first = partial[c];
  var sum = 0.0;
  for (var chunk = 1u; chunk < e.chunks; chunk++) {
    sum += (partial[2u * chunk * e.c + c] - first) * pixelsOf(chunk);
  }
  let mean = first + sum / count;
  var squares = 0.0;
  for (var chunk = 0u; chunk < e.chunks; chunk++) {
    let distance = partial[2u * chunk * e.c + c] - mean;
    squares += partial[(2u * chunk + 1u) * e.c + c] + distance * distance * pixelsOf(chunk);
  }
  if (affineAt[c].x == NONE) {
    for (var row = 0u; row < 4u; row++) { norm[row * e.c + c] = 0.0; }
    return;
  }
  norm[c] = mean;
  norm[e.c + c] = inverseSqrt(squares / count + e.epsilon);
  norm[2u * e.c + c] = affine[affineAt[c].x];
  norm[3u * e.c + c] = affine[affineAt[c].y];
  let at = runningAt[c];
  running[at.x] = mix(mean, running[at.x], momentum[0]);
  // The running variance is the unbiased one.
  running[at.y] = mix(squares / max(count - 1.0, 1.0), running[at.y], momentum[0]);
}
