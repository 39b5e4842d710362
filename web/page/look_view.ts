/** "Look inside": units, orders, levels, and what each network costs and scores. */
import type { NetworkCost } from "../../mod.ts";
import type { Client } from "./client.ts";
import { byId, download, html, svg } from "./dom.ts";
import { formatBytes, formatCount, formatDuration, formatLarge, formatPercent } from "./format.ts";
import type { NetworkView } from "./protocol.ts";
import { describePoint, drawScatter } from "./scatter.ts";

/** Pixels a channel, at most and at least. */
const LARGEST_SCALE = 4.25;
const SMALLEST_SCALE = 0.5;
/** Pixels of the widest matrix where they do not fit in one row. */
const WIDEST_IN_ROWS = 72;
/** Pixels of the narrowest matrix, of the words below it, and between two. */
const NARROWEST = 14;
const WORDS = 32;
const GAP = 12;

export class LookView {
  #network: NetworkView | undefined;
  #task = "";
  #level = 1;
  #canMeasure = false;
  /** Milliseconds an image, by network, task and level. */
  readonly #times = new Map<string, number>();
  readonly #slider = byId<HTMLInputElement>("look-level");
  readonly #status = byId("look-status");

  constructor(readonly client: Client) {
    this.#slider.addEventListener("input", () => {
      this.#level = this.#levels()[this.#slider.valueAsNumber - 1]!;
      this.#draw();
    });
    byId("measure").addEventListener("click", () => this.#measure());
    byId("test").addEventListener("click", () => this.#test());
    byId("cut").addEventListener("click", () => this.#cut());
    new ResizeObserver(() => this.#network && this.#draw()).observe(byId("scatter"));
  }

  /** Whether the GPU is there and idle. */
  set canMeasure(value: boolean) {
    this.#canMeasure = value;
    this.#drawButtons();
  }

  show(network: NetworkView): void {
    this.#network = network;
    if (!network.tasks.some(({ name }) => name === this.#task)) {
      this.#task = network.tasks.at(-1)!.name;
      this.#level = this.#levels()[0]!;
    }
    this.#listTasks();
    this.#draw();
  }

  #listTasks(): void {
    const names = this.#network!.tasks.map(({ name }) => name);
    const inputs = [...byId("look-tasks").querySelectorAll("input")];
    if (names.join() === inputs.map(({ value }) => value).join()) {
      // The same elements: one of them may have the keyboard's focus.
      for (const input of inputs) input.checked = input.value === this.#task;
      return;
    }
    const segments = names.map((name, index) => {
      const input = html("input", {
        type: "radio",
        name: "look-task",
        value: name,
        checked: name === this.#task,
      });
      input.addEventListener("change", () => {
        this.#task = name;
        if (!this.#levels().includes(this.#level)) this.#level = this.#levels()[0]!;
        this.#draw();
      });
      return html("label", { class: `task-${index % 6}` }, input, html("span", {}, name));
    });
    byId("look-tasks").replaceChildren(html("legend", {}, "Task"), ...segments);
  }

  /** The chosen task's costs, by level. */
  #costs(): NetworkCost[] {
    return this.#network!.costs.filter(({ task }) => task === this.#task);
  }

  #levels(): number[] {
    return this.#costs().map(({ level }) => level);
  }

  #draw(): void {
    const network = this.#network!;
    const levels = this.#levels();
    const cost = this.#costs().find(({ level }) => level === this.#level)!;
    this.#slider.max = String(levels.length);
    this.#slider.value = String(levels.indexOf(this.#level) + 1);
    this.#slider.disabled = levels.length < 2;
    this.#slider.setAttribute(
      "aria-valuetext",
      `level ${this.#level}, ${formatBytes(cost.bytes)}`,
    );
    byId("look-level-out").textContent = `${this.#level} of ${levels.at(-1)}`;
    const score = network.scores.find((each) =>
      each.task === this.#task && each.level === this.#level
    );
    const time = this.#times.get(this.#key(cost));
    const facts: Record<string, string> = {
      "l-units": cost.units.join(", "),
      "l-parameters": formatCount(cost.parameters.total),
      "l-bytes": formatBytes(cost.bytes),
      "l-macs": formatLarge(cost.macs),
      "l-density": formatPercent(cost.density),
      "l-accuracy": score ? formatPercent(score.accuracy) : "not tested",
      "l-time": time === undefined ? "not measured" : formatDuration(time),
    };
    for (const [id, text] of Object.entries(facts)) byId(id).textContent = text;
    this.#drawBlocks(cost);
    this.#drawOrders();
    this.#drawScatter();
    this.#drawButtons();
  }

  #key({ task, level }: NetworkCost): string {
    return `${this.#network!.id} ${task} ${level}`;
  }

  #drawButtons(): void {
    const trained = this.#network?.trained ?? false;
    byId<HTMLButtonElement>("measure").disabled = !(trained && this.#canMeasure);
    byId<HTMLButtonElement>("test").disabled =
      !(trained && this.#canMeasure && this.#network!.testable);
    byId<HTMLButtonElement>("cut").disabled = !trained;
  }

  /** A matrix of blocks for each layer, as large as its weights are many. */
  #drawBlocks({ units, level }: NetworkCost): void {
    const { layers, orders, tasks, scenario } = this.#network!;
    const index = tasks.findIndex(({ name }) => name === this.#task);
    const order = orders[index]!;
    const joins = (unit: number) => {
      const rank = order.indexOf(unit);
      return scenario.levels.findIndex((count) => count > rank) + 1;
    };
    const total = (widths: readonly number[]) => widths.reduce((sum, width) => sum + width, 0);
    const pixels = largestScale(
      layers.map(({ inWidths }) => total(inWidths)),
      byId("blocks").clientWidth || 480,
    );
    const scale = (widths: readonly number[]) => Math.max(pixels, NARROWEST / total(widths));
    const pictures = layers.map(({ name, inWidths, outWidths }) => {
      const [sx, sy] = [scale(inWidths), scale(outWidths)];
      const [width, height] = [total(inWidths) * sx, total(outWidths) * sy];
      const picture = svg("svg", {
        width: width + 2,
        height: height + 2,
        viewBox: `-1 -1 ${width + 2} ${height + 2}`,
        "aria-hidden": "true",
      });
      let y = 0;
      outWidths.forEach((rows, out) => {
        let x = 0;
        inWidths.forEach((columns, into) => {
          const reads = inWidths.length === 1 ? undefined : into + 1;
          const pair = reads === undefined ? [out + 1] : [out + 1, reads];
          const active = pair.every((unit) => units.includes(unit));
          const joined = Math.max(...pair.map(joins));
          const state = !active ? "off" : joined === level ? "new" : "on";
          picture.append(svg(
            "rect",
            {
              class: `block ${state}`,
              x: x + 0.75,
              y: y + 0.75,
              width: Math.max(1, columns * sx - 1.5),
              height: Math.max(1, rows * sy - 1.5),
              rx: 2,
            },
            svg(
              "title",
              {},
              `${name}: from ${reads === undefined ? "the stem" : `unit ${reads}`} to unit ${
                out + 1
              }, ${formatCount(9 * rows * columns)} weights, joins at level ${joined}`,
            ),
          ));
          x += columns * sx;
        });
        y += rows * sy;
      });
      const [stage, block, conv] = name.split(".").map((part) => part.replace(/^\D+/, ""));
      return html(
        "span",
        { class: "layer" },
        picture,
        html("span", { class: "soft", title: name }, `${stage}.${block}.${conv}`),
      );
    });
    const row = html("div", { class: `layers task-${index % 6}`, role: "img" }, ...pictures);
    const blocks = (count: number) => count * count;
    row.setAttribute(
      "aria-label",
      `${layers.length} convolutions of ${scenario.units} by ${scenario.units} unit blocks. At level ` +
        `${level} of task ${this.#task} the units ${units.join(", ")} are active, ` +
        `${blocks(units.length)} of ${blocks(scenario.units)} blocks in each layer.`,
    );
    byId("blocks").replaceChildren(row);
    const key = (state: string, words: string) =>
      html(
        "span",
        { class: `task-${index % 6}` },
        svg(
          "svg",
          { class: "key", width: 12, height: 12 },
          svg("rect", { class: `block ${state}`, x: 1, y: 1, width: 10, height: 10, rx: 2 }),
        ),
        words,
      );
    byId("blocks-key").replaceChildren(
      key("new", `joins at level ${level}`),
      key("on", "was there before"),
      key("off", "not read, not computed"),
    );
  }

  /** Each task's order of units. */
  #drawOrders(): void {
    const { tasks, orders, scenario } = this.#network!;
    byId("orders").replaceChildren(...tasks.map(({ name }, index) => {
      const chosen = name === this.#task;
      const active = scenario.levels[this.#level - 1] ?? scenario.units;
      const chips = orders[index]!.map((unit, rank) =>
        html("li", { class: chosen && rank < active ? "chip on" : "chip" }, String(unit))
      );
      return html(
        "div",
        { class: `order task-${index % 6}${chosen ? " chosen" : ""}` },
        html("span", { class: "order-name" }, name),
        html("ol", { "aria-label": `Order of the units of ${name}` }, ...chips),
      );
    }));
  }

  #drawScatter(): void {
    if (!this.#network) return;
    const { costs, scores, tasks, trained, testable } = this.#network;
    const points = costs.flatMap((cost) => {
      const score = scores.find(({ task, level }) => task === cost.task && level === cost.level);
      return score ? [{ cost, score }] : [];
    });
    const note = byId("scatter-note");
    if (points.length === 0) {
      byId("scatter").replaceChildren();
      note.textContent = !trained
        ? "Train first, or open a trained run: the points appear when networks are tested."
        : testable
        ? "Not tested yet."
        : "Its accuracy is not known here.";
      return;
    }
    const idle = "Point at a network, or move to it with the Tab key.";
    // A point that has the focus keeps it, and its words.
    if (!byId("scatter").contains(document.activeElement)) note.textContent = idle;
    drawScatter(
      byId("scatter"),
      tasks.map(({ name }) => name),
      points,
      ({ task, level }) => task === this.#task && level === this.#level,
      (point) => note.textContent = point ? describePoint(point) : idle,
      ({ cost }) => {
        this.#task = cost.task;
        this.#level = cost.level;
        this.show(this.#network!);
      },
    );
  }

  async #work(words: string, work: () => Promise<string>): Promise<void> {
    this.#status.textContent = words;
    try {
      this.#status.textContent = await work();
    } catch (error) {
      this.#status.textContent = (error as Error).message;
    }
  }

  #measure(): Promise<void> {
    const [id, task] = [this.#network!.id, this.#task];
    return this.#work(`Measuring every level of ${task}.`, async () => {
      const times = await this.client.ask("measure", { id, task });
      for (const { level, msPerImage } of times) {
        this.#times.set(`${id} ${task} ${level}`, msPerImage);
      }
      if (this.#network!.id === id) this.#draw();
      const source = times[0]?.source === "wall clock" ? "by the clock" : "by GPU timestamps";
      const words = times.map(({ level, msPerImage }) =>
        `level ${level} ${formatDuration(msPerImage)}`
      );
      return `An image in a batch of 128, ${source}: ${words.join(", ")}.`;
    });
  }

  #test(): Promise<void> {
    const { id } = this.#network!;
    return this.#work("Testing all networks.", async () => {
      const scores = await this.client.ask("test", { id });
      if (this.#network!.id === id) this.#network!.scores = scores;
      this.#draw();
      return `Tested on ${scores.at(-1)?.count} pictures that were not trained on.`;
    });
  }

  #cut(): Promise<void> {
    const { id, scenario } = this.#network!;
    const [task, level] = [this.#task, this.#level];
    return this.#work("Cutting it out.", async () => {
      const bytes = await this.client.ask("cut", { id, task, level });
      const name = `${scenario.name}-${task}-level${level}.safetensors`;
      download(name, "application/octet-stream", bytes);
      return `${name}, ${
        formatBytes(bytes.length)
      }: the active channels alone, each convolution dense.`;
    });
  }
}

/** Pixels a channel, such that all matrices stand in one row if they can. */
function largestScale(channels: readonly number[], room: number): number {
  const width = (scale: number) =>
    channels.reduce((sum, count) => sum + GAP + Math.max(WORDS, count * scale + 2), -GAP);
  let scale = LARGEST_SCALE;
  while (scale > SMALLEST_SCALE && width(scale) > room) scale *= 0.97;
  // Where even that is too wide they stand in rows, and may as well be seen.
  return width(scale) <= room ? scale : WIDEST_IN_ROWS / Math.max(...channels);
}
