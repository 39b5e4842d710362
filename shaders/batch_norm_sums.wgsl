// Backward, first stage: what one chunk of pixels adds to the gradients of shift and scale.
// x, dy: [pixels, c], norm: [4, c]  ->  partial: [chunk, 2, c]: sum of dz, sum of dz * normalised x,
// where dz is dy, with RELU only where the output was above zero.
const RELU: bool = false;
const LANES: u32 = 64u;

struct Extents { pixels: u32, c4: u32, chunk: u32, chunks: u32 }

@group(0) @binding(0) var<storage, read> x: array<vec4f>;
@group(0) @binding(1) var<storage, read> dy: array<vec4f>;
@group(0) @binding(2) var<storage, read> norm: array<vec4f>;
@group(0) @binding(3) var<storage, read_write> partial: array<vec4f>;
@group(0) @binding(4) var<uniform> e: Extents;

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u,
        @builtin(local_invocation_index) lane: u32) {
  let i = (group.y * groups.x + group.x) * LANES + lane;
  if (i >= e.chunks * e.c4) { return; }
  let c = i % e.c4;
  let chunk = i / e.c4;
  let mean = norm[c];
  let inverse = norm[e.c4 + c];
  let scale = norm[2u * e.c4 + c];
  let shift = norm[3u * e.c4 + c];
  var shiftSum = vec4f();
  var scaleSum = vec4f();
  for (var pixel = chunk * e.chunk; pixel < min((chunk + 1u) * e.chunk, e.pixels); pixel++) {
    let at = pixel * e.c4 + c;
    let distance = x[at] - mean;
    var dz = dy[at];
    // The same expression as in batch_norm_apply.wgsl, so that both clip alike.
    if (RELU) { dz = select(vec4f(), dz, distance * (inverse * scale) + shift > vec4f()); }
    shiftSum += dz;
    scaleSum += dz * distance * inverse;
  }
  partial[2u * chunk * e.c4 + c] = shiftSum;
  partial[(2u * chunk + 1u) * e.c4 + c] = scaleSum;
}
