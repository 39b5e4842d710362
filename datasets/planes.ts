/**
 * Where each byte of a square colour picture, channels last, lies in one stored as three planes.
 *
 * @param along Whether a plane is stored row by row or column by column.
 * @returns `[side, side, 3]` positions.
 */
export function planeOrder(
  side: number,
  along: "rows" | "columns",
): Uint32Array {
  const order = new Uint32Array(side * side * 3);
  for (let row = 0, i = 0; row < side; row++) {
    for (let column = 0; column < side; column++) {
      const pixel = along === "rows" ? row * side + column : column * side + row;
      for (let channel = 0; channel < 3; channel++) {
        order[i++] = channel * side * side + pixel;
      }
    }
  }
  return order;
}

/** `to[i] = from[order[i]]` */
export function permute(
  from: Uint8Array,
  order: Uint32Array,
  to: Uint8Array,
): void {
  for (let i = 0; i < order.length; i++) to[i] = from[order[i]!]!;
}
