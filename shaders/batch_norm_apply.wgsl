// Normalises; with RELU, also clips below zero.
// x: [pixels, c], norm: [4, c] (mean, 1 / deviation, scale, shift)  ->  y: [pixels, c]
const RELU: bool = false;
const LANES: u32 = 64u;

struct Extents { pixels: u32, c4: u32, chunk: u32, chunks: u32 }

@group(0) @binding(0) var<storage, read> x: array<vec4f>;
@group(0) @binding(1) var<storage, read> norm: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> y: array<vec4f>;
@group(0) @binding(3) var<uniform> e: Extents;

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u,
        @builtin(local_invocation_index) lane: u32) {
  let i = (group.y * groups.x + group.x) * LANES + lane;
  if (i >= e.chunks * e.c4) { return; }
  let c = i % e.c4;
  let begin = i / e.c4 * e.chunk;
  let mean = norm[c];
  let scale = norm[e.c4 + c] * norm[2u * e.c4 + c];
  let shift = norm[3u * e.c4 + c];
  for (var pixel = begin; pixel < min(begin + e.chunk, e.pixels); pixel++) {
    let at = pixel * e.c4 + c;
    let value = (x[at] - mean) * scale + shift;
    if (RELU) { y[at] = max(value, vec4f()); } else { y[at] = value; }
  }
}
