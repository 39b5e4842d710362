// Weight gradient of a convolution, second stage: sums the splits in a fixed order and scatters the
// dense result into the block-major gradient. The reverse of pack_weight.wgsl, whose table this reads.
// partial: [split, tap, ci, co]  ->  gradient: blocks [tap, c_in, c_out]
// adds: for each active block, whether to add to what is there.
// A lane makes some taps of one input and one output channel.
const LANES: u32 = 64u;
const NONE: u32 = 0xffffffffu;

struct Extents { taps: u32, ci: u32, co: u32, inUnits: u32, splits: u32, tapsPerLane: u32 }

@group(0) @binding(0) var<storage, read> partial: array<f32>;
@group(0) @binding(1) var<storage, read> table: array<u32>;
@group(0) @binding(2) var<storage, read> adds: array<u32>;
@group(0) @binding(3) var<storage, read_write> gradient: array<f32>;
@group(0) @binding(4) var<uniform> e: Extents;

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u,
        @builtin(local_invocation_index) lane: u32) {
  let all = (group.y * groups.x + group.x) * LANES + lane;
  let i = all % (e.ci * e.co);
  let begin = all / (e.ci * e.co) * e.tapsPerLane;
  if (begin >= e.taps) { return; }
  let ci = i / e.co;
  let co = i - ci * e.co;
  let inUnit = table[3u * ci];
  let outUnit = table[3u * (e.ci + co)];
  if (inUnit == NONE || outUnit == NONE) { return; }
  let inWidth = table[3u * ci + 2u];
  let outWidth = table[3u * (e.ci + co) + 2u];
  let block = outUnit * e.inUnits + inUnit;
  let to = table[3u * (e.ci + e.co) + block] + table[3u * ci + 1u] * outWidth +
    table[3u * (e.ci + co) + 1u];
  let more = adds[block] != 0u;
  for (var tap = begin; tap < min(begin + e.tapsPerLane, e.taps); tap++) {
    var sum = 0.0;
    for (var s = 0u; s < e.splits; s++) {
      sum += partial[(s * e.taps + tap) * e.ci * e.co + i];
    }
    let at = to + tap * inWidth * outWidth;
    if (more) { sum += gradient[at]; }
    gradient[at] = sum;
  }
}
