import { assert, assertEquals, assertThrows } from "@std/assert";
import {
  convCandidates,
  type ConvShape,
  defaultConv,
  defaultWeightGradient,
  matmulDwSharedTile,
  matmulSharedTile,
  remainingSplits,
  weightGradientCandidates,
} from "../../nn/gpu/chooser.ts";
import { nnConstants, type SharedTile, tnConstants } from "../../shaders/shared_tile.ts";

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

Deno.test("transformed tiles at a time stay within what can be bound", () => {
  const shape: ConvShape = { pass: "forward", ...same(512, 32, 512, 512) };
  for (const choice of [standard("gpu", shape), ...candidates("gpu", shape)]) {
    if (choice.algorithm !== "winograd") continue;
    assert(choice.tiles * 36 * 512 * 4 <= 2 ** 27, JSON.stringify(choice));
  }
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
