/** "Networks that arrive unit by unit": bytes so far against time, and answers that get better. */
import type { Client } from "./client.ts";
import { byId, html, setOptions, svg } from "./dom.ts";
import { formatBytes, formatDuration, formatPercent } from "./format.ts";
import { niceStep, round } from "./line_chart.ts";
import type { InputPicture, StreamAnswer, StreamEvent } from "./protocol.ts";
import { type ServerRun, weightsUrl } from "./server.ts";

const HEIGHT = 170;
/** Pixels of a level's name. */
const NAME = 50;
const MARGIN = { left: 62, right: 16, top: 24, bottom: 34 };

export class StreamView {
  /** Those that can be read. */
  #runs: ServerRun[] = [];
  #busy = false;
  #isStopping = false;
  #willDraw = false;
  #events: StreamEvent[] = [];
  /** What is classified; a test picture until something is drawn. */
  #picture: InputPicture | undefined;
  #classes: string[] = [];
  readonly #run = byId<HTMLSelectElement>("stream-run");
  readonly #task = byId<HTMLSelectElement>("stream-task");
  readonly #go = byId<HTMLButtonElement>("stream-go");
  readonly #status = byId("stream-status");
  readonly #plot = byId("arrival");

  constructor(readonly client: Client) {
    this.#run.addEventListener("change", () => this.#listTasks());
    this.#go.addEventListener("click", () => this.#busy ? this.#stop() : this.#fetch());
    new ResizeObserver(() => this.#draw()).observe(this.#plot);
  }

  open(runs: ServerRun[], hasGpu: boolean): void {
    this.#runs = runs.filter(({ tasks }) => tasks.length > 0);
    setOptions(this.#run, this.#runs.map(({ name }) => ({ value: name, label: name })));
    this.#listTasks();
    const enabled = this.#runs.length > 0 && hasGpu;
    this.#run.disabled = this.#task.disabled = this.#go.disabled = !enabled;
    this.#status.textContent = runs.length === 0
      ? "No server with trained runs is behind this page."
      : this.#runs.length === 0
      ? `The server's runs cannot be used; of ${runs[0]!.name}: ${runs[0]!.problem}.`
      : hasGpu
      ? "Ready. What is drawn above is what it will classify, else a test picture."
      : "This needs WebGPU; see above.";
  }

  set picture(picture: InputPicture | undefined) {
    this.#picture = picture;
  }

  #listTasks(): void {
    const tasks = this.#runs.find(({ name }) => name === this.#run.value)?.tasks ?? [];
    const chosen = this.#task.value;
    setOptions(this.#task, tasks.map(({ name }) => ({ value: name, label: name })));
    if (!tasks.some(({ name }) => name === chosen) && tasks.length > 0) {
      this.#task.value = tasks.at(-1)!.name;
    }
  }

  #setBusy(busy: boolean): void {
    this.#busy = busy;
    this.#isStopping = false;
    this.#go.textContent = busy ? "Stop" : "Fetch it";
  }

  #stop(): void {
    this.#isStopping = true;
    this.client.ask("stopStream").catch(() => {}); // without a worker nothing is under way
  }

