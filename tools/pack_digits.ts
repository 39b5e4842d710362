/**
 * Makes datasets/digits_data.ts from the UCI file:
 *
 *     deno run -A tools/pack_digits.ts path/to/optdigits.tes
 *
 * Each line of the file is a picture: 64 pixels of 0 to 16, row by row, then its digit.
 */
import { constants, deflateSync } from "node:zlib";

const [path] = Deno.args;
if (!path) {
  console.error(
    "usage: deno run -A tools/pack_digits.ts path/to/optdigits.tes",
  );
  Deno.exit(2);
}
const file = await Deno.readFile(path);
const rows = new TextDecoder().decode(file).trim().split("\n")
  .map((line) => line.split(",").map(Number));
const bad = rows.findIndex((row) => {
  return row.length !== 65 || !row.every((value) => value >= 0 && value <= 16);
});
if (bad >= 0) {
  console.error(
    `${path}, line ${bad + 1}: expected 64 pixels of 0 to 16 and a digit`,
  );
  Deno.exit(1);
}

const labels = rows.map((row) => row[64]!);
const byClass = rows.toSorted((a, b) => a[64]! - b[64]!);
const pixels = Array.from({ length: 64 }, (_, pixel) => {
  return byClass.map((row) => row[pixel]!);
});
// Of zlib's settings, these make it smallest.
const deflated = deflateSync(Uint8Array.from([labels, ...pixels].flat()), {
  level: 9,
  memLevel: 9,
  strategy: constants.Z_FILTERED,
});
const lines = deflated.toString("base64").match(/.{1,100}/g)!.join("\n");

const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", file));
const output = new URL("../datasets/digits_data.ts", import.meta.url);
await Deno.writeTextFile(
  output,
  `/**
 * Optical Recognition of Handwritten Digits, by E. Alpaydin and C. Kaynak, UCI Machine Learning
 * Repository, 1998, https://doi.org/10.24432/C50P49, licensed under CC BY 4.0
 * (https://creativecommons.org/licenses/by/4.0/).
 *
 * Changed: of its files only optdigits.tes (${rows.length} pictures, sha256
 * ${digest.toHex()}),
 * its numbers as bytes in another order (see digits.ts), deflated, in base64. No value is changed.
 * Made by tools/pack_digits.ts.
 */
export const digitsData = \`
${lines}
\`;
`,
);
console.log(`${deflated.length} bytes deflated, written to ${output.pathname}`);
