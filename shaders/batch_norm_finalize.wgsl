// Merges the chunks' statistics (Chan, Golub and LeVeque 1979) and updates the running ones.
// partial: [chunk, 2, c4], affine: [2, c] (scale, shift), running: [2, c] (mean, variance)
//   ->  norm: [4, c4]: mean, 1 / deviation, scale, shift; zeros in the padding channels.
const LANES: u32 = 64u;

struct Extents { c: u32, channels: u32, pixels: u32, chunk: u32, chunks: u32, momentum: f32, epsilon: f32 }

@group(0) @binding(0) var<storage, read> partial: array<f32>;
@group(0) @binding(1) var<storage, read> affine: array<f32>;
@group(0) @binding(2) var<storage, read_write> running: array<f32>;
@group(0) @binding(3) var<storage, read_write> norm: array<f32>;
@group(0) @binding(4) var<uniform> e: Extents;

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let c = group.x * LANES + lane;
  if (c >= e.c) { return; }
  var mean = 0.0;
  var squares = 0.0;
  var count = 0.0;
  for (var chunk = 0u; chunk < e.chunks; chunk++) {
    let n = f32(min((chunk + 1u) * e.chunk, e.pixels) - chunk * e.chunk);
    let distance = partial[2u * chunk * e.c + c] - mean;
    let total = count + n;
    mean += distance * n / total;
    squares += partial[(2u * chunk + 1u) * e.c + c] + distance * distance * count * n / total;
    count = total;
  }
  let variance = squares / count;
  let real = c < e.channels;
  norm[c] = mean;
  norm[e.c + c] = select(0.0, inverseSqrt(variance + e.epsilon), real);
  norm[2u * e.c + c] = select(0.0, affine[min(c, e.channels - 1u)], real);
  norm[3u * e.c + c] = select(0.0, affine[e.channels + min(c, e.channels - 1u)], real);
  if (real) {
    running[c] = mix(mean, running[c], e.momentum);
    // The running variance is the unbiased one.
    let unbiased = squares / max(count - 1.0, 1.0);
    running[e.channels + c] = mix(unbiased, running[e.channels + c], e.momentum);
  }
}
