import { conv2dExtent } from "../../shaders/conv2d.ts";
import {
  type ConvChoice,
  type ConvShape,
  defaultConv,
  defaultWeightGradient,
  type Driver,
  type WeightGradientChoice,
} from "./chooser.ts";

/** How a convolution pass is computed. */
export type Choice = ConvChoice | WeightGradientChoice;

/** Choices by the shape they are for, as {@linkcode shapeKey} writes it; plain data. */
export type Choices = Readonly<Record<string, Choice>>;

/** A convolution pass that was recorded, how, and how many times. */
export interface ConvUse {
  /** What is computed. */
  shape: ConvShape;
  /** How. */
  choice: Choice;
  /** How many times. */
  count: number;
}

/** What later recordings depend on; plain data. */
export interface TuningState {
  /** What was measured or pinned and not asked for yet. */
  pinned: Choices;
  /** What was chosen. */
  used: Choices;
}

/**
 * Which kernel computes what on a device: what was measured or pinned, else a fixed function of driver
 * and shape. It decides speed, and results no further than rounding; a run that is to be repeated bit for
 * bit needs the same choices.
 */
export class Tuning {
  /**
   * Where a convolution can be computed both ways, always take this one, unless a choice is pinned.
   * "direct" rounds least.
   */
  prefer: Choice["algorithm"] | undefined;
  #pinned: Map<string, Choice>;
  #uses = new Map<string, ConvUse>();
  /** What the run had used before it went on. */
  #usedBefore: Choices = {};

  /** Starts with choices that were made before. */
  constructor(readonly driver: Driver, choices: Choices = {}) {
    this.#pinned = new Map(Object.entries(choices));
  }

  /** Makes these choices from now on, for what is recorded later. */
  pin(choices: Choices): void {
    for (const [key, choice] of Object.entries(choices)) this.#pinned.set(key, choice);
  }

  /** How a convolution or its data gradient is computed. */
  conv(shape: ConvShape): ConvChoice {
    return this.#choose(shape) as ConvChoice;
  }

  /** How a weight gradient is computed. */
  weightGradient(shape: ConvShape): WeightGradientChoice {
    return this.#choose(shape) as WeightGradientChoice;
  }

  #choose(shape: ConvShape): Choice {
    const key = shapeKey(shape);
    const choice = this.#pinned.get(key) ?? this.standard(shape);
    const count = this.#uses.get(key)?.count ?? 0;
    this.#uses.set(key, { shape, choice, count: count + 1 });
    return choice;
  }

  /** What is chosen where nothing is pinned. */
  standard(shape: ConvShape): Choice {
    const standard = shape.pass === "dw" ? defaultWeightGradient : defaultConv;
    return standard(this.driver, shape, this.prefer);
  }

  /**
   * What `record` asks for. It leaves no trace here.
   *
   * @param trial Choices that go before those pinned.
   */
  collect(record: () => void, trial: Choices = {}): ConvUse[] {
    const [pinned, uses] = [this.#pinned, this.#uses];
    this.#pinned = new Map([...pinned, ...Object.entries(trial)]);
    this.#uses = new Map();
    try {
      record();
      return [...this.#uses.values()];
    } finally {
      this.#pinned = pinned;
      this.#uses = uses;
    }
  }

  /** What was asked for so far. */
  get shapes(): ConvShape[] {
    return [...this.#uses.values()].map(({ shape }) => shape);
  }

  /** What was chosen so far, in the order of the keys. */
  get choices(): Choices {
    const chosen = [...this.#uses].map(([key, { choice }]) => [key, choice] as const);
    return inOrder({ ...this.#usedBefore, ...Object.fromEntries(chosen) });
  }

  /** Of what was chosen so far, how much was pinned. */
  get pinnedCount(): number {
    return Object.keys(this.choices).filter((key) => this.#pinned.has(key)).length;
  }

  /** What {@linkcode Tuning.begin} takes. */
  get state(): TuningState {
    const used = this.choices;
    const pinned = [...this.#pinned].filter(([key]) => !Object.hasOwn(used, key));
    return { pinned: inOrder(Object.fromEntries(pinned)), used };
  }

  /**
   * Begins a run: what it uses is told apart from what was used before.
   *
   * @param state Of a run that goes on, which then chooses as before, also where nothing was pinned there:
   *   what is pinned here does not count. {@linkcode Tuning.prefer} does.
   * @returns What ends the run, and puts back what is pinned here.
   */
  begin(state: TuningState = { pinned: Object.fromEntries(this.#pinned), used: {} }): () => void {
    const [pinned, uses, usedBefore] = [this.#pinned, this.#uses, this.#usedBefore];
    this.#pinned = new Map(Object.entries({ ...state.pinned, ...state.used }));
    this.#uses = new Map();
    this.#usedBefore = state.used;
    return () => {
      this.#pinned = pinned;
      this.#uses = new Map([...uses, ...this.#uses]);
      this.#usedBefore = usedBefore;
    };
  }
}

function inOrder(choices: Choices): Choices {
  return Object.fromEntries(Object.entries(choices).sort(([a], [b]) => a < b ? -1 : 1));
}

/** Such as `forward 128x32x32x64 to 64, 3x3 /1 pad 1`. */
export function shapeKey({ pass, n, h, w, ci, co, kernel, stride, padding }: ConvShape): string {
  return `${pass} ${n}x${h}x${w}x${ci} to ${co}, ${kernel}x${kernel} /${stride} pad ${padding}`;
}

/** Such as `winograd 8x4, tiles 512`; two choices that differ read differently. */
export function describeChoice({ algorithm, tile, ...rest }: Choice): string {
  const sizes = Object.entries(rest).sort().map(([name, value]) => `, ${name} ${value}`);
  return `${algorithm} ${tile.rows}x${tile.columns}${sizes.join("")}`;
}

/** Multiply-accumulates of a pass, computed the direct way. */
export function multiplyAccumulates(shape: ConvShape): number {
  const { n, h, w, ci, co, kernel } = shape;
  return n * conv2dExtent(h, shape) * conv2dExtent(w, shape) * kernel ** 2 * ci * co;
}
