// Gathers the active blocks of a block-major weight into the dense one a convolution reads.
// weight: blocks [tap, c_in, c_out]  ->  packed: [tap, ci, co], padded with zeros to multiples of 4;
// or, transposed, [tap in reverse, co, ci], which turns a data gradient into a convolution.
// table: for each of ci, then of co: (index of the active unit or NONE, channel in it, its width);
// then the start of each active block, [active out units, active in units].
const LANES: u32 = 64u;
const NONE: u32 = 0xffffffffu;

struct Extents { taps: u32, ci: u32, co: u32, inUnits: u32, transposed: u32 }

@group(0) @binding(0) var<storage, read> weight: array<f32>;
@group(0) @binding(1) var<storage, read> table: array<u32>;
@group(0) @binding(2) var<storage, read_write> packed: array<f32>;
@group(0) @binding(3) var<uniform> e: Extents;

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u,
        @builtin(local_invocation_index) lane: u32) {
  let i = (group.y * groups.x + group.x) * LANES + lane;
  if (i >= e.ci * e.co) { return; }
  // Neighbouring lanes write neighbouring elements.
  let ci = select(i / e.co, i % e.ci, e.transposed != 0u);
  let co = select(i % e.co, i / e.ci, e.transposed != 0u);
  let inUnit = table[3u * ci];
  let outUnit = table[3u * (e.ci + co)];
  let known = inUnit != NONE && outUnit != NONE;
  let inWidth = table[3u * ci + 2u];
  let outWidth = table[3u * (e.ci + co) + 2u];
  var start = 0u;
  if (known) {
    start = table[3u * (e.ci + e.co) + outUnit * e.inUnits + inUnit] +
      table[3u * ci + 1u] * outWidth + table[3u * (e.ci + co) + 1u];
  }
  for (var tap = 0u; tap < e.taps; tap++) {
    let to = select(tap, e.taps - 1u - tap, e.transposed != 0u) * e.ci * e.co + i;
    packed[to] = select(0.0, weight[start + select(0u, tap * inWidth * outWidth, known)], known);
  }
}
