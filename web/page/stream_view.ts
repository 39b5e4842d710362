/** "Networks that arrive unit by unit": bytes so far against time, and answers that get better. */
import type { Client } from "./client.ts";
import { byId, html, setOptions, svg } from "./dom.ts";
import { formatBytes, formatDuration, formatPercent } from "./format.ts";
import { niceStep, round } from "./line_chart.ts";
import type { InputPicture, StreamEvent } from "./protocol.ts";
import { type ServerRun, weightsUrl } from "./server.ts";

const HEIGHT = 170;
const MARGIN = { left: 62, right: 16, top: 24, bottom: 34 };

export class StreamView {
  #runs: ServerRun[] = [];
  #hasGpu = false;
  #busy = false;
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
    this.#go.addEventListener("click", () => this.#fetch());
    new ResizeObserver(() => this.#draw()).observe(this.#plot);
  }

  open(runs: ServerRun[], hasGpu: boolean): void {
    this.#runs = runs;
    this.#hasGpu = hasGpu;
    setOptions(this.#run, runs.map(({ name }) => ({ value: name, label: name })));
    this.#listTasks();
    const enabled = runs.length > 0 && hasGpu;
    this.#run.disabled = this.#task.disabled = this.#go.disabled = !enabled;
    this.#status.textContent = runs.length === 0
      ? "No server with trained runs is behind this page."
      : hasGpu
      ? "Ready. What is drawn above is what it will classify."
      : "This needs WebGPU; see above.";
  }

  set picture(picture: InputPicture) {
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

  async #fetch(): Promise<void> {
    if (this.#busy) return;
    const task = this.#task.value;
    const run = this.#runs.find(({ name }) => name === this.#run.value)!;
    this.#classes = run.tasks.find(({ name }) => name === task)!.classes;
    this.#events = [];
    this.#busy = this.#go.disabled = true;
    byId("stream-table").hidden = true;
    byId("stream-table").querySelector("tbody")!.replaceChildren();
    this.#status.textContent = "Reading the header.";
    this.#status.classList.remove("bad");
    try {
      await this.client.ask("stream", {
        url: weightsUrl(run.name),
        task,
        picture: this.#picture,
      });
      const first = this.#events.find(({ answer }) => answer)!;
      const last = this.#events.findLast(({ answer }) => answer)!;
      this.#status.textContent = `First answer after ${formatBytes(first.bytes)} and ${
        formatDuration(first.milliseconds)
      }; all ${formatBytes(last.bytes)} of this task's ${last.level} levels after ${
        formatDuration(last.milliseconds)
      }. The whole file has ${formatBytes(run.bytes)}.`;
    } catch (error) {
      this.#status.textContent = (error as Error).message;
      this.#status.classList.add("bad");
    } finally {
      this.#busy = false;
      this.#go.disabled = !this.#hasGpu;
    }
  }

  take(event: StreamEvent): void {
    this.#events.push(event);
    if (event.answer) this.#addRow(event, event.answer);
    else if (!this.#events.some(({ answer }) => answer)) {
      this.#status.textContent = `${formatBytes(event.bytes)} so far.`;
    }
    this.#draw();
  }

  #addRow(
    { bytes, milliseconds }: StreamEvent,
    { level, probabilities }: NonNullable<StreamEvent["answer"]>,
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
    const end = Math.max(1, last?.milliseconds ?? 1000);
    const most = Math.max(1, last?.totalBytes ?? 1);
    const right = width - MARGIN.right;
    const bottom = HEIGHT - MARGIN.bottom;
    const x = (time: number) => MARGIN.left + time / end * (right - MARGIN.left);
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
    const tick = niceStep(end / Math.max(2, Math.floor((right - MARGIN.left) / 110)));
    for (let time = 0; time <= end; time += tick) {
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
    for (const { level, milliseconds, bytes } of answers) {
      const [cx, cy] = [x(milliseconds), y(bytes)];
      group.append(
        svg("path", { class: "rule", d: `M${round(cx)} ${MARGIN.top}V${bottom}` }),
        svg("circle", { class: "mark", cx: round(cx), cy: round(cy), r: 5 }),
        svg(
          "text",
          { class: "tick end strong", x: round(cx) - 8, y: round(cy) - 8 },
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
