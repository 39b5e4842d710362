import { assertAlmostEquals, assertEquals, assertMatch } from "@std/assert";
import { measurement, objection } from "../../bench/record.ts";
import { wrn16 } from "../../bench/wrn.ts";
import { fake } from "./fake_measurement.ts";

const ABOUT = { contender: "ours", version: "1", adapter: "made up", software: true };

Deno.test("measurement() has the median, its quartiles and the rates", () => {
  const timing = { samples: [4, 1, 2, 3, 100], repeats: 2, check: 1.5, losses: [] };
  const work = { op: "matmul", size: 1000 } as const;
  const it = measurement("deno", ABOUT, "matmul", work, timing);
  assertEquals([it.ms, it.quartiles, it.samples, it.repeats], [3, [2, 4], 5, 2]);
  assertAlmostEquals(it.gflops!, 2 / 3e-3, 1e-9);
  assertEquals([it.imagesPerSecond, it.bandwidth, it.losses], [undefined, undefined, undefined]);

  const train = { op: "train", net: wrn16(1), batch: 32 } as const;
  const trained = measurement("deno", ABOUT, "train", train, {
    ...timing,
    check: null,
    losses: [3, 2, 1],
  });
  assertAlmostEquals(trained.imagesPerSecond!, 32 / 3e-3, 1e-9);
  assertEquals(trained.losses, [3, 2, 1]);
});

Deno.test("measurement() of what failed has no time", () => {
  const work = { op: "matmul", size: 8 } as const;
  const it = measurement("deno", ABOUT, "matmul", work, new Error("no memory"));
  assertEquals([it.ms, it.failure], [undefined, "no memory"]);
});

Deno.test("objection() is raised to a loss that does not fall or is another", () => {
  const ours = fake("train", { losses: [2.3, 2, 1] });
  const peer = (losses: number[]) => objection(fake("train", { contender: "peer", losses }), ours);
  assertEquals(peer([2.301, 2.01, 1.2]), undefined);
  assertMatch(peer([2.3, 2, 2.4])!, /does not fall/);
  assertMatch(peer([2.4, 2, 1])!, /not ours/);
  assertMatch(peer([2.3, 2.1, 1])!, /not ours/);
  assertEquals(objection(ours, ours), undefined);
  assertMatch(objection(fake("train", { losses: [2, 2, 2] }), undefined)!, /does not fall/);
});

Deno.test("objection() is raised to a result that differs", () => {
  const ours = fake("conv", { check: 1 });
  const peer = (check: number) => objection(fake("conv", { contender: "peer", check }), ours);
  assertEquals(peer(1.0005), undefined);
  assertMatch(peer(1.01)!, /not ours/);
  assertMatch(peer(0)!, /not ours/);
  assertEquals(objection(ours, undefined), undefined);
});
