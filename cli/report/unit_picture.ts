import type { NetworkCost } from "../../dvn/costs.ts";
import { formatPercent } from "../format.ts";
import { type Html, markup } from "./html.ts";

const SIDE = 96; // of one matrix of blocks
const GAP = 34;
const TOP = 40;
const LEFT = 22;

/**
 * The weight blocks of one task, level by level: a column for each input unit, a row for each output
 * unit, strong where a block joins at this level, lighter where it was there before.
 *
 * @param levels The networks of one task, by level.
 * @param units Number of units in the whole network.
 * @param color A CSS colour.
 */
export function renderUnits(
  levels: readonly NetworkCost[],
  units: number,
  color: string,
): Html {
  const width = LEFT + levels.length * (SIDE + GAP) - GAP + LEFT;
  const height = TOP + SIDE + 26;
  const order = levels.at(-1)!.units;
  const description = `Units join in the order ${order.join(", ")}. ` +
    levels.map((level) =>
      `Level ${level.level}: units ${level.units.toSorted().join(", ")}, ${
        formatPercent(level.density)
      } of the weights.`
    ).join(" ");
  const pictures = levels.map((level, i) => {
    const before = levels[i - 1]?.units ?? [];
    return renderLevel(level, before, units, LEFT + i * (SIDE + GAP));
  });
  const widest = Math.round(1.2 * width);
  return markup`
<svg class="units" viewBox="0 0 ${width} ${height}" style="color:${color};max-width:${widest}px" role="img" aria-label="${description}">
${pictures}</svg>
`;
}

function renderLevel(
  level: NetworkCost,
  before: readonly number[],
  units: number,
  left: number,
): Html {
  const cell = SIDE / units;
  const ids = Array.from({ length: units }, (_, i) => i + 1);
  const has = (unit: number) => level.units.includes(unit);
  const names = ids.map((id) => {
    const middle = (id - 0.5) * cell;
    const tick = has(id) ? "tick on" : "tick";
    return markup`<text class="${tick} middle" x="${left + middle}" y="${TOP - 7}">${id}</text>
<text class="${tick} right" x="${left - 6}" y="${TOP + middle}" dy="4">${id}</text>
`;
  });
  const blocks = ids.flatMap((to) =>
    ids.map((from) => {
      const pair = [from, to];
      const state = !pair.every(has)
        ? "unused"
        : pair.every((unit) => before.includes(unit))
        ? "kept"
        : "joins";
      const x = left + (from - 1) * cell + 1;
      const y = TOP + (to - 1) * cell + 1;
      const side = cell - 2;
      return markup`<rect class="block ${state}" x="${x}" y="${y}" width="${side}" height="${side}" rx="2">
<title>from unit ${from} to unit ${to}: ${state}</title></rect>
`;
    })
  );
  const middle = left + SIDE / 2;
  const density = formatPercent(level.density);
  return markup`<text class="label middle" x="${middle}" y="12">level ${level.level}</text>
${names}${blocks}
<text class="tick middle" x="${middle}" y="${TOP + SIDE + 18}">${density}</text>
`;
}
