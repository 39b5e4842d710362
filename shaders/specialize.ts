import type { Constants } from "./kernel.ts";

/** Texels in a row of a texture that stands in for a buffer; {@linkcode readThroughTexture}. */
export const TEXTURE_WIDTH = 1024;

/**
 * Replaces values of top-level `const NAME: type = value;` and `alias NAME = type;` declarations.
 *
 * @throws {Error} If the source declares no such name.
 */
export function setConstants(
  label: string,
  wgsl: string,
  constants: Constants,
): string {
  let source = wgsl;
  for (const [name, value] of Object.entries(constants)) {
    const alias = typeof value === "string";
    const declaration = new RegExp(
      alias ? `^(alias ${name} = )\\w+;` : `^(const ${name}: (\\w+) = )[^;]+;`,
      "m",
    );
    if (!declaration.test(source)) {
      throw new Error(
        `kernel ${label}: its WGSL declares no "${
          alias ? `alias ${name}` : `const ${name}: type`
        }" to set`,
      );
    }
    source = source.replace(declaration, (_, start, type) => {
      return `${start}${value}${!alias && type === "u32" ? "u" : ""};`;
    });
  }
  return source;
}

/**
 * Unrolls the loops that are marked `// unroll` on the line above: `for (var p = 0u; p < N; p++) {`
 * with N a literal or a top-level `const`. The source means the same with and without it.
 *
 * Software drivers keep a private array in registers only where every index is a constant, and unroll
 * loops themselves only while the bodies are small.
 */
export function unroll(label: string, wgsl: string): string {
  const constants = new Map(
    [...wgsl.matchAll(/^const (\w+): u32 = (\d+)u;/gm)].map((
      [, name, value],
    ) => [name, value]),
  );
  const loop = /\/\/ unroll\n\s*for \(var (\w+) = 0u; \1 < (\w+); \1\+\+\) \{/y;
  let source = wgsl;
  while (true) {
    // The last mark first: inner loops are done before the outer ones that repeat them.
    const start = source.lastIndexOf("// unroll\n");
    if (start < 0) return source;
    loop.lastIndex = start;
    const match = loop.exec(source);
    const count = Number.parseInt(
      match ? constants.get(match[2]!) ?? match[2]! : "",
    );
    if (!match || Number.isNaN(count)) {
      throw new Error(
        `kernel ${label}: cannot unroll ${source.slice(start, start + 80)}`,
      );
    }
    const end = closing(label, source, loop.lastIndex, "{", "}");
    const body = source.slice(loop.lastIndex, end);
    const index = new RegExp(`\\b${match[1]}\\b`, "g");
    const copies = Array.from(
      { length: count },
      (_, i) => `{${body.replace(index, `${i}u`)}}`,
    );
    source = source.slice(0, start) + copies.join("\n") + source.slice(end + 1);
  }
}

/**
 * Turns a binding `var<storage, read> NAME: array<vec4f>` into a storage texture that holds the same
 * vectors, {@linkcode TEXTURE_WIDTH} to a row, and every `NAME[i]` into a load from it.
 *
 * Software drivers load from buffers lane by lane: `deno task bench:texture-reads` shows the gain. From
 * sampled textures lavapipe loads through a call of 115 instructions that works out mip levels, for
 * which storage textures have no use: about 50 instructions, in line.
 */
export function readThroughTexture(
  label: string,
  wgsl: string,
  name: string,
  format: "rgba32float" | "rgba16float" = "rgba32float",
): string {
  const declaration = `var<storage, read> ${name}: array<vec4f>;`;
  if (!wgsl.includes(declaration)) {
    throw new Error(
      `kernel ${label}: its WGSL does not declare "${declaration}"`,
    );
  }
  const source = wgsl.replace(
    declaration,
    `var ${name}: texture_storage_2d<${format}, read>;`,
  );
  return `${replaceUses(label, source, name, (index) => `${name}_at(${index})`)}
fn ${name}_at(i: u32) -> vec4f {
  return textureLoad(${name}, vec2u(i % ${TEXTURE_WIDTH}u, i / ${TEXTURE_WIDTH}u));
}
`;
}

/**
 * Turns a binding of `array<vec4f>` or `array<f32>`, also by an `alias`, into one of 16-bit floats: what
 * is loaded from it becomes 32-bit, what is stored is rounded. Needs `enable f16;`.
 */
export function storeAsHalf(label: string, wgsl: string, name: string): string {
  const declaration = new RegExp(`(var<storage, (?:read|read_write)> ${name}: array<)(\\w+)>;`);
  const type = declaration.exec(wgsl)?.[2] ?? "";
  const float = new RegExp(`^alias ${type} = (\\w+);`, "m").exec(wgsl)?.[1] ?? type;
  const half = { vec4f: "vec4h", f32: "f16" }[float];
  if (!half) {
    throw new Error(`kernel ${label}: its WGSL declares no floats "${name}" to store in 16 bits`);
  }
  const source = wgsl.replace(declaration, `$1${half}>;`);
  const stored = replaceUses(label, source, name, (index, isStore) => {
    return isStore ? `${name}[${index}]` : `${type}(${name}[${index}])`;
  });
  const store = new RegExp(`\\b(${name}\\[[^;=]*\\] = )([^;]+);`, "g");
  return stored.replace(store, `$1${half}($2);`);
}

/** Replaces each `NAME[index]`; `isStore` where it is assigned to. */
function replaceUses(
  label: string,
  source: string,
  name: string,
  replacement: (index: string, isStore: boolean) => string,
): string {
  let result = "";
  let done = 0;
  const use = new RegExp(`(?<![.\\w])${name}\\[`, "g");
  while (use.exec(source)) {
    const start = use.lastIndex;
    const end = closing(label, source, start, "[", "]");
    const isStore = source.startsWith(" = ", end + 1);
    result += source.slice(done, start - name.length - 1) +
      replacement(source.slice(start, end), isStore);
    done = use.lastIndex = end + 1;
  }
  return result + source.slice(done);
}

/** Index of the bracket that closes the one before `start`. */
function closing(
  label: string,
  source: string,
  start: number,
  open: string,
  close: string,
): number {
  let end = start;
  for (let depth = 1;; end++) {
    if (source[end] === open) depth++;
    if (source[end] === close && --depth === 0) return end;
    if (end >= source.length) {
      throw new Error(
        `kernel ${label}: no ${close} for ${source.slice(start - 1, start + 79)}`,
      );
    }
  }
}
