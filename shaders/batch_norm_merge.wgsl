// Between the stages of a reduction, on GPUs: merges groups of neighbouring chunks, so that no lane has
// more than a few dozen to go through one after another.
// partial: [chunk, 2, c]  ->  merged: [group, 2, c], both sums or, with STATISTICS, both means and sums
// of squared distances from them (Chan, Golub and LeVeque 1979).
const STATISTICS: bool = false;
const LANES: u32 = 64u;

struct Extents {
  c4: u32,
  pixels: u32,
  chunk: u32, // pixels
  chunks: u32,
  group: u32, // chunks
  groups: u32,
}

@group(0) @binding(0) var<storage, read> partial: array<vec4f>;
@group(0) @binding(1) var<storage, read_write> merged: array<vec4f>;
@group(0) @binding(2) var<uniform> e: Extents;

fn pixelsOf(chunk: u32) -> f32 {
  return f32(min((chunk + 1u) * e.chunk, e.pixels) - chunk * e.chunk);
}

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u,
        @builtin(local_invocation_index) lane: u32) {
  let i = (group.y * groups.x + group.x) * LANES + lane;
  if (i >= e.groups * e.c4) { return; }
  let c = i % e.c4;
  let index = i / e.c4;
  let begin = index * e.group;
  let end = min(begin + e.group, e.chunks);
  // Distances from the first mean keep their digits where the mean is large.
  let start = select(vec4f(), partial[2u * begin * e.c4 + c], STATISTICS);
  var first = vec4f();
  var second = vec4f();
  for (var chunk = begin; chunk < end; chunk++) {
    let weight = select(1.0, pixelsOf(chunk), STATISTICS);
    first += (partial[2u * chunk * e.c4 + c] - start) * weight;
    second += partial[(2u * chunk + 1u) * e.c4 + c];
  }
  if (STATISTICS) {
    let distance = first / f32(min(end * e.chunk, e.pixels) - begin * e.chunk);
    first = start + distance;
    for (var chunk = begin; chunk < end; chunk++) {
      let d = partial[2u * chunk * e.c4 + c] - first;
      second += d * d * pixelsOf(chunk);
    }
  }
  merged[2u * index * e.c4 + c] = first;
  merged[(2u * index + 1u) * e.c4 + c] = second;
}
