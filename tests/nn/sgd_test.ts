import { assert, assertEquals } from "@std/assert";
import * as fc from "fast-check";
import { chunkTable } from "../../nn/optim/sgd.ts";

/** Ranges of floats, ascending, with gaps; short ones share a vec4 with their neighbours. */
const ranges = fc.array(
  fc.record({
    gap: fc.integer({ min: 1, max: 5 }),
    length: fc.oneof(
      fc.integer({ min: 1, max: 6 }),
      fc.integer({ min: 1, max: 3000 }),
    ),
  }),
  { maxLength: 12 },
).map((parts) => {
  let end = -1;
  return parts.map(({ gap, length }) => {
    const start = end + gap;
    end = start + length;
    return { start, end, decay: true };
  });
});

Deno.test("chunkTable() covers each range, and no two chunks share a vec4", () => {
  fc.assert(fc.property(ranges, (ranges) => {
    const table = chunkTable(ranges);
    const covered: number[] = [];
    const vectors = new Set<number>();
    for (let row = 0; row < table.length; row += 4) {
      const [first, end, mask, decay] = table.subarray(row, row + 4);
      assert(end! > first! && end! - first! <= 256, "a workgroup's share");
      assertEquals(decay, 1);
      for (let vector = first!; vector < end!; vector++) {
        assert(!vectors.has(vector), `two chunks hold vec4 ${vector}`);
        vectors.add(vector);
        for (let k = 0; k < 4; k++) {
          if (mask! & 1 << k) covered.push(4 * vector + k);
        }
      }
    }
    const wanted = ranges.flatMap(({ start, end }) =>
      Array.from({ length: end - start }, (_, i) => start + i)
    );
    assertEquals(covered, wanted);
  }));
});
