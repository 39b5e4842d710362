import { assert, assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { scenarioPartition, UnitPartition } from "../../dvn/unit_partition.ts";

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

/** Shares of units, and a number of channels that gives each at least one. */
const shared = fc.array(fc.integer({ min: 1, max: 100 }), { minLength: 1, maxLength: 12 })
  .chain((parts) => {
    const sum = parts.reduce((a, b) => a + b);
    const least = Math.ceil(1.01 * sum / Math.min(...parts)); // clear of rounding errors
    return fc.record({
      shares: fc.constant(parts.map((part) => part / sum)),
      channels: fc.integer({ min: least, max: least + 600 }),
    });
  });

Deno.test("UnitPartition by shares: complete, in order, each width within one of its share", () => {
  fc.assert(fc.property(shared, ({ shares, channels }) => {
    const partition = new UnitPartition(shares.length, shares);
    assertEquals(
      partition.channelsOf(channels, partition.all),
      Array.from({ length: channels }, (_, channel) => channel),
    );
    partition.widths(channels).forEach((width, unit) => {
      assert(width >= 1 && Math.abs(width - channels * shares[unit]!) <= 1 + 1e-9);
    });
  }));
});

Deno.test("UnitPartition by shares: boundaries are rounded sums of them", () => {
  // NestedNet's of 1/4, 9/16 and all of the weights.
  const nested = new UnitPartition(3, [0.5, 0.25, 0.25]);
  assertEquals(nested.offsets(64), [0, 32, 48]);
  assertEquals(nested.widths(10), [5, 3, 2]); // cut at 5 and 7.5
  assertEquals(nested.channelsOf(10, [2, 0]), [8, 9, 0, 1, 2, 3, 4]);
  // The last unit ends at the last channel, also where the sum of rounded shares is not quite 1.
  assertEquals(new UnitPartition(2, [0.5, 0.4999991]).widths(1_000_000), [500_000, 500_000]);
});

Deno.test("scenarioPartition() cuts as the scenario says", () => {
  const widths = (unitShares: "even" | number[]) =>
    scenarioPartition({ units: 2, unitShares }).widths(8);
  assertEquals(widths("even"), [4, 4]);
  assertEquals(widths([0.25, 0.75]), [2, 6]);
});

Deno.test("UnitPartition refuses shares that are not one for each unit, above 0, of sum 1", () => {
  const rule =
    "UnitPartition: shares must be one number above 0 for each of 2 units that add up to 1";
  for (const shares of [[1], [0.5, 0.25, 0.25], [1, 0], [1.5, -0.5], [NaN, 1], []]) {
    const error = assertThrows(() => new UnitPartition(2, shares), RangeError);
    assertEquals((error as RangeError).message, `${rule}, got [${shares}]`);
  }
  assertThrows(
    () => new UnitPartition(2, [0.5, 0.25]),
    RangeError,
    `${rule}, got [0.5,0.25], which add up to 0.75`,
  );
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
  assertThrows(
    () => new UnitPartition(2, [0.05, 0.95]).channelsOf(8, [1], "stage1"),
    RangeError,
    "stage1: 8 channels cannot give each of 2 units at least one; use more channels, fewer units " +
      "or more equal shares than [0.05,0.95]",
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
