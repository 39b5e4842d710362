// Statistics of each channel over one chunk of pixels.
// x: [pixels, c]  ->  partial: [chunk, 2, c]: mean, and sum of squared distances from it.
const LANES: u32 = 64u;

struct Extents { pixels: u32, c4: u32, chunk: u32, chunks: u32 }

@group(0) @binding(0) var<storage, read> x: array<vec4f>;
@group(0) @binding(1) var<storage, read_write> partial: array<vec4f>;
@group(0) @binding(2) var<uniform> e: Extents;

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u,
        @builtin(local_invocation_index) lane: u32) {
  let i = (group.y * groups.x + group.x) * LANES + lane;
  if (i >= e.chunks * e.c4) { return; }
  let c = i % e.c4;
  let chunk = i / e.c4;
  let begin = chunk * e.chunk;
  let end = min(begin + e.chunk, e.pixels);
  // Distances from the first value keep the squares small where the mean is large.
  let first = x[begin * e.c4 + c];
  var sum = vec4f();
  var squares = vec4f();
  for (var pixel = begin + 1u; pixel < end; pixel++) {
    let d = x[pixel * e.c4 + c] - first;
    sum += d;
    squares += d * d;
  }
  let count = f32(end - begin);
  partial[2u * chunk * e.c4 + c] = first + sum / count;
  partial[(2u * chunk + 1u) * e.c4 + c] = max(squares - sum * sum / count, vec4f());
}
