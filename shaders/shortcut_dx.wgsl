// Gradient of shortcut.wgsl, plus `addend`, the part of it that came by another way.
// dy: [n, ho, wo, co], addend: dx's shape  ->  dx: [n, ho * stride, wo * stride, ci]
// targets: [ci, fan]: the output channels each input channel went to, or NONE.
// Where all go in aligned fours, Value is a vec4f, and channels are counted by fours.
alias Value = f32;
const LANES: u32 = 64u;
const NONE: u32 = 0xffffffffu;

struct Extents { w: u32, ci: u32, wo: u32, co: u32, stride: u32, fan: u32, add: u32 }

@group(0) @binding(0) var<storage, read> dy: array<Value>;
@group(0) @binding(1) var<storage, read> targets: array<u32>;
@group(0) @binding(2) var<storage, read> addend: array<Value>;
@group(0) @binding(3) var<storage, read_write> dx: array<Value>;
@group(0) @binding(4) var<uniform> e: Extents;

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u,
        @builtin(local_invocation_index) lane: u32) {
  let i = (group.y * groups.x + group.x) * LANES + lane;
  if (i >= arrayLength(&dx)) { return; }
  let c = i % e.ci;
  let pixel = i / e.ci; // (image * h + row) * w + column; h is a multiple of stride
  let to = (pixel / e.w / e.stride * e.wo + pixel % e.w / e.stride) * e.co;
  var sum = Value();
  for (var k = 0u; k < e.fan; k++) {
    let channel = targets[c * e.fan + k];
    if (channel != NONE) { sum += dy[to + channel]; }
  }
  sum = sum / f32(e.stride * e.stride);
  if (e.add != 0u) { sum += addend[i]; }
  dx[i] = sum;
}
