/** "Use it": a picture, a budget, an answer; the server's beside it. */
import type { NetworkCost } from "../../mod.ts";
import type { Client } from "./client.ts";
import { acceptDrops, byId, html, setOptions } from "./dom.ts";
import { Drawing } from "./drawing.ts";
import { formatBytes, formatDuration, formatPercent } from "./format.ts";
import type { Answer, InputPicture, NetworkView, PictureSource } from "./protocol.ts";
import { predictOnServer, type ServerAnswer } from "./server.ts";

/** Classes shown. */
const TOP = 5;
/** Below level 1, so that the slider can be too low. */
const LEAST = 0.7;

export class UseView {
  #network: NetworkView | undefined;
  /** The server's name for it, if it is a run of the server. */
  #run: string | undefined;
  #hasGpu = false;
  #source: PictureSource | undefined;
  #samples = 0;
  /** Counts questions, so that a late answer to an old one is dropped. */
  #asked = 0;
  readonly #drawing: Drawing;
  readonly #task = byId<HTMLSelectElement>("use-task");
  readonly #budget = byId<HTMLInputElement>("budget");
  readonly #status = byId("use-status");

  /** @param onPicture Told of what the network reads, which streamed networks are shown as well. */
  constructor(
    readonly client: Client,
    readonly onPicture: (picture: InputPicture | undefined) => void,
  ) {
    const parts = { hint: byId("drawing-hint"), pen: byId("drawing-pen") };
    this.#drawing = new Drawing(byId<HTMLCanvasElement>("drawing"), parts, () => {
      this.#take({ kind: "pixels", pixels: this.#drawing.pixels });
    });
    byId("clear").addEventListener("click", () => {
      this.#drawing.clear();
      this.#source = undefined;
      this.#asked++;
      this.#showAnswer();
      this.#showPicture(undefined);
      this.#say("Nothing drawn yet.");
    });
    byId("sample").addEventListener("click", () => {
      this.#take({ kind: "test", index: 7 * this.#samples++ });
    });
    this.#task.addEventListener("change", () => this.#changeTask());
    this.#budget.addEventListener("input", () => this.#drawBudget());
    this.#budget.addEventListener("change", () => this.#answer());
    const input = byId<HTMLInputElement>("picture-file");
    byId("choose").addEventListener("click", () => input.click());
    input.addEventListener("change", () => {
      const file = input.files?.[0];
      if (file) this.#take({ kind: "file", file });
      input.value = ""; // so that the same file can be chosen again
    });
    acceptDrops(byId("use"), (file) => {
      if (file) this.#take({ kind: "file", file });
      else this.#say("Drop a picture file.", true);
    });
  }

  /** @param run Its name on the server, if it is a run of the server. */
  show(network: NetworkView, hasGpu: boolean, run?: string): void {
    this.#network = network;
    this.#hasGpu = hasGpu;
    this.#run = run;
    const chosen = this.#task.value;
    setOptions(
      this.#task,
      network.tasks.map(({ name, classes }) => ({
        value: name,
        label: `${name} (${classes.length} classes)`,
      })),
    );
    if (!network.tasks.some(({ name }) => name === chosen)) {
      this.#task.value = network.tasks.at(-1)!.name;
    }
    byId<HTMLButtonElement>("sample").disabled = !network.testable;
    byId("server-head").hidden = !run;
    this.#changeTask();
  }

  #say(text: string, bad = false): void {
    this.#status.textContent = text;
    this.#status.classList.toggle("bad", bad);
  }

  #take(source: PictureSource): void {
    if (source.kind !== "pixels") this.#drawing.clear();
    this.#source = source;
    this.#answer();
  }

  #costs(): NetworkCost[] {
    return this.#network!.costs.filter(({ task }) => task === this.#task.value);
  }

  #changeTask(): void {
    this.#drawBudget();
    this.#answer();
  }

  /** In bytes; the slider's ends lie below level 1 and a little above the highest. */
  #bytes(): number {
    const bytes = this.#costs().map((cost) => cost.bytes);
    const [low, high] = [LEAST * bytes[0]!, 1.02 * bytes.at(-1)!];
    return Math.round(low * (high / low) ** (this.#budget.valueAsNumber / 1000));
  }

  #chosen(): NetworkCost | undefined {
    return this.#costs().findLast(({ bytes }) => bytes <= this.#bytes());
  }

  #drawBudget(): void {
    const chosen = this.#chosen();
    const text = formatBytes(this.#bytes());
    byId("budget-out").textContent = text;
    this.#budget.setAttribute(
      "aria-valuetext",
      `${text}, ${chosen ? `level ${chosen.level}` : "too little for level 1"}`,
    );
    byId("budget-levels").replaceChildren(
      ...this.#costs().map((cost) =>
        html(
          "li",
          {
            class: cost.level === chosen?.level ? "on" : cost.bytes <= this.#bytes() ? "fits" : "",
            "aria-current": cost.level === chosen?.level && "true",
          },
          html("b", {}, `Level ${cost.level}`),
          ` ${formatBytes(cost.bytes)}`,
        )
      ),
    );
  }

  async #answer(): Promise<void> {
    const asked = ++this.#asked;
    const { id, trained } = this.#network!;
    const task = this.#task.value;
    const source = this.#source;
    if (!source) return;
    const isOld = () => asked !== this.#asked;
    try {
      const picture = await this.client.ask("picture", { id, task, source });
      if (isOld()) return;
      this.#showPicture(picture);
      const chosen = this.#chosen();
      if (!chosen) {
        const least = this.#costs()[0]!;
        this.#showAnswer();
        return this.#say(
          `No level fits ${formatBytes(this.#bytes())}: level ${least.level}, the smallest, needs ${
            formatBytes(least.bytes)
          }.`,
          true,
        );
      }
      if (!trained) {
        this.#showAnswer();
        return this.#say("This network is not trained yet: train it above, or open a trained run.");
      }
      const server = this.#run
        ? predictOnServer(this.#run, task, chosen.level, picture)
          .catch((error: Error) => error)
        : undefined;
      let answer: Answer | undefined;
      if (this.#hasGpu) {
        const choice = { budget: this.#bytes() };
        answer = await this.client.ask("predict", { id, task, choice, bytes: picture.bytes });
        if (isOld()) return;
        this.#showAnswer(answer);
        this.#say(
          `Level ${answer.level}, ${formatBytes(answer.bytes)}, answered in ${
            formatDuration(answer.milliseconds)
          }.`,
        );
      } else {this.#say(
          server ? "Asking the server." : "An answer needs WebGPU, or a server's run.",
        );}
      const served = await server;
      if (isOld() || !served) return;
      this.#showAnswer(answer, served);
      if (!answer && !(served instanceof Error)) {
        this.#say(`Level ${served.level}, answered by the server.`);
      }
    } catch (error) {
      if (isOld()) return;
      this.#showAnswer();
      if (source.kind === "file") this.#showPicture(undefined);
      const where = source.kind === "file" && source.file instanceof File
        ? `${source.file.name}: `
        : "";
      this.#say(where + (error as Error).message, true);
    }
  }

  /** Shows what the network reads. */
  #showPicture(picture: InputPicture | undefined): void {
    this.onPicture(picture);
    const canvas = byId<HTMLCanvasElement>("reads");
    const { width, height, channels, maximum, bytes, ink } = picture ??
      { width: 8, height: 8, channels: 1, maximum: 1, bytes: new Uint8Array(64) };
    [canvas.width, canvas.height] = [width, height];
    const pixels = new ImageData(width, height);
    for (let i = 0; i < width * height; i++) {
      for (let c = 0; c < 3; c++) {
        const value = bytes[channels * i + Math.min(c, channels - 1)]!;
        pixels.data[4 * i + c] = 255 * value / maximum;
      }
      pixels.data[4 * i + 3] = 255;
    }
    // So small a picture is best left to the processor.
    canvas.getContext("2d", { willReadFrequently: true })!.putImageData(pixels, 0, 0);
    const inked = ink === "dark"
      ? ", light on dark: the dark ink was turned round"
      : ink === "light"
      ? ", light on dark"
      : "";
    byId("reads-note").textContent = picture
      ? `What the network reads: ${width} by ${height} pixels${inked}.`
      : "What the network reads appears here.";
  }

  #showAnswer(answer?: Answer, served?: ServerAnswer | Error): void {
    const classes = this.#network!.tasks.find(({ name }) => name === this.#task.value)!.classes;
    const body = byId("answer").querySelector("tbody")!;
    byId("answer").classList.toggle("long", classes.some(({ length }) => length > 3));
    const difference = byId("difference");
    const server = served instanceof Error ? undefined : served;
    const ofServer = (name: string) =>
      server?.classes.find((each) => each.name === name)?.probability;
    const probabilities = answer?.probabilities ??
      classes.map((name) => ofServer(name) ?? Number.NaN);
    if (!answer && !server) {
      body.replaceChildren();
    } else {
      const order = [...probabilities.keys()].sort((a, b) => probabilities[b]! - probabilities[a]!);
      body.replaceChildren(
        ...order.slice(0, TOP).map((c) => {
          const name = classes[c]!;
          const cells = [answer ? bar(probabilities[c]!) : html("td", {}, "–")];
          if (this.#run) {
            const probability = ofServer(name);
            cells.push(
              probability === undefined ? html("td", {}, served ? "–" : "…") : bar(probability),
            );
          }
          return html("tr", {}, html("th", { scope: "row" }, name), ...cells);
        }),
      );
    }
    byId("server-head").hidden = !this.#run;
    if (served instanceof Error) difference.textContent = `The server: ${served.message}`;
    else if (server && answer) {
      const largest = Math.max(
        ...server.classes.map(({ name, probability }) =>
          Math.abs(probability - answer.probabilities[classes.indexOf(name)]!)
        ),
      );
      difference.textContent = `Level ${server.level} on the server, in ${
        formatDuration(server.milliseconds)
      }. Largest difference between the two: ${largest === 0 ? "none" : largest.toExponential(1)}.`;
    } else {
      difference.textContent = answer && !this.#run
        ? "Choose a run of the server above to see its answer beside this one."
        : "";
    }
  }
}

/** A table cell with a bar as long as a probability. */
function bar(probability: number): HTMLTableCellElement {
  const fill = html("span", { class: "bar" });
  fill.style.width = `${100 * probability}%`;
  return html(
    "td",
    {},
    html("span", { class: "bar-box", "aria-hidden": "true" }, fill),
    html("span", { class: "bar-text" }, formatPercent(probability)),
  );
}
