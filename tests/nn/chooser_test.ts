import { assert, assertEquals, assertThrows } from "@std/assert";
import {
  convCandidates,
  type ConvShape,
  defaultConv,
  defaultWeightGradient,
  imagesAtATime,
  matmulDwSharedTile,
  matmulSharedTile,
  remainingSplits,
  weightGradientCandidates,
} from "../../nn/gpu/chooser.ts";
import { zeros } from "../../nn/init.ts";
import { recordConvPass } from "../../nn/ops/conv_pass.ts";
import { ParamStore } from "../../nn/params.ts";
import { size } from "../../shaders/kernel.ts";
import { nnConstants, type SharedTile, tnConstants } from "../../shaders/shared_tile.ts";
import { testGpu } from "../gpu.ts";

/** A 3x3 convolution that keeps the map's extents. */
function same(n: number, side: number, ci: number, co: number): Omit<ConvShape, "pass"> {
  return { n, h: side, w: side, ci, co, kernel: 3, stride: 1, padding: 1 };
}

const LAYERS = [
  same(32, 32, 4, 16),
  same(32, 32, 16, 16),
  same(32, 32, 64, 64),
  same(128, 16, 128, 128),
  same(1, 8, 256, 256),
  { ...same(32, 32, 32, 64), stride: 2 },
];

const PASSES = ["forward", "dx", "dw"] as const;

const shapes = LAYERS.flatMap((layer) => PASSES.map((pass): ConvShape => ({ pass, ...layer })));

const candidates = (driver: "gpu" | "lavapipe", shape: ConvShape) =>
  shape.pass === "dw" ? weightGradientCandidates(driver, shape) : convCandidates(driver, shape);

const standard = (driver: "gpu" | "lavapipe", shape: ConvShape) =>
  (shape.pass === "dw" ? defaultWeightGradient : defaultConv)(driver, shape);

Deno.test("GPUs are offered tiles that fit the workgroup memory that WebGPU guarantees", () => {
  let offered = 0;
  for (const shape of shapes) {
    const constants = shape.pass === "dw" ? tnConstants : nnConstants;
    for (const choice of [standard("gpu", shape), ...candidates("gpu", shape)]) {
      if (choice.algorithm === "direct") continue;
      const { tile, groupRows, groupColumns } = choice;
      if (!groupRows || !groupColumns) continue;
      offered++;
      const { LANES } = constants({ tile, groupRows, groupColumns }) as Record<string, number>; // throws where it does not fit
      assert(LANES! >= 64 && LANES! <= 256, JSON.stringify(choice));
    }
  }
  assert(offered > 50, `${offered}`);
});

Deno.test("by default GPUs multiply through workgroup memory where tiles are filled", () => {
  const algorithms = (layer: Omit<ConvShape, "pass">) =>
    PASSES.map((pass) => standard("gpu", { pass, ...layer }).algorithm);
  assertEquals(algorithms(same(32, 32, 64, 64)), ["shared", "shared", "shared"]);
  assertEquals(algorithms({ ...same(32, 32, 32, 64), stride: 2 }), ["shared", "shared", "shared"]);
  // The stem: its data gradient, which nobody wants, would have 4 channels.
  assertEquals(algorithms(same(32, 32, 4, 16)), ["shared", "direct", "direct"]);
  assertEquals(algorithms(same(128, 16, 128, 128)), ["winograd", "winograd", "winograd"]);
  assertEquals(algorithms(same(1, 8, 128, 128)), ["shared", "shared", "shared"]); // 4 tiles
  assertEquals(algorithms({ ...same(1, 7, 64, 64), kernel: 1, padding: 0 }), [
    "direct",
    "direct",
    "shared",
  ]);
  const gpu = { driver: "gpu" } as const;
  assert(matmulSharedTile(gpu, 1024, 1024, 1024));
  assert(matmulDwSharedTile(gpu, 1024, 1024, 1024));
  assertEquals(matmulSharedTile(gpu, 1024, 1022, 1024), undefined);
  assertEquals(matmulSharedTile(gpu, 1, 1024, 1024), undefined);
});

