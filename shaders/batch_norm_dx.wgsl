// Backward, third stage (Ioffe and Szegedy 2015, Sec. 3): the gradient of x, plus `addend`, the part
// of it that came by another way.
// x, dy, addend: [pixels, c], norm: [4, c], sums: [2, c]  ->  dx: [pixels, c]
const RELU: bool = false;
const LANES: u32 = 64u;

struct Extents { pixels: u32, c4: u32, chunk: u32, chunks: u32, add: u32 }

@group(0) @binding(0) var<storage, read> x: array<vec4f>;
@group(0) @binding(1) var<storage, read> dy: array<vec4f>;
@group(0) @binding(2) var<storage, read> addend: array<vec4f>;
@group(0) @binding(3) var<storage, read> norm: array<vec4f>;
@group(0) @binding(4) var<storage, read> sums: array<vec4f>;
@group(0) @binding(5) var<storage, read_write> dx: array<vec4f>;
@group(0) @binding(6) var<uniform> e: Extents;

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u,
        @builtin(local_invocation_index) lane: u32) {
  let i = (group.y * groups.x + group.x) * LANES + lane;
  if (i >= e.chunks * e.c4) { return; }
  let c = i % e.c4;
  let begin = i / e.c4 * e.chunk;
  let mean = norm[c];
  let inverse = norm[e.c4 + c];
  let scale = norm[2u * e.c4 + c];
  let shift = norm[3u * e.c4 + c];
  let meanDz = sums[c] / f32(e.pixels);
  let meanDzX = sums[e.c4 + c] / f32(e.pixels);
  for (var pixel = begin; pixel < min(begin + e.chunk, e.pixels); pixel++) {
    let at = pixel * e.c4 + c;
    let distance = x[at] - mean;
    var dz = dy[at];
    if (RELU) { dz = select(vec4f(), dz, distance * (inverse * scale) + shift > vec4f()); }
    var value = scale * inverse * (dz - meanDz - distance * inverse * meanDzX);
    if (e.add != 0u) { value += addend[at]; }
    dx[at] = value;
  }
}
