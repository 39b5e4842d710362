// The factor of the losses after an update: small gradients would be lost in 16 bits, large ones overflow.
// It is halved where one did, and doubled after INTERVAL updates in a row in which none did.
// Source: Micikevicius et al., Mixed Precision Training, ICLR 2018; factors and interval are PyTorch's.
const INTERVAL: u32 = 2000u;
// Bounds: below the one it would be of no use, above the other it would soon overflow in 32 bits, too.
const LEAST: f32 = 1.0;
const MOST: f32 = 16777216.0;

struct Scaling {
  scale: f32,
  clean: u32, // updates in a row
  overflows: u32, // whether this one's gradients did
  skipped: u32, // in all
}

@group(0) @binding(0) var<storage, read_write> scaling: Scaling;

@compute @workgroup_size(1)
fn main() {
  if (scaling.overflows != 0u) {
    scaling.scale = max(LEAST, 0.5 * scaling.scale);
    scaling.clean = 0u;
    scaling.overflows = 0u;
    scaling.skipped += 1u;
    return;
  }
  scaling.clean += 1u;
  if (scaling.clean == INTERVAL) {
    scaling.scale = min(MOST, 2.0 * scaling.scale);
    scaling.clean = 0u;
  }
}