  async #fetch(): Promise<void> {
    const task = this.#task.value;
    const run = this.#runs.find(({ name }) => name === this.#run.value)!;
    this.#classes = run.tasks.find(({ name }) => name === task)!.classes;
    this.#setBusy(true);
    this.begin();
    this.#status.classList.remove("bad");
    try {
      await this.client.ask("stream", {
        url: weightsUrl(run.name),
        task,
        picture: this.#picture,
      });
      const first = this.#events.find(({ answer }) => answer)!;
      const last = this.#events.findLast(({ answer }) => answer)!;
      const { of } = last.answer!;
      this.#status.textContent = `First answer after ${formatBytes(first.bytes)} and ${
        formatDuration(first.milliseconds)
      }; all ${formatBytes(last.bytes)} of this task's ${last.level} levels after ${
        formatDuration(last.milliseconds)
      }. The whole file has ${formatBytes(run.bytes)}. It classified ${of}.`;
    } catch (error) {
      this.#status.textContent = this.#isStopping ? "Stopped." : (error as Error).message;
      this.#status.classList.toggle("bad", !this.#isStopping);
    } finally {
      this.#setBusy(false);
    }
  }

  /** Begins anew: at the click, and where the device was lost meanwhile. */
  begin(): void {
    this.#events = [];
    byId("stream-table").hidden = true;
    byId("stream-table").querySelector("tbody")!.replaceChildren();
    this.#status.textContent = "Fetching.";
    this.#drawSoon();
  }

  take(event: StreamEvent): void {
    this.#events.push(event);
    // Each piece is drawn, and only levels are told: screen readers say all that is told.
    if (event.answer) this.#addRow(event, event.answer);
    this.#drawSoon();
  }

  #drawSoon(): void {
    if (this.#willDraw) return;
    this.#willDraw = true;
    requestAnimationFrame(() => {
      this.#willDraw = false;
      this.#draw();
    });
  }

  #addRow(
    { level, bytes, milliseconds }: StreamEvent,
    { probabilities }: StreamAnswer,
  ): void {
    const best = probabilities.indexOf(Math.max(...probabilities));
    const answer = `${this.#classes[best]} (${formatPercent(probabilities[best]!)})`;
    const table = byId("stream-table");
    table.hidden = false;
    table.querySelector("tbody")!.append(html(
      "tr",
      {},
      html("th", { scope: "row" }, String(level)),
      ...[formatBytes(bytes), formatDuration(milliseconds), answer].map((text) =>
        html("td", {}, text)
      ),
    ));
    this.#status.textContent = `Level ${level} answers: ${answer}.`;
  }

  /** Bytes over time as a rising line, a mark where each level answers. */
  #draw(): void {
    const width = this.#plot.clientWidth;
    if (width === 0) return;
    const last = this.#events.at(-1);
    const duration = Math.max(1, last?.milliseconds ?? 1000);
    const most = Math.max(1, last?.totalBytes ?? 1);
    const right = width - MARGIN.right;
    const bottom = HEIGHT - MARGIN.bottom;
    const x = (time: number) => MARGIN.left + time / duration * (right - MARGIN.left);
    const y = (bytes: number) => bottom - bytes / most * (bottom - MARGIN.top);
    const picture = svg("svg", { width, height: HEIGHT, "aria-hidden": "true" });
    picture.append(svg("path", { class: "grid", d: `M${MARGIN.left} ${bottom}H${right}` }));
    if (!last) {
      picture.append(svg(
        "text",
        { class: "tick middle", x: (MARGIN.left + right) / 2, y: HEIGHT / 2 },
        "bytes over time appear here",
      ));
      this.#plot.replaceChildren(picture);
      return;
    }
    const stride = niceStep(most / 3);
    for (let bytes = stride; bytes <= most; bytes += stride) {
      picture.append(
        svg("path", { class: "grid", d: `M${MARGIN.left} ${round(y(bytes))}H${right}` }),
        svg(
          "text",
          { class: "tick end", x: MARGIN.left - 8, y: y(bytes), dy: 4 },
          formatBytes(bytes),
        ),
      );
    }
    const tick = niceStep(duration / Math.max(2, Math.floor((right - MARGIN.left) / 110)));
    for (let time = 0; time <= duration; time += tick) {
      picture.append(svg(
        "text",
        { class: "tick middle", x: x(time), y: bottom + 18 },
        time === 0 ? "0" : formatDuration(time),
      ));
    }
    // More may arrive while a level answers: its mark then lies below the line.
    const arrived = this.#events.filter(({ answer }) => !answer);
    const points = arrived.map(({ milliseconds, bytes }) => {
      return `L${round(x(milliseconds))} ${round(y(bytes))}`;
    });
    const line = `M${x(0)} ${bottom}${points.join("")}H${right}`;
    const group = svg("g", { class: "task-0" });
    group.append(
      svg("path", { class: "area", d: `${line}V${bottom}z` }),
      svg("path", { class: "line", d: line }),
    );
    const answers = this.#events.filter(({ answer }) => answer);
    // Names stand at the top, one below the other where they would touch.
    let [end, row] = [-Infinity, 0];
    for (const { level, milliseconds, bytes } of answers) {
      const [cx, cy] = [x(milliseconds), y(bytes)];
      row = cx - end < NAME ? row + 1 : 0;
      end = cx;
      group.append(
        svg("path", { class: "rule", d: `M${round(cx)} 0V${bottom}` }),
        svg("circle", { class: "mark", cx: round(cx), cy: round(cy), r: 5 }),
        svg(
          "text",
          { class: "tick end strong", x: round(cx) - 6, y: 11 + 14 * row },
          `level ${level}`,
        ),
      );
    }
    picture.append(group);
    this.#plot.replaceChildren(picture);
    this.#plot.setAttribute(
      "aria-label",
      `Bytes so far over time. ${
        answers.map(({ level, bytes, milliseconds }) =>
          `Level ${level} answered after ${formatBytes(bytes)} and ${formatDuration(milliseconds)}`
        ).join(". ")
      }.`,
    );
  }
}
