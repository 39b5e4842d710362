// Mean over all pixels of a picture.
// x: [n, pixels, c]  ->  y: [n, c]; or, with GRADIENT, back: x: [n, c]  ->  y: [n, pixels, c]
const GRADIENT: bool = false;
const LANES: u32 = 64u;

struct Extents { n: u32, pixels: u32, c4: u32 }

@group(0) @binding(0) var<storage, read> x: array<vec4f>;
@group(0) @binding(1) var<storage, read_write> y: array<vec4f>;
@group(0) @binding(2) var<uniform> e: Extents;

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u,
        @builtin(local_invocation_index) lane: u32) {
  let i = (group.y * groups.x + group.x) * LANES + lane;
  if (GRADIENT) {
    if (i >= e.n * e.pixels * e.c4) { return; }
    y[i] = x[i / (e.pixels * e.c4) * e.c4 + i % e.c4] / f32(e.pixels);
    return;
  }
  if (i >= e.n * e.c4) { return; }
  var sum = vec4f();
  for (var pixel = 0u; pixel < e.pixels; pixel++) {
    sum += x[(i / e.c4 * e.pixels + pixel) * e.c4 + i % e.c4];
  }
  y[i] = sum / f32(e.pixels);
}
