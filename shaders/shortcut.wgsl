// Parameter-free shortcut: the mean of each stride x stride square, channels moved by a table.
// x: [n, h, w, ci]  ->  y: [n, h / stride, w / stride, co], f32, NHWC.
// sources: for each output channel its input channel, or NONE for zeros.
// Where all go in aligned fours, Value is a vec4f, and channels are counted by fours.
alias Value = f32;
const LANES: u32 = 64u;
const NONE: u32 = 0xffffffffu;

struct Extents { w: u32, ci: u32, wo: u32, co: u32, stride: u32 }

@group(0) @binding(0) var<storage, read> x: array<Value>;
@group(0) @binding(1) var<storage, read> sources: array<u32>;
@group(0) @binding(2) var<storage, read_write> y: array<Value>;
@group(0) @binding(3) var<uniform> e: Extents;

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u,
        @builtin(local_invocation_index) lane: u32) {
  let i = (group.y * groups.x + group.x) * LANES + lane; // the grid folds past 65535 groups
  if (i >= arrayLength(&y)) { return; } // the last workgroup is ragged
  let source = sources[i % e.co];
  let pixel = i / e.co; // (image * ho + row) * wo + column
  var sum = Value();
  if (source != NONE) {
    let corner = (pixel / e.wo * e.stride * e.w + pixel % e.wo * e.stride) * e.ci + source;
    for (var k = 0u; k < e.stride * e.stride; k++) {
      sum += x[corner + (k / e.stride * e.w + k % e.stride) * e.ci];
    }
  }
  y[i] = sum / f32(e.stride * e.stride);
}
