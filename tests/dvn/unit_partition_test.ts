import { assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { UnitPartition } from "../../dvn/unit_partition.ts";

const cases = fc.integer({ min: 1, max: 12 }).chain((units) =>
  fc.record({
    units: fc.constant(units),
    channels: fc.integer({ min: units, max: 600 }),
  })
);

Deno.test("UnitPartition gives each channel to exactly one unit, in order", () => {
  fc.assert(fc.property(cases, ({ units, channels }) => {
    const partition = new UnitPartition(units);
    assertEquals(
      partition.channelsOf(channels, partition.all),
      Array.from({ length: channels }, (_, channel) => channel),
    );
  }));
});

Deno.test("UnitPartition cuts evenly: widths differ by at most one", () => {
  fc.assert(fc.property(cases, ({ units, channels }) => {
    const widths = new UnitPartition(units).widths(channels);
    assertEquals(widths.length, units);
    assertEquals(widths.reduce((a, b) => a + b), channels);
    assertEquals(Math.max(...widths) - Math.min(...widths) <= 1, true);
  }));
});

Deno.test("UnitPartition: offsets, widths and channels of a ragged layer", () => {
  const partition = new UnitPartition(3);
  assertEquals(partition.offsets(16), [0, 5, 10]);
  assertEquals(partition.widths(16), [5, 5, 6]);
  assertEquals(partition.channelsOf(7, [2, 0]), [4, 5, 6, 0, 1]);
  assertEquals(partition.channelsOf(7, []), []);
});

Deno.test("UnitPartition says which layer is too narrow and what to do", () => {
  assertThrows(
    () => new UnitPartition(4).widths(3, "stage1.block1.conv1"),
    RangeError,
    "stage1.block1.conv1: 3 channels cannot give each of 4 units at least one; " +
      "use at least 4 channels or fewer units",
  );
});

Deno.test("UnitPartition refuses a number of units that is none", () => {
  for (const units of [0, -1, 1.5, NaN]) {
    assertThrows(
      () => new UnitPartition(units),
      RangeError,
      `units must be a whole number of at least 1, got ${units}`,
    );
  }
});

Deno.test("UnitPartition refuses units that do not exist or come twice", () => {
  for (const active of [[3], [-1], [0.5], [1, 1]]) {
    assertThrows(
      () => new UnitPartition(3).channelsOf(9, active),
      RangeError,
      `active units must be distinct and in [0, 3), got [${active}]`,
    );
  }
});
