/** "Train here": buttons, live figures and charts of the training that runs in the worker. */
import type { NetworkScore } from "../../mod.ts";
import type { Client } from "./client.ts";
import { byId, download, html, svg } from "./dom.ts";
import { formatBytes, formatDuration, formatPercent } from "./format.ts";
import { LineChart } from "./line_chart.ts";
import type { NetworkView, PlainTrainEvent, TrainState, WorkerEvent } from "./protocol.ts";

type StepEvent = Extract<PlainTrainEvent, { type: "step" }>;
type EvaluationEvent = Extract<PlainTrainEvent, { type: "evaluation" }>;

const BUSY: readonly TrainState[] = ["building", "running", "pausing", "recovering"];

export class TrainView {
  #state: TrainState = "idle";
  #network: NetworkView | undefined;
  #stepsInRun = 1;
  #epochs = 0;
  /** What a loss of the device came to, shown while the training goes on. */
  #recovery: string | undefined;
  #steps: StepEvent[] = [];
  #evaluations: EvaluationEvent[] = [];
  /** One for each task, after that of the loss. */
  #charts: LineChart[] = [];
  readonly #loss = new LineChart({
    title: "Loss, mean over the levels",
    format: (value) => value.toFixed(2),
    range: [0, 0.1],
    unit: "Step",
  });
  readonly #go = byId<HTMLButtonElement>("go");
  readonly #stop = byId<HTMLButtonElement>("stop");
  readonly #csv = byId<HTMLButtonElement>("csv");
  readonly #status = byId("train-status");
  readonly #progress = byId<HTMLProgressElement>("progress");

  /**
   * @param onScores Told what the networks score on the test images.
   * @param onState Told where the training is.
   */
  constructor(
    readonly client: Client,
    readonly onScores: (scores: NetworkScore[]) => void,
    readonly onState: (state: TrainState) => void,
  ) {
    this.#go.addEventListener("click", () => this.#pressGo());
    this.#stop.addEventListener("click", () => this.#ask(() => client.ask("stop")));
    this.#csv.addEventListener("click", () => {
      download("digits-training.csv", "text/csv", this.#toCsv());
    });
    // What is trained is in this tab alone; the browser asks before it is left.
    globalThis.addEventListener("beforeunload", (event) => {
      if (this.#isUnfinished()) event.preventDefault();
    });
  }

  /** @param network What will be trained. @param canTrain Whether there is a GPU. */
  open(network: NetworkView, canTrain: boolean): void {
    this.#network = network;
    this.#charts = network.tasks.map(({ name }) =>
      new LineChart({
        title: `Accuracy: ${name}`,
        format: (value) => formatPercent(value, 0),
        range: [0, 1],
        unit: "Step",
      })
    );
    byId("train-charts").replaceChildren(
      this.#loss.element,
      ...this.#charts.map(({ element }) => element),
    );
    this.#drawLegend();
    this.#go.disabled = !canTrain;
    if (!canTrain) this.#status.textContent = "Training needs WebGPU; see above.";
    this.#draw();
  }

  /** Says that nothing more will come. */
  fail(why: string): void {
    if (this.#isUnfinished()) this.#setState("failed", why);
    this.#go.disabled = true;
  }

  #isUnfinished(): boolean {
    return BUSY.includes(this.#state) || this.#state === "paused";
  }

  async #ask(request: () => Promise<void>): Promise<void> {
    try {
      await request();
    } catch (error) {
      this.#status.textContent = (error as Error).message;
    }
  }

  #pressGo(): void {
    if (this.#state === "pausing") return;
    if (BUSY.includes(this.#state)) return void this.#ask(() => this.client.ask("pause"));
    if (this.#state === "paused") return void this.#ask(() => this.client.ask("resume"));
    const [epochs, seed] = [byId<HTMLInputElement>("epochs"), byId<HTMLInputElement>("seed")];
    if (![epochs, seed].every((input) => input.reportValidity())) return;
    this.#ask(() =>
      this.client.ask("train", { epochs: epochs.valueAsNumber, seed: seed.valueAsNumber })
    );
  }

  /** Takes in what the worker tells. */
  take(event: WorkerEvent): void {
    if (event.type === "state") this.#setState(event.state, event.note);
    else if (event.type === "rewind") {
      this.#steps = this.#steps.filter(({ step }) => step <= event.step);
      this.#evaluations = this.#evaluations.filter(({ step }) => step <= event.step);
      this.#draw();
    } else if (event.type === "train") this.#takeTraining(event.event, event.bytesHeld);
  }

  #setState(state: TrainState, note?: string): void {
    this.#state = state;
    const busy = BUSY.includes(state);
    const words: Record<TrainState, string> = {
      idle: "Not started.",
      building: "Preparing: compiling shaders for this GPU, which takes a moment the first time.",
      running: "Training.",
      pausing: "Stopping after this step.",
      paused: "Paused. What has been learned so far can be used below.",
      recovering: "The graphics device was lost; going on.",
      stopped: "Stopped. What has been learned can be used below.",
      done: "Done. Look inside, and use it below.",
      failed: "The training failed.",
    };
    if (state === "recovering") this.#recovery = note;
    const kept = state === "running" && this.#recovery ? ` ${this.#recovery}` : "";
    if (!busy) this.#recovery = undefined;
    this.#status.textContent = (note ?? words[state]) + kept;
    this.#status.classList.toggle("bad", !busy && note !== undefined);
    this.#go.textContent = busy ? "Pause" : state === "paused" ? "Resume" : "Train";
    if (["stopped", "done", "failed"].includes(state)) this.#go.textContent = "Train again";
    // Not disabled: whoever pressed it with the keyboard would be thrown back to the page's top.
    this.#go.ariaDisabled = String(state === "pausing");
    if (!this.#isUnfinished() && document.activeElement === this.#stop) this.#go.focus();
    this.#stop.disabled = !this.#isUnfinished();
    for (const id of ["epochs", "seed"]) {
      byId<HTMLInputElement>(id).disabled = busy || state === "paused";
    }
    if (!busy) byId("t-left").textContent = "–";
    this.onState(state);
  }

  #takeTraining(event: PlainTrainEvent, bytesHeld: number): void {
    byId("t-memory").textContent = formatBytes(bytesHeld);
    if (event.type === "start") {
      // What was drawn stays until another run has begun, which may fail.
      if (event.firstStep === 0) [this.#steps, this.#evaluations] = [[], []];
      byId("train-results").hidden = false;
      this.#stepsInRun = event.steps;
      this.#epochs = event.epochs;
      this.#draw();
    } else if (event.type === "step") {
      this.#steps.push(event);
      byId("t-rate").textContent = Math.round(event.imagesPerSecond).toLocaleString("en");
      byId("t-left").textContent = formatDuration(1000 * event.secondsLeft);
      this.#draw();
    } else if (event.type === "evaluation") {
      this.#evaluations.push(event);
      this.#draw();
      this.onScores(event.networks);
    }
  }

  /** A line for each of a task's levels. */
  #draw(): void {
    const tasks = this.#network?.tasks ?? [];
    const levels = (this.#network?.scenario.levels ?? []).map((_, i) => i + 1);
    const last = this.#steps.at(-1);
    this.#loss.show(
      tasks.map(({ name }, index) => ({
        name,
        className: `task-${index % 6}`,
        points: this.#steps.map(({ step, networks }) => {
          const own = networks.filter(({ task }) => task === name);
          return [step, own.reduce((sum, { loss }) => sum + loss, 0) / own.length] as const;
        }),
      })),
      this.#stepsInRun,
    );
    tasks.forEach(({ name }, index) => {
      const of = (events: readonly { step: number; networks: NetworkScore[] }[], level: number) =>
        events.flatMap(({ step, networks }) => {
          const score = networks.find((each) => each.task === name && each.level === level);
          return score ? [[step, score.accuracy] as const] : [];
        });
      const lines = levels.map((level) => ({
        name: `level ${level}`,
        className: `task-${index % 6} level-${level}`,
        points: of(this.#steps, level),
        marks: of(this.#evaluations, level),
      }));
      this.#charts[index]!.show(lines, this.#stepsInRun);
    });
    const step = last?.step ?? 0;
    this.#progress.value = step / this.#stepsInRun;
    byId("t-epoch").textContent = last ? `${last.epoch} of ${this.#epochs}` : "–";
    byId("t-loss").textContent = last ? last.loss.toFixed(3) : "–";
    const scores = this.#evaluations.at(-1)?.networks;
    byId("t-accuracy").textContent = scores
      ? formatPercent(scores.reduce((sum, { accuracy }) => sum + accuracy, 0) / scores.length)
      : "–";
    this.#csv.disabled = this.#steps.length === 0;
    this.#drawTable();
  }

  #drawTable(): void {
    const box = byId("train-table").querySelector("div")!;
    const step = this.#steps.at(-1);
    const test = this.#evaluations.at(-1);
    if (!step) return box.replaceChildren("Nothing yet.");
    const rows = step.networks.map(({ task, level, loss, accuracy }) => {
      const tested = test?.networks.find((each) => each.task === task && each.level === level);
      const cells = [
        String(level),
        loss.toFixed(3),
        formatPercent(accuracy),
        tested ? formatPercent(tested.accuracy) : "–",
      ];
      return html(
        "tr",
        {},
        html("th", { scope: "row" }, task),
        ...cells.map((cell) => html("td", {}, cell)),
      );
    });
    const names = ["Task", "Level", "Training loss", "Training accuracy", "Test accuracy"];
    box.replaceChildren(html(
      "table",
      {},
      html("caption", {}, `At step ${step.step}; tested at step ${test?.step ?? "–"}`),
      html("thead", {}, html("tr", {}, ...names.map((name) => html("th", { scope: "col" }, name)))),
      html("tbody", {}, ...rows),
    ));
  }

  #drawLegend(): void {
    const { tasks, scenario } = this.#network!;
    const sample = (className: string) =>
      svg(
        "svg",
        { class: "key", viewBox: "0 0 28 10", width: 28, height: 10 },
        svg("g", { class: className }, svg("path", { class: "line", d: "M1 5H27" })),
      );
    const item = (picture: Element, text: string) => html("span", {}, picture, text);
    const mark = svg(
      "svg",
      { class: "key", viewBox: "0 0 28 10", width: 28, height: 10 },
      svg("circle", { class: "mark", cx: 14, cy: 5, r: 3.5 }),
    );
    byId("train-legend").replaceChildren(
      ...tasks.map(({ name }, index) => item(sample(`task-${index % 6}`), name)),
      ...scenario.levels.map((_, i) => item(sample(`ink level-${i + 1}`), `level ${i + 1}`)),
      item(mark, "on test images"),
    );
  }

  /** Every value that the charts show. */
  #toCsv(): string {
    const rows = [["images", "step", "epoch", "task", "level", "loss", "accuracy"]];
    const add = (images: string, { step, epoch, networks }: StepEvent | EvaluationEvent) => {
      for (const { task, level, loss, accuracy } of networks) {
        rows.push([images, step, epoch, task, level, loss, accuracy].map(String));
      }
    };
    for (const event of this.#steps) add("training", event);
    for (const event of this.#evaluations) add(event.images, event);
    return rows.map((row) => `${row.join(",")}\n`).join("");
  }
}
