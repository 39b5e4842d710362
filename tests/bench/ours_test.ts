import { assert, assertAlmostEquals, assertEquals } from "@std/assert";
import { type About, type Facts, serve } from "../../bench/contender.ts";
import { contenderOn } from "../../bench/contenders/ours.ts";
import type { Work } from "../../bench/workloads.ts";
import type { Wrn } from "../../bench/wrn.ts";
import { testGpu } from "../gpu.ts";

const NET: Wrn = { widths: [4, 8, 8], blocks: 1, stem: { kernel: 3, channels: 4 }, classes: 3 };
const CONV = { op: "conv", batch: 2, size: 6, ci: 4, co: 8, kernel: 3, stride: 2 } as const;
const NORM = { op: "batchNorm", batch: 2, size: 4, channels: 8 } as const;

/** Root mean squares of results, as bench/contenders/pytorch.py prints them. */
const CHECKS: [Work, number][] = [
  [{ ...CONV, pass: "forward" }, 1.7637052990671274],
  [{ ...CONV, pass: "dx" }, 1.386695643705975],
  [{ ...CONV, pass: "dw" }, 1.4086615131171039],
  [
    { op: "conv", pass: "dx", batch: 1, size: 4, ci: 8, co: 4, kernel: 1, stride: 1 },
    0.69891282851917,
  ],
  [{ ...NORM, pass: "forward" }, 0.7080120528144742],
  [{ ...NORM, pass: "both" }, 0.6959589033070156],
  [{ op: "matmul", size: 16 }, 1.2417901751634015],
  [{ op: "infer", net: NET, batch: 2 }, 0.5499501105479967],
];

/** Losses of the first steps on 6 images, likewise. */
const LOSSES = [1.2159117460250854, 1.162894606590271, 1.2081841230392456];

function answer() {
  return serve(async () => contenderOn(await testGpu()));
}

for (const [work, want] of CHECKS) {
  const kernel = work.op === "conv" ? ` ${work.kernel}x${work.kernel}` : "";
  const name = `${work.op}${kernel}${"pass" in work ? ` ${work.pass}` : ""}`;
  Deno.test(`the benchmark's ${name} is the work that PyTorch does`, async () => {
    const ask = answer();
    assertEquals(await ask({ method: "prepare", job: 1, work }), true);
    await ask({ method: "run", job: 1, times: 2 });
    const got = await ask({ method: "check", job: 1 }) as number;
    assertAlmostEquals(got, want, 1e-5 * want);
    await ask({ method: "release", job: 1 });
  });
}

Deno.test("the benchmark's training is the work that PyTorch does, and tells its facts", async () => {
  const gpu = await testGpu();
  const ask = answer();
  const about = await ask({ method: "about" }) as About;
  assertEquals([about.contender, about.adapter], ["ours", gpu.describe()]);
  const before = gpu.bytesHeld;
  await ask({ method: "prepare", job: 1, work: { op: "train", net: NET, batch: 6 } });
  for (const want of LOSSES) {
    assertAlmostEquals(await ask({ method: "loss", job: 1 }) as number, want, 1e-4);
  }
  const facts = await ask({ method: "facts", job: 1 }) as Required<Facts>;
  assert(facts.pipelines > 5 && facts.dispatches > 50 && facts.cpuPerDispatch > 0);
  assert(facts.bytesNeeded > 6 * 32 * 32 * 4 * 4 && facts.bytesNeeded < facts.bytesHeld);
  if (gpu.device.features.has("timestamp-query")) {
    const counted = facts.kernels.reduce((total, { dispatches }) => total + dispatches, 0);
    assertEquals(counted, facts.dispatches);
    assert(facts.kernels.every(({ bytes }) => bytes > 0));
  }
  await ask({ method: "release", job: 1 });
  assertEquals(gpu.bytesHeld, before);
});

Deno.test("the benchmark's J1 step is that of its four networks, or of one", async () => {
  const ask = answer();
  const dvn = { op: "dvn", net: NET, batch: 2 } as const;
  const dispatches = async (work: Work) => {
    await ask({ method: "prepare", job: 1, work });
    const loss = await ask({ method: "loss", job: 1 }) as number;
    assert(loss > 0 && loss < 5);
    const facts = await ask({ method: "facts", job: 1 }) as Required<Facts>;
    await ask({ method: "release", job: 1 });
    return facts.dispatches;
  };
  const one = await dispatches({ ...dvn, only: { task: 0, level: 2 } });
  const all = await dispatches(dvn);
  assert(all > 3 * one && all < 5 * one);
});

Deno.test("the benchmark's levels and ceilings run", async () => {
  const ask = answer();
  const net = { ...NET, widths: [8, 8, 16, 16], stem: { kernel: 3, channels: 8 } };
  const works: Work[] = [
    { op: "level", net, batch: 1, level: 1 },
    { op: "level", net, batch: 1, level: 4 },
    { op: "copy", by: "queue" },
    { op: "copy", by: "shader" },
    { op: "fma", lanes: 64, each: 16 },
  ];
  for (const work of works) {
    await ask({ method: "prepare", job: 1, work });
    assert(await ask({ method: "run", job: 1, times: 1 }) as number > 0);
    await ask({ method: "release", job: 1 });
  }
});
