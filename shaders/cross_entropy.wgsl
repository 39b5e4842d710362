// Softmax cross-entropy of a batch, its gradient, and running counters; one workgroup.
// logits: [n, m], counters: [3] (sum of losses, rows classified rightly, rows), added to
//   ->  dlogits: [n, m], the gradient of weight * mean loss, plus `addend`, the part of it that came
//   from another loss.
// Rows labelled IGNORE count for nothing and have no gradient.
// Against labels: [n] (u32); or, with TEACHER, against softmax(teacher / temperature), as in Hinton,
// Vinyals and Dean 2015 without their factor T^2. There "rightly" means as the teacher would.
// With SCALED, gradients are those of the loss times scaling[0], bits of a float; see loss_scale.wgsl.
// A team of lanes makes a row; on software, one lane.
const TEACHER: bool = false;
const SCALED: bool = false;
const LANES: u32 = 64u;
const TEAM: u32 = 1u;
const STEPS: u32 = 0u;
const APART: u32 = 1u; // lanes side by side read columns side by side
const IGNORE: u32 = 0xffffffffu;

struct Extents { n: u32, m: u32, temperature: f32, weight: f32, add: u32 }

@group(0) @binding(0) var<storage, read> logits: array<f32>;
@group(0) @binding(1) var<storage, read> labels: array<u32>;
@group(0) @binding(2) var<storage, read> teacher: array<f32>;
@group(0) @binding(3) var<storage, read> addend: array<f32>;
@group(0) @binding(4) var<storage, read> scaling: array<u32>;
@group(0) @binding(5) var<storage, read_write> dlogits: array<f32>;
@group(0) @binding(6) var<storage, read_write> counters: array<f32>;
@group(0) @binding(7) var<uniform> e: Extents;

var<workgroup> losses: array<f32, LANES>;
var<workgroup> hits: array<f32, LANES>;
var<workgroup> counts: array<f32, LANES>;

struct Candidate { column: u32, value: f32 }

var<workgroup> candidates: array<Candidate, LANES>;

/** The greatest of what the lanes of a team have; the lowest column wins a tie. All lanes must come here. */
fn teamTop(lane: u32, own: Candidate) -> Candidate {
  var top = own;
  // unroll
  for (var k = 0u; k < STEPS; k++) {
    workgroupBarrier();
    candidates[lane] = top;
    workgroupBarrier();
    let other = candidates[lane ^ (APART << k)];
    if (other.value > top.value || (other.value == top.value && other.column < top.column)) {
      top = other;
    }
  }
  return top;
}

fn setGradient(i: u32, value: f32) {
  if (e.add != 0u) { dlogits[i] = addend[i] + value; } else { dlogits[i] = value; }
}

@compute @workgroup_size(LANES)
fn main(@builtin(local_invocation_index) lane: u32) {
  let member = lane % TEAM;
  var loss = 0.0;
  var hit = 0.0;
  var count = 0.0;
  for (var first = 0u; first < e.n; first += LANES / TEAM) {
    let row = min(first + lane / TEAM, e.n - 1u);
    let at = row * e.m;
    // Lanes without a row go through no columns, but must reach the barriers.
    let end = select(0u, e.m, first + lane / TEAM < e.n);
    let known = end > 0u && (TEACHER || labels[row] != IGNORE);
    let start = min(member, e.m - 1u);
    var top = Candidate(start, logits[at + start]);
    for (var c = start + TEAM; c < end; c += TEAM) {
      if (logits[at + c] > top.value) { top = Candidate(c, logits[at + c]); }
    }
    top = teamTop(lane, top);
    var sum = 0.0;
    for (var c = member; c < end; c += TEAM) {
      sum += exp((logits[at + c] - top.value) / e.temperature);
    }
    sum = teamSum(lane, sum);
    var scale = e.weight / (f32(e.n) * e.temperature);
    if (SCALED) { scale *= bitcast<f32>(scaling[0]); }
    var wanted = 0u;
    var mostTeacher = 0.0;
    var sumTeacher = 0.0;
    if (TEACHER) {
      var topTeacher = Candidate(start, teacher[at + start]);
      for (var c = start + TEAM; c < end; c += TEAM) {
        if (teacher[at + c] > topTeacher.value) { topTeacher = Candidate(c, teacher[at + c]); }
      }
      topTeacher = teamTop(lane, topTeacher);
      mostTeacher = topTeacher.value;
      for (var c = member; c < end; c += TEAM) {
        sumTeacher += exp((teacher[at + c] - mostTeacher) / e.temperature);
      }
      sumTeacher = teamSum(lane, sumTeacher);
      wanted = topTeacher.column;
    } else {
      wanted = labels[row];
    }
    for (var c = member; c < end; c += TEAM) {
      let distance = (logits[at + c] - top.value) / e.temperature;
      var p = select(0.0, 1.0, c == wanted);
      if (TEACHER) { p = exp((teacher[at + c] - mostTeacher) / e.temperature) / sumTeacher; }
      loss += select(0.0, p * (log(sum) - distance), known && (TEACHER || c == wanted));
      setGradient(at + c, select(0.0, (exp(distance) / sum - p) * scale, known));
    }
    count += select(0.0, 1.0, known);
    hit += select(0.0, 1.0, known && top.column == wanted);
  }
  losses[lane] = teamSum(lane, loss);
  hits[lane] = hit;
  counts[lane] = count;
  workgroupBarrier();
  if (lane != 0u) { return; }
  loss = losses[0];
  for (var k = TEAM; k < LANES; k += TEAM) {
    loss += losses[k];
    hit += hits[k];
    count += counts[k];
  }
  counters[0] += loss;
  counters[1] += hit;
  counters[2] += count;
}
