/** A text with tables, as Markdown and as a page. Words between backticks are code. */
import { Html, markup } from "../report/html.ts";
import reportCss from "../report/style.css" with { type: "text" };
import css from "./style.css" with { type: "text" };
import { NOT_RUN } from "./wording.ts";

export type Block =
  | { kind: "heading"; text: string }
  | { kind: "subheading"; text: string }
  | { kind: "text"; text: string }
  | { kind: "note"; text: string }
  | { kind: "warning"; text: string }
  | Table
  | { kind: "list"; items: Item[] }
  /** On the page only. */
  | { kind: "charts"; charts: Html };

/** An item of a list. */
export interface Item {
  /** In bold type. */
  lead: string;
  /** Colours the lead. */
  tone: "good" | "bad" | "soft";
  text: string;
}

export interface Table {
  kind: "table";
  /** What a screen reader calls it. */
  label: string;
  columns: Column[];
  rows: string[][];
}

export interface Column {
  title: string;
  /** Stands above the titles of neighbours that have the same. */
  group?: string;
  /** Words rather than figures. */
  words?: boolean;
  /** To be told apart from its neighbours. */
  soft?: boolean;
}

/** Of lines of Markdown, as `deno fmt` has it. */
const LINE_WIDTH = 100;

export function renderMarkdown(blocks: readonly Block[]): string {
  return blocks.flatMap((block) => markdownOf(block) ?? []).join("\n\n") + "\n";
}

function markdownOf(block: Block): string | undefined {
  switch (block.kind) {
    case "heading":
      return `## ${escaped(block.text)}`;
    case "subheading":
      return `### ${escaped(block.text)}`;
    case "text":
    case "note":
      return wrapped(escaped(block.text));
    case "warning":
      return wrapped(`**Note.** ${escaped(block.text)}`);
    case "table":
      return markdownTable(block);
    case "list":
      return block.items
        .map(({ lead, text }) => wrapped(`- **${escaped(lead)}**: ${escaped(text)}`, "  "))
        .join("\n");
    case "charts":
      return undefined;
  }
}

/** The first column of a group is called by the group, which leaves room. */
function markdownTable({ columns, rows }: Table): string {
  const titles = columns.map(({ title, group }, i) =>
    group !== undefined && group !== columns[i - 1]?.group ? group : title
  );
  const table = [titles, ...rows].map((row) => row.map(escaped));
  const widths = columns.map((_, c) => Math.max(3, ...table.map((row) => row[c]!.length)));
  const line = (cells: string[]) => `| ${cells.join(" | ")} |`;
  const [head, ...body] = table.map((row) =>
    line(
      row.map((cell, c) =>
        isWords(columns, c) ? cell.padEnd(widths[c]!) : cell.padStart(widths[c]!)
      ),
    )
  );
  const rule = line(
    widths.map((width, c) => "-".repeat(width - 1) + (isWords(columns, c) ? "-" : ":")),
  );
  return [head, rule, ...body].join("\n");
}

/** Figures stand to the right, words to the left. */
function isWords(columns: readonly Column[], index: number): boolean {
  return index === 0 || columns[index]!.words === true;
}

function escaped(text: string): string {
  const parts = text.split("`");
  return parts.map((part, i) => i % 2 === 1 ? part : part.replace(/[\\*_<[\]|]/g, "\\$&"))
    .join("`");
}

