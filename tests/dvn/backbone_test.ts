import { assertEquals, assertThrows } from "@std/assert";
import {
  backboneStages,
  batchNormLayers,
  convLayers,
  residualBlocks,
  shortcutMap,
  stemStride,
} from "../../dvn/backbone.ts";
import type { BackboneSpec } from "../../dvn/scenario.ts";
import { UnitPartition } from "../../dvn/unit_partition.ts";
import { paddedUnits } from "../reference/shortcut.ts";

Deno.test("backboneStages(): WRN-n-s has 16, 32 and 64 times s channels, (n - 2) / 6 blocks", () => {
  assertEquals(backboneStages({ kind: "wrn", depth: 32, widen: 4 }), [
    { channels: 64, blocks: 5, stride: 1 },
    { channels: 128, blocks: 5, stride: 2 },
    { channels: 256, blocks: 5, stride: 2 },
  ]);
  const narrow = backboneStages({ kind: "wrn", depth: 14, widen: 1.5 });
  assertEquals(narrow.map(({ channels }) => channels), [24, 48, 96]);
  assertEquals(narrow[0]!.blocks, 2);
});

Deno.test("backboneStages(): ResNet-42 has four stages of 5 blocks", () => {
  assertEquals(backboneStages({ kind: "resnet", depth: 42 }), [
    { channels: 64, blocks: 5, stride: 1 },
    { channels: 128, blocks: 5, stride: 2 },
    { channels: 256, blocks: 5, stride: 2 },
    { channels: 512, blocks: 5, stride: 2 },
  ]);
});

Deno.test("backboneStages() says which depths and widths there are", () => {
  for (const depth of [31, 2, -4]) {
    assertThrows(
      () => backboneStages({ kind: "wrn", depth, widen: 4 }),
      RangeError,
      `backbone.depth must be 6 * blocks + 2 for a WRN, such as 14, 26 or 32, got ${depth}`,
    );
  }
  assertThrows(
    () => backboneStages({ kind: "resnet", depth: 51 }),
    RangeError,
    "backbone.depth must be 8 * blocks + 2 for a ResNet, such as 18, 34 or 42, got 51",
  );
  assertThrows(
    () => backboneStages({ kind: "wrn", depth: 14, widen: 0.3 }),
    RangeError,
    "backbone.widen must give whole numbers of channels, got 0.3",
  );
});

const small: BackboneSpec = { kind: "custom", widths: [6, 12], blocks: 2 };
const stem = { channels: 4, outputSize: 8 };

Deno.test("convLayers(): names, channels, strides and sizes in order", () => {
  const rows = convLayers(small, stem).map((layer) =>
    `${layer.name} ${layer.inChannels}>${layer.outChannels} /${layer.stride} ` +
    `${layer.outputSize}px${layer.inIsStem ? " stem" : ""}`
  );
  assertEquals(rows, [
    "stage1.block1.conv1 4>6 /1 8px stem",
    "stage1.block1.conv2 6>6 /1 8px",
    "stage1.block2.conv1 6>6 /1 8px",
    "stage1.block2.conv2 6>6 /1 8px",
    "stage2.block1.conv1 6>12 /2 4px",
    "stage2.block1.conv2 12>12 /1 4px",
    "stage2.block2.conv1 12>12 /1 4px",
    "stage2.block2.conv2 12>12 /1 4px",
  ]);
});

Deno.test("batchNormLayers(): the first block has no bn1, the stem's is not split", () => {
  const rows = batchNormLayers(small, stem)
    .map(({ name, channels, split }) => `${name} ${channels}${split ? "" : " whole"}`);
  assertEquals(rows, [
    "stem.bn 4 whole",
    "stage1.block1.bn2 6",
    "stage1.block2.bn1 6",
    "stage1.block2.bn2 6",
    "stage2.block1.bn1 6",
    "stage2.block1.bn2 12",
    "stage2.block2.bn1 12",
    "stage2.block2.bn2 12",
    "final.bn 12",
  ]);
});

