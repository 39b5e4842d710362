// Merges the chunks' statistics (Chan, Golub and LeVeque 1979), the mean first, and updates the running
// ones.
// partial: [chunk, 2, c], affine (scales, shifts), running (means, variances)
//   ->  norm: [4, c]: mean, 1 / deviation, scale, shift; zeros in the padding channels.
// momentum: [1], the weight of the old running statistics.
// affineAt, runningAt: [c, 2]: where in those arrays a channel's two numbers stand; NONE for padding.
// A team of lanes goes through a channel's chunks; on software, one lane.
const LANES: u32 = 64u;
const TEAM: u32 = 1u;
const STEPS: u32 = 0u;
const APART: u32 = LANES / TEAM; // lanes side by side read channels side by side
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
  let c = group.x * APART + lane % APART;
  let member = lane / APART;
  let end = select(0u, e.chunks, c < e.c);
  // Distances from the first chunk's mean keep their digits where the mean is large.
  let count = f32(e.pixels);
  let first = partial[min(c, e.c - 1u)];
  var sum = 0.0;
  for (var chunk = member; chunk < end; chunk += TEAM) {
    sum += (partial[2u * chunk * e.c + c] - first) * pixelsOf(chunk);
  }
  let mean = first + teamSum(lane, sum) / count;
  var squares = 0.0;
  for (var chunk = member; chunk < end; chunk += TEAM) {
    let distance = partial[2u * chunk * e.c + c] - mean;
    squares += partial[(2u * chunk + 1u) * e.c + c] + distance * distance * pixelsOf(chunk);
  }
  squares = teamSum(lane, squares);
  if (c >= e.c || member > 0u) { return; }
  if (affineAt[c].x == NONE) {
    for (var row = 0u; row < 4u; row++) { norm[row * e.c + c] = 0.0; }
    return;
  }
  norm[c] = mean;
  norm[e.c + c] = inverseSqrt(squares / count + e.epsilon);
  norm[2u * e.c + c] = affine[affineAt[c].x];
  norm[3u * e.c + c] = affine[affineAt[c].y];
  let at = runningAt[c];
  let old = vec2f(running[at.x], running[at.y]);
  // The running variance is the unbiased one.
  let updated = mix(vec2f(mean, squares / max(count - 1.0, 1.0)), old, momentum[0]);
  // A map that overflowed in 16 bits must not outlive its step; the exponent of what is not finite is full.
  let finite = (bitcast<u32>(squares) & 0x7f800000u) != 0x7f800000u;
  running[at.x] = select(old.x, updated.x, finite);
  running[at.y] = select(old.y, updated.y, finite);
}