/** A space, but not before what at the start of a line would begin a list or a quotation: "3.", "-". */
const BREAK = / (?!(?:\d+[.)]|[-+*>]|#+)(?: |$))/;
/** Stands for a space where no line ends. */
const GLUE = "\u00a0";

function wrapped(text: string, indent = ""): string {
  const lines: string[] = [];
  const glued = text.replace(/`[^`]*`/g, (code) => code.replaceAll(" ", GLUE));
  for (const word of glued.split(BREAK)) {
    const longer = lines.length > 0 ? `${lines.at(-1)} ${word}` : word;
    if (lines.length > 0 && longer.length <= LINE_WIDTH) lines[lines.length - 1] = longer;
    else lines.push(lines.length > 0 ? indent + word : word);
  }
  return lines.join("\n").replaceAll(GLUE, " ");
}

/** A page that needs nothing but itself. */
export function renderPage(
  title: string,
  head: readonly Block[],
  blocks: readonly Block[],
): string {
  const headings = blocks.filter((block) => block.kind === "heading").map(({ text }) => text);
  return markup`<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${title}</title>
<style>
${new Html(reportCss + css)}</style>
</head>
<body>
<header>
<h1>${title}</h1>
${head.map(htmlOf)}
<nav aria-label="Tables"><ul class="legend">
${
    headings.map((text) =>
      markup`<li><a href="#${anchor(text)}">${text}</a></li>
`
    )
  }</ul></nav>
</header>
<main>
${blocks.map(htmlOf)}</main>
</body>
</html>
`.text;
}

function htmlOf(block: Block): Html {
  switch (block.kind) {
    case "heading":
      return markup`<h2 id="${anchor(block.text)}">${block.text}</h2>
`;
    case "subheading":
      return markup`<h3>${block.text}</h3>
`;
    case "text":
      return markup`<p>${inline(block.text)}</p>
`;
    case "note":
      return markup`<p class="soft small">${inline(block.text)}</p>
`;
    case "warning":
      return markup`<p class="banner">${inline(block.text)}</p>
`;
    case "table":
      return htmlTable(block);
    case "list":
      return markup`<ul>
${
        block.items.map(({ lead, tone, text }) =>
          markup`<li><strong class="${tone}">${lead}</strong>: ${inline(text)}</li>
`
        )
      }</ul>
`;
    case "charts":
      return block.charts;
  }
}

function htmlTable({ label, columns, rows }: Table): Html {
  const body = rows.map((cells) =>
    markup`<tr>${
      cells.map((cell, c) =>
        c === 0
          ? markup`<th scope="row">${cell}</th>`
          : markup`<td class="${classOf(columns, c, cell)}">${cell}</td>`
      )
    }</tr>
`
  );
  return markup`<div class="scroll" role="region" aria-label="${label}" tabindex="0">
<table>
<thead>${tableHead(columns)}</thead>
<tbody>
${body}</tbody>
</table>
</div>
`;
}

function classOf(columns: readonly Column[], index: number, cell: string): string {
  const soft = columns[index]!.soft || cell === NOT_RUN;
  return `${isWords(columns, index) ? "words" : ""} ${soft ? "soft" : ""}`.trim();
}

/** One row of titles, or two: groups, then what is in them. */
function tableHead(columns: readonly Column[]): Html {
  const grouped = columns.filter(({ group }) => group !== undefined);
  if (grouped.length === 0) {
    return markup`<tr>${
      columns.map(({ title }, c) =>
        markup`<th scope="col" class="${classOf(columns, c, title)}">${title}</th>`
      )
    }</tr>`;
  }
  const upper = columns.map(({ title, group }, i) => {
    if (group === undefined) return markup`<th scope="col" rowspan="2">${title}</th>`;
    if (group === columns[i - 1]?.group) return undefined;
    const span = columns.filter((column) => column.group === group).length;
    return markup`<th scope="colgroup" colspan="${span}">${group}</th>`;
  });
  const lower = grouped.map(({ title }) => markup`<th scope="col">${title}</th>`);
  return markup`<tr>${upper}</tr>
<tr>${lower}</tr>`;
}

function inline(text: string): Html {
  const parts = text.replaceAll(" ± ", `${GLUE}±${GLUE}`).split("`");
  return markup`${parts.map((part, i) => i % 2 === 1 ? markup`<code>${part}</code>` : part)}`;
}

/** "J1, scale ci" -> "j1-scale-ci". */
function anchor(heading: string): string {
  return heading.toLowerCase().replace(/[^a-z0-9]+/g, "-").replace(/^-|-$/g, "");
}
