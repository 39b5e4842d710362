// Softmax cross-entropy of a batch, its gradient, and running counters; one workgroup.
// logits: [n, m], counters: [3] (sum of losses, rows classified rightly, rows), added to
//   ->  dlogits: [n, m], the gradient of weight * mean loss, plus `addend`, the part of it that came
//   from another loss.
// Rows labelled IGNORE count for nothing and have no gradient.
// Against labels: [n] (u32); or, with TEACHER, against softmax(teacher / temperature), as in Hinton,
// Vinyals and Dean 2015 without their factor T^2. There "rightly" means as the teacher would.
// With SCALED, gradients are those of the loss times scaling[0], bits of a float; see loss_scale.wgsl.
const TEACHER: bool = false;
const SCALED: bool = false;
const LANES: u32 = 64u;
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

fn setGradient(i: u32, value: f32) {
  if (e.add != 0u) { dlogits[i] = addend[i] + value; } else { dlogits[i] = value; }
}

@compute @workgroup_size(LANES)
fn main(@builtin(local_invocation_index) lane: u32) {
  var loss = 0.0;
  var hit = 0.0;
  var count = 0.0;
  for (var row = lane; row < e.n; row += LANES) {
    let at = row * e.m;
    if (!TEACHER && labels[row] == IGNORE) {
      for (var c = 0u; c < e.m; c++) { setGradient(at + c, 0.0); }
      continue;
    }
    count += 1.0;
    var top = 0u; // the lowest index wins a tie
    for (var c = 1u; c < e.m; c++) {
      if (logits[at + c] > logits[at + top]) { top = c; }
    }
    let most = logits[at + top];
    var sum = 0.0;
    for (var c = 0u; c < e.m; c++) { sum += exp((logits[at + c] - most) / e.temperature); }
    var scale = e.weight / (f32(e.n) * e.temperature);
    if (SCALED) { scale *= bitcast<f32>(scaling[0]); }
    var wanted = 0u;
    if (TEACHER) {
      for (var c = 1u; c < e.m; c++) {
        if (teacher[at + c] > teacher[at + wanted]) { wanted = c; }
      }
      let mostTeacher = teacher[at + wanted];
      var sumTeacher = 0.0;
      for (var c = 0u; c < e.m; c++) {
        sumTeacher += exp((teacher[at + c] - mostTeacher) / e.temperature);
      }
      for (var c = 0u; c < e.m; c++) {
        let distance = (logits[at + c] - most) / e.temperature;
        let p = exp((teacher[at + c] - mostTeacher) / e.temperature) / sumTeacher;
        loss += p * (log(sum) - distance);
        setGradient(at + c, (exp(distance) / sum - p) * scale);
      }
    } else {
      wanted = labels[row];
      loss += log(sum) - (logits[at + wanted] - most) / e.temperature;
      for (var c = 0u; c < e.m; c++) {
        let q = exp((logits[at + c] - most) / e.temperature) / sum;
        setGradient(at + c, (q - select(0.0, 1.0, c == wanted)) * scale);
      }
    }
    hit += select(0.0, 1.0, top == wanted);
  }
  losses[lane] = loss;
  hits[lane] = hit;
  counts[lane] = count;
  workgroupBarrier();
  if (lane != 0u) { return; }
  for (var k = 1u; k < LANES; k++) {
    loss += losses[k];
    hit += hits[k];
    count += counts[k];
  }
  counters[0] += loss;
  counters[1] += hit;
  counters[2] += count;
}
