/** Text that is HTML (or SVG) already. */
export class Html {
  readonly text: string;
  constructor(text: string) {
    this.text = text;
  }
}

type Part = Html | string | number | undefined | readonly Part[];

/**
 * A template whose values are escaped, unless they are {@linkcode Html}; lists are joined.
 *
 * It is not called `html`, because `deno fmt` would then lay out the text inside.
 */
export function markup(strings: TemplateStringsArray, ...values: Part[]): Html {
  return new Html(
    strings.map((text, i) => i === 0 ? text : render(values[i - 1]) + text)
      .join(""),
  );
}

function render(value: Part): string {
  if (value === undefined) return "";
  if (value instanceof Html) return value.text;
  if (typeof value === "object") return value.map(render).join("");
  return String(value).replace(
    /[&<>"']/g,
    (character) => `&#${character.charCodeAt(0)};`,
  );
}