Deno.test("batchNormLayers(): one before each convolution, and the final one", () => {
  const spec = { kind: "resnet", depth: 42 } as const;
  const wide = { channels: 64, outputSize: 32 };
  const norms = batchNormLayers(spec, wide).slice(0, -1);
  const convs = convLayers(spec, wide);
  assertEquals(
    norms.map(({ channels }) => channels),
    convs.map(({ inChannels }) => inChannels),
  );
});

Deno.test("stemStride() brings 32, 64 and 96 pixels to 32", () => {
  const strides = [32, 64, 96].map((side) => stemStride({ height: side, width: side }, 32));
  assertEquals(strides, [1, 2, 3]);
});

Deno.test("stemStride() refuses pictures that do not fit", () => {
  for (const [height, width] of [[48, 48], [32, 64], [16, 16]] as const) {
    assertThrows(
      () => stemStride({ height, width }, 32),
      RangeError,
      `pictures of ${height}x${width} do not fit stem.outputSize 32`,
    );
  }
});

/** The first block of a network with this stem and first stage. */
function firstBlock(channels: number, width: number) {
  const spec: BackboneSpec = { kind: "custom", widths: [width], blocks: 1 };
  return residualBlocks(spec, { channels, outputSize: 8 })[0]!;
}

Deno.test("shortcutMap(): units as wide as the stem take all of it", () => {
  const map = shortcutMap(firstBlock(2, 6), new UnitPartition(2), [0, 1]);
  assertEquals([...map], [0, 1, -1, 0, 1, -1]);
  const same = shortcutMap(firstBlock(3, 6), new UnitPartition(2), [1]);
  assertEquals([...same], [0, 1, 2]);
});

Deno.test("shortcutMap(): narrower units take their slice of the stem", () => {
  const same = firstBlock(6, 6), wider = firstBlock(5, 9);
  const partition = new UnitPartition(3);
  assertEquals([...shortcutMap(same, partition, [0, 2])], [0, 1, 4, 5]);
  assertEquals(
    [...shortcutMap(wider, partition, [1, 2])],
    [1, 2, -1, 3, 4, -1],
  );
});

Deno.test("shortcutMap(): a stage change pads each unit, whichever are active", () => {
  const block = residualBlocks(
    { kind: "custom", widths: [7, 16], blocks: 1 },
    stem,
  )[1]!;
  const partition = new UnitPartition(3);
  const ins = partition.widths(7), outs = partition.widths(16);
  for (const active of [[0], [1], [2], [0, 2], [1, 2], [0, 1, 2]]) {
    assertEquals(
      shortcutMap(block, partition, active),
      paddedUnits(active.map((u) => ins[u]!), active.map((u) => outs[u]!)),
    );
  }
});

Deno.test("shortcutMap(): within a stage the shortcut is the identity", () => {
  const block = residualBlocks(small, stem)[1]!;
  const map = shortcutMap(block, new UnitPartition(3), [0, 2]);
  assertEquals([...map], [0, 1, 2, 3]);
});

Deno.test("shortcutMap() says why a stem or a stage does not fit", () => {
  assertThrows(
    () => shortcutMap(firstBlock(9, 6), new UnitPartition(3), [0]),
    RangeError,
    "stage1.block1: unit 1 has 2 channels, fewer than the 3 that its shortcut brings; " +
      "use 6 stem channels, or at most 2",
  );
  const [, narrowing] = residualBlocks(
    { kind: "custom", widths: [12, 6], blocks: 1 },
    stem,
  );
  assertThrows(
    () => shortcutMap(narrowing!, new UnitPartition(3), [0]),
    RangeError,
    "stage2.block1: unit 1 has 2 channels, fewer than the 4 that its shortcut brings; " +
      "let no stage be narrower than the one before",
  );
});
