import { NONE, shortcutDxKernel, shortcutKernel } from "../../shaders/shortcut.ts";
import { ShapeError } from "../gpu/errors.ts";
import type { Tape } from "../tape.ts";
import type { Tensor } from "../tensor.ts";
import { checkMap, padChannels } from "./channels.ts";

/**
 * Parameter-free shortcut: the mean of each stride x stride square, its channels put where the units
 * of the result want them.
 *
 * @param x [n, h, w, ci], h and w multiples of `stride`.
 * @param sources For each channel of the result, the channel of x it takes, or -1 for zeros.
 * @param stride 1 or 2.
 * @returns [n, h / stride, w / stride, co].
 */
export function shortcut(
  tape: Tape,
  x: Tensor,
  sources: ArrayLike<number>,
  stride: number,
): Tensor {
  checkMap("shortcut", x);
  const [n, h, w, ci] = x.shape as [number, number, number, number];
  const wrong = Array.from(sources).find((source) => source < -1 || source >= ci);
  if (h % stride || w % stride || wrong !== undefined) {
    throw new ShapeError(
      `shortcut: x must be [n, h, w, ci] with h and w multiples of the stride ${stride} and ` +
        `sources in [-1, ci), got [${x.shape}]` +
        (wrong === undefined ? "" : ` and source ${wrong}`),
    );
  }
  const co = padChannels(sources.length);
  const padded = Array.from({ length: co }, (_, channel) => sources[channel] ?? -1);
  const fours = inFours(padded);
  const group = fours ? 4 : 1;
  const moves = fours ?? padded;
  const forward = Uint32Array.from(moves, (source) => source < 0 ? NONE : source);
  const targets: number[][] = Array.from({ length: ci / group }, () => []);
  moves.forEach((source, to) => {
    if (source >= 0) targets[source]!.push(to);
  });
  const { y } = tape.run(
    shortcutKernel,
    { x, sources: tape.constant("sources", forward) },
    { y: [n, h / stride, w / stride, co] },
    { stride, group },
  );
  if (!x.needsGradient) return y;
  tape.onBackward(y, (dy) => {
    const fan = Math.max(1, ...targets.map(({ length }) => length));
    const backward = targets.flatMap((channels) => [
      ...channels,
      ...new Array<number>(fan - channels.length).fill(NONE),
    ]);
    const prior = tape.gradient(x);
    const { dx } = tape.run(
      shortcutDxKernel,
      {
        dy,
        targets: tape.constant("targets", Uint32Array.from(backward)),
        addend: prior ?? dy,
      },
      { dx: x.shape },
      { stride, add: prior !== undefined, group },
    );
    tape.setGradient(x, dx);
  });
  return y;
}

/** For each four channels the four they take, or -1 for zeros; undefined if they do not go in aligned fours. */
function inFours(sources: readonly number[]): number[] | undefined {
  const groups: number[] = [];
  for (let to = 0; to < sources.length; to += 4) {
    const first = sources[to]!;
    const expected = (j: number) => first < 0 ? -1 : first + j;
    if (first > 0 && first % 4 !== 0) return undefined;
    if (![1, 2, 3].every((j) => sources[to + j] === expected(j))) return undefined;
    groups.push(first < 0 ? -1 : first / 4);
  }
  return groups;
}