Deno.test("by default no lane of a GPU sums up more than 32 parts of a weight gradient", () => {
  const layers = [
    ...LAYERS,
    same(128, 32, 4, 16),
    same(128, 32, 16, 16),
    same(128, 32, 32, 32),
    same(128, 32, 64, 64),
    { ...same(128, 32, 4, 4), kernel: 1, padding: 0 },
    { ...same(128, 32, 4, 16), kernel: 7, padding: 3 },
  ];
  for (const layer of layers) {
    const { algorithm, splits } = defaultWeightGradient("gpu", { pass: "dw", ...layer });
    if (algorithm === "winograd") continue; // its splits are few, and summed up by more lanes
    const left = remainingSplits("gpu", splits);
    assert(left <= 32 && splits <= 32 * left, `${splits} splits, ${left} left of them`);
    assertEquals(remainingSplits("lavapipe", splits), splits);
  }
});

Deno.test("software adapters are not offered workgroup memory", () => {
  for (const shape of shapes) {
    for (const choice of [standard("lavapipe", shape), ...candidates("lavapipe", shape)]) {
      assert(choice.algorithm !== "shared", JSON.stringify(choice));
      assert(choice.algorithm !== "winograd" || !choice.groupRows, JSON.stringify(choice));
    }
  }
  assertEquals(matmulSharedTile({ driver: "lavapipe" }, 1024, 1024, 1024), undefined);
});

Deno.test("GPUs are offered weight gradients by all tiles that fit, with fewer splits and more", () => {
  for (const layer of LAYERS) {
    const shape: ConvShape = { pass: "dw", ...layer };
    const offered = weightGradientCandidates("gpu", shape);
    const splitsOf = new Map<string, number[]>();
    for (const { splits, ...choice } of offered) {
      assert(Number.isInteger(splits) && splits >= 1, JSON.stringify(choice));
      if (choice.algorithm === "winograd") continue;
      const way = JSON.stringify(choice);
      splitsOf.set(way, [...splitsOf.get(way) ?? [], splits]);
    }
    for (const [way, splits] of splitsOf) {
      assertEquals(new Set(splits).size, splits.length, `${way}: each once`);
    }
    const pixels = layer.n * (layer.h / layer.stride) ** 2;
    const usual = defaultWeightGradient("gpu", shape, "shared");
    const { splits: _, ...way } = usual;
    const splits = splitsOf.get(JSON.stringify(way))!;
    assert(splits.includes(usual.splits), JSON.stringify(usual));
    assert(usual.splits === 1 || Math.min(...splits) <= Math.ceil(usual.splits / 4));
    assertEquals(Math.max(...splits), Math.min(4 * usual.splits, Math.ceil(pixels / 16), 1024));
    const tiles = [...splitsOf.keys()].filter((way) => way.includes("shared"));
    assert(tiles.length >= (layer.co >= 64 ? 8 : 4), `${tiles}`);
    // Nor is software kept busy with what is for GPUs.
    assert(weightGradientCandidates("lavapipe", shape).length <= 6);
  }
});

Deno.test("GPUs are offered Winograd's products by all tiles that fit", () => {
  for (const pass of PASSES) {
    const shape: ConvShape = { pass, ...same(32, 32, 128, 128) };
    const tiles = candidates("gpu", shape).filter(({ algorithm }) => algorithm === "winograd")
      .map((choice) => JSON.stringify({ ...choice, tiles: 0, splits: 0 }));
    assert(new Set(tiles).size >= 6, `${[...new Set(tiles)]}`);
  }
});

Deno.test("transformed tiles at a time stay within what can be bound", () => {
  const shape: ConvShape = { pass: "forward", ...same(512, 32, 512, 512) };
  for (const choice of [standard("gpu", shape), ...candidates("gpu", shape)]) {
    if (choice.algorithm !== "winograd") continue;
    assert(choice.tiles * 36 * 512 * 4 <= 2 ** 27, JSON.stringify(choice));
  }
});

/** What WebGPU binds everywhere, in bytes. */
const BINDABLE = 2 ** 27;

Deno.test("where one image's transformed tiles cannot be bound, there are none", () => {
  const cases: [layer: Omit<ConvShape, "pass">, tiled: boolean][] = [
    [same(1, 512, 64, 64), false], // 16384 tiles of 9216 bytes
    [same(8, 512, 64, 64), false],
    [same(1, 512, 32, 64), false],
    [same(1, 480, 64, 64), true],
    [same(1, 512, 32, 32), true],
    [same(16, 225, 32, 32), true], // four images at a time: a single one may begin anywhere
    [same(16, 511, 20, 20), false], // sixteen
    [same(1, 511, 20, 20), true],
  ];
  for (const [layer, tiled] of cases) {
    for (const pass of PASSES) {
      const shape: ConvShape = { pass, ...layer };
      for (const driver of ["gpu", "lavapipe"] as const) {
        const choose = pass === "dw" ? defaultWeightGradient : defaultConv;
        const choices = [choose(driver, shape, "winograd"), ...candidates(driver, shape)];
        const isTiled = choices.some(({ algorithm }) => algorithm === "winograd");
        assertEquals(isTiled, tiled, JSON.stringify(shape));
      }
    }
  }
});

