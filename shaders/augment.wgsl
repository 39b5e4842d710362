// Turns bytes into network input: moves each picture by its own affine map, then scales each channel.
// bytes: [n, h, w, CHANNELS] packed four to a word  ->  y: [n, h, w, 4], zeros in channels past those.
// The source position of an output pixel is matrix * (x + 0.5, y + 0.5, 1); pixels are sampled
// bilinearly, and are zero outside the picture.
const LANES: u32 = 64u;

// 1 to 4. Constant, because lavapipe (Mesa 22.3) loses memory in loops it does not unroll under a
// branch: 1 kB a workgroup here.
const CHANNELS: u32 = 3u;

struct Extents { h: i32, w: i32, pixels: u32 }

@group(0) @binding(0) var<storage, read> bytes: array<u32>;
@group(0) @binding(1) var<storage, read> matrices: array<mat3x3f>;
@group(0) @binding(2) var<storage, read> normalization: array<vec4f>; // scale, shift
@group(0) @binding(3) var<storage, read_write> y: array<vec4f>;
@group(0) @binding(4) var<uniform> e: Extents;

fn pixelAt(image: i32, row: i32, column: i32) -> vec4f {
  if (row < 0 || column < 0 || row >= e.h || column >= e.w) { return vec4f(); }
  let first = u32((image * e.h + row) * e.w + column) * CHANNELS;
  var value = vec4f();
  for (var k = 0u; k < CHANNELS; k++) {
    let at = first + k;
    value[k] = f32((bytes[at / 4u] >> (8u * (at % 4u))) & 0xffu);
  }
  return value;
}

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u,
        @builtin(local_invocation_index) lane: u32) {
  let i = (group.y * groups.x + group.x) * LANES + lane;
  if (i >= e.pixels) { return; }
  let image = i32(i) / (e.h * e.w);
  let row = i32(i) / e.w % e.h;
  let column = i32(i) % e.w;
  let source = matrices[image] * vec3f(f32(column) + 0.5, f32(row) + 0.5, 1.0) - 0.5;
  let corner = floor(source.xy);
  let part = source.xy - corner;
  let sx = i32(corner.x);
  let sy = i32(corner.y);
  let above = mix(pixelAt(image, sy, sx), pixelAt(image, sy, sx + 1), part.x);
  let below = mix(pixelAt(image, sy + 1, sx), pixelAt(image, sy + 1, sx + 1), part.x);
  let value = mix(above, below, part.y) * normalization[0] + normalization[1];
  y[i] = select(vec4f(), value, vec4u(0u, 1u, 2u, 3u) < vec4u(CHANNELS));
}
