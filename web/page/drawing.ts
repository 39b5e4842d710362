/** A sheet to draw a digit on, with a pointer or with the keyboard. */

const PAPER = "#ffffff";
const INK = "#16202c";
const STROKE = 24;
const STEP = 10;
/** After the last stroke, before it counts as done. */
const SETTLE = 250;

export class Drawing {
  readonly #context: CanvasRenderingContext2D;
  #isEmpty = true;
  #pen = { x: 0, y: 0, down: false };
  #timer: ReturnType<typeof setTimeout> | undefined;
  /** What is on the sheet, without the pen of the keyboard. */
  #sheet: ImageData;

  /**
   * @param parts The hint is shown on the empty sheet; `pen` says where the keyboard's pen is.
   * @param onDrawn Told when a stroke is done; not while drawing goes on.
   */
  constructor(
    readonly canvas: HTMLCanvasElement,
    readonly parts: { hint: HTMLElement; pen: HTMLElement },
    readonly onDrawn: () => void,
  ) {
    this.#context = canvas.getContext("2d", { willReadFrequently: true })!;
    this.#context.lineCap = this.#context.lineJoin = "round";
    this.#context.lineWidth = STROKE;
    this.#sheet = this.clear();
    canvas.addEventListener("pointerdown", (event) => {
      canvas.setPointerCapture(event.pointerId);
      this.#restore();
      this.#moveTo(event);
      this.#line(this.#pen);
    });
    canvas.addEventListener("pointermove", (event) => {
      if (!canvas.hasPointerCapture(event.pointerId)) return;
      for (const each of event.getCoalescedEvents?.() ?? [event]) this.#line(this.#place(each));
    });
    canvas.addEventListener("lostpointercapture", () => this.#drawn());
    canvas.addEventListener("keydown", (event) => this.#key(event));
    canvas.addEventListener("focus", () => {
      if (canvas.matches(":focus-visible")) this.#showPen();
    });
    canvas.addEventListener("blur", () => {
      this.#pen.down = false;
      this.#restore();
    });
  }

  clear(): ImageData {
    const { width, height } = this.canvas;
    this.#context.fillStyle = PAPER;
    this.#context.fillRect(0, 0, width, height);
    this.#empty = true;
    this.#pen = { x: width / 2, y: height / 4, down: false };
    clearTimeout(this.#timer);
    return this.#sheet = this.#context.getImageData(0, 0, width, height);
  }

  get pixels(): ImageData {
    return this.#sheet;
  }

  get #empty(): boolean {
    return this.#isEmpty;
  }

  set #empty(value: boolean) {
    this.#isEmpty = value;
    this.parts.hint.hidden = !value;
  }

  #place({ offsetX, offsetY }: { offsetX: number; offsetY: number }): { x: number; y: number } {
    const { width, height, clientWidth, clientHeight } = this.canvas;
    return { x: offsetX / clientWidth * width, y: offsetY / clientHeight * height };
  }

  #moveTo(event: PointerEvent): void {
    Object.assign(this.#pen, this.#place(event));
  }

  #line({ x, y }: { x: number; y: number }): void {
    const context = this.#context;
    context.strokeStyle = INK;
    context.beginPath();
    context.moveTo(this.#pen.x, this.#pen.y);
    context.lineTo(x, y);
    context.stroke();
    Object.assign(this.#pen, { x, y });
    this.#empty = false;
  }

  #drawn(): void {
    const { width, height } = this.canvas;
    this.#sheet = this.#context.getImageData(0, 0, width, height);
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.onDrawn(), SETTLE);
  }

  #key(event: KeyboardEvent): void {
    const moves: Record<string, [number, number]> = {
      ArrowLeft: [-STEP, 0],
      ArrowRight: [STEP, 0],
      ArrowUp: [0, -STEP],
      ArrowDown: [0, STEP],
    };
    const move = moves[event.key];
    if (!move && event.key !== " ") return;
    event.preventDefault();
    this.#restore();
    if (!move) {
      this.#pen.down = !this.#pen.down;
      if (this.#pen.down) this.#line(this.#pen);
    } else {
      const { width, height } = this.canvas;
      const x = Math.min(width, Math.max(0, this.#pen.x + move[0]));
      const y = Math.min(height, Math.max(0, this.#pen.y + move[1]));
      if (this.#pen.down) this.#line({ x, y });
      else Object.assign(this.#pen, { x, y });
    }
    if (!this.#empty) this.#drawn();
    this.#showPen();
    this.#sayPen();
  }

  /** For those who cannot see it. */
  #sayPen(): void {
    const { width, height } = this.canvas;
    const { x, y, down } = this.#pen;
    const percent = (part: number) => Math.round(100 * part);
    this.parts.pen.textContent = `Pen ${down ? "down" : "up"}, ${percent(x / width)} % across, ` +
      `${percent(y / height)} % down the sheet.`;
  }

  #restore(): void {
    this.#context.putImageData(this.#sheet, 0, 0);
  }

  /** Where the keyboard's pen is: a ring, filled when it is down. */
  #showPen(): void {
    const context = this.#context;
    context.save();
    context.beginPath();
    context.arc(this.#pen.x, this.#pen.y, STROKE / 2, 0, 2 * Math.PI);
    context.lineWidth = 3;
    context.strokeStyle = "#d1495b";
    context.stroke();
    if (this.#pen.down) {
      context.fillStyle = "#d1495b";
      context.fill();
    }
    context.restore();
  }
}