Deno.test("parts of a batch begin where WebGPU binds, and their tiles can be bound", () => {
  let inParts = 0;
  for (const [h, w] of [[4, 4], [5, 7], [32, 32], [105, 104], [225, 225], [301, 299]] as const) {
    for (const [ci, co] of [[4, 4], [12, 16], [32, 64], [512, 512]] as const) {
      for (const n of [1, 2, 5, 16, 128]) {
        const shape: ConvShape = { pass: "dw", ...same(n, h, ci, co), w };
        const offered = [standard("gpu", shape), ...candidates("gpu", shape)]
          .flatMap((choice) => choice.algorithm === "winograd" ? [choice.tiles] : []);
        const each = Math.ceil(h / 4) * Math.ceil(w / 4);
        const least = imagesAtATime([n, h, w, ci], co, 1);
        for (const tiles of [1, 64, 10 ** 6, ...offered]) {
          const count = imagesAtATime([n, h, w, ci], co, tiles);
          const text = `${JSON.stringify(shape)}, ${tiles} tiles: ${count} images`;
          assert(Number.isInteger(count) && count >= 1 && count <= n, text);
          assert(count === least || count * each <= tiles, text);
          if (count < n) {
            inParts++;
            for (const channels of [ci, co]) assert(2 * count * h * w * channels % 256 === 0, text);
          }
          const stored = 4 * Math.ceil(count * each / 4);
          const bytes = stored * 36 * Math.max(ci, co) * 4;
          assert(!offered.includes(tiles) || bytes <= BINDABLE, `${text}, ${bytes} bytes`);
        }
      }
    }
  }
  assert(inParts > 100, `${inParts}`);
});

Deno.test("a batch of odd maps goes by parts that take little memory and can be bound", async () => {
  const gpu = await testGpu();
  const layer = same(16, 225, 32, 32);
  const store = new ParamStore(gpu, 1);
  const layout = { taps: 9, inWidths: [32], outWidths: [32] };
  const weight = store.param("weight", [9, 32, 32], zeros, { decay: false, layout });
  await store.allocate();
  gpu.tuning.collect(() => {
    for (const pass of PASSES) {
      const operand: Parameters<typeof recordConvPass>[3] = (tape, label, shape) =>
        tape.input(label, shape);
      const { dispatches } = recordConvPass(store, weight, { pass, ...layer }, operand);
      const made = dispatches.flatMap(({ kernel, tensors }) =>
        Object.keys(kernel.bindings).flatMap((name, i) => "vmz".includes(name) ? [tensors[i]!] : [])
      );
      assert(made.length > 8, pass);
      const most = Math.max(...made.map(({ shape }) => 4 * size(shape)));
      assert(most < BINDABLE / 2, `${pass}: ${most} bytes`); // of four images, not of sixteen
    }
  });
  store.destroy();
});

Deno.test("a tile that lanes cannot share equally is refused", () => {
  const tile = (rows: number, columns: number, down: number, across: number): SharedTile => ({
    groupRows: rows,
    groupColumns: columns,
    tile: { rows: down, columns: across },
  });
  const refused = [
    tile(60, 64, 8, 2), // rows for half a lane
    tile(256, 256, 8, 2), // too much memory, too many lanes
    tile(128, 128, 4, 2), // too many lanes
    tile(64, 64, 16, 8), // too few lanes for a row of b
  ];
  for (const wrong of refused) {
    const { message } = assertThrows(() => nnConstants(wrong), RangeError);
    assert(message.includes(`tiles of ${wrong.groupRows}x${wrong.groupColumns} by`), message);
  }
  // Rows of a lane go by fours where the left operand is transposed.
  nnConstants(tile(64, 64, 2, 2));
  assertThrows(() => tnConstants(tile(64, 64, 2, 2)), RangeError);
});
