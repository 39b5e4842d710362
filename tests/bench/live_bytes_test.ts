import { assertEquals } from "@std/assert";
import { liveBytes } from "../../bench/contenders/ours_networks.ts";
import type { Home, Tensor } from "../../nn/tensor.ts";

Deno.test("liveBytes() is the most that must be kept at once", () => {
  const tensor = (floats: number, kind: "scratch" | "input" = "scratch"): Tensor => {
    const home: Home = { kind };
    return { label: "t", shape: [floats], format: "f32", needsGradient: false, home };
  };
  const [input, a, b, c] = [tensor(1000, "input"), tensor(10), tensor(20), tensor(5)];
  const dispatches = [
    { tensors: [input, a] },
    { tensors: [a, b] }, // a and b
    { tensors: [b, c] }, // b and c: a is not read again
  ];
  assertEquals(liveBytes(dispatches), 4 * 30);
  assertEquals(liveBytes([...dispatches, { tensors: [a] }]), 4 * 35);
  assertEquals(liveBytes([]), 0);
});
