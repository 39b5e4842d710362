/** The few helpers that stand in for a framework. */

/** The element with an id. @throws {Error} If the page has none. */
export function byId<E extends HTMLElement = HTMLElement>(id: string): E {
  const element = document.getElementById(id);
  if (!element) throw new Error(`the page has no #${id}`);
  return element as E;
}

type Attributes = Record<string, string | number | boolean | undefined>;
type Child = Node | string;

/** Makes an HTML element; attributes that are false or undefined are left out. */
export function html<Tag extends keyof HTMLElementTagNameMap>(
  tag: Tag,
  attributes: Attributes = {},
  ...children: Child[]
): HTMLElementTagNameMap[Tag] {
  return fill(document.createElement(tag), attributes, children);
}

/** Makes an SVG element. */
export function svg<Tag extends keyof SVGElementTagNameMap>(
  tag: Tag,
  attributes: Attributes = {},
  ...children: Child[]
): SVGElementTagNameMap[Tag] {
  return fill(document.createElementNS("http://www.w3.org/2000/svg", tag), attributes, children);
}

function fill<E extends Element>(element: E, attributes: Attributes, children: Child[]): E {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === undefined || value === false) continue;
    element.setAttribute(name, value === true ? "" : String(value));
  }
  element.append(...children);
  return element;
}

/** Fills a select; the value that was chosen stays, if it is still there. */
export function setOptions(
  select: HTMLSelectElement,
  options: readonly { value: string; label: string }[],
): void {
  const chosen = select.value;
  select.replaceChildren(
    ...options.map(({ value, label }) => html("option", { value }, label)),
  );
  if (options.some(({ value }) => value === chosen)) select.value = chosen;
}

/** Lets files be dropped on a card. @param onDrop Told of the first, or that there was none. */
export function acceptDrops(card: HTMLElement, onDrop: (file: File | undefined) => void): void {
  const over = (on: boolean) => card.classList.toggle("over", on);
  card.addEventListener("dragover", (event) => {
    event.preventDefault();
    over(true);
  });
  card.addEventListener("dragleave", () => over(false));
  card.addEventListener("drop", (event) => {
    event.preventDefault();
    over(false);
    onDrop(event.dataTransfer?.files[0]);
  });
}

/** A file dropped beside the cards that take one would make the browser leave the page. */
export function refuseOtherDrops(): void {
  for (const type of ["dragover", "drop"] as const) {
    globalThis.addEventListener(type, (event) => {
      if (event.defaultPrevented) return;
      event.preventDefault();
      if (event.dataTransfer) event.dataTransfer.dropEffect = "none";
    });
  }
}

/** Hands bytes or text to the visitor as a file. */
export function download(name: string, type: string, content: Uint8Array | string): void {
  const url = URL.createObjectURL(new Blob([content as BlobPart], { type }));
  html("a", { href: url, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}
