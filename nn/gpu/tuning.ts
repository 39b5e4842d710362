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
  readonly #pinned = new Map<string, Choice>();
  readonly #used = new Map<string, { shape: ConvShape; choice: Choice }>();

  constructor(readonly driver: Driver, choices: Choices = {}) {
    this.pin(choices);
  }

  /** Makes these choices from now on, for what is recorded later. */
  pin(choices: Choices): void {
    for (const [key, choice] of Object.entries(choices)) this.#pinned.set(key, choice);
  }

  /** How a convolution or its data gradient is computed. */
  conv(shape: ConvShape): ConvChoice {
    return this.#choose(shape, defaultConv) as ConvChoice;
  }

  /** How a weight gradient is computed. */
  weightGradient(shape: ConvShape): WeightGradientChoice {
    return this.#choose(shape, defaultWeightGradient) as WeightGradientChoice;
  }

  #choose(shape: ConvShape, standard: typeof defaultConv | typeof defaultWeightGradient): Choice {
    const key = shapeKey(shape);
    const choice = this.#pinned.get(key) ?? standard(this.driver, shape, this.prefer);
    this.#used.set(key, { shape, choice });
    return choice;
  }

  /** What was asked for so far. */
  get shapes(): ConvShape[] {
    return [...this.#used.values()].map(({ shape }) => shape);
  }

  /** What was chosen so far. */
  get choices(): Choices {
    return Object.fromEntries([...this.#used].map(([key, { choice }]) => [key, choice]));
  }
}

/** Such as `forward 128x32x32x64 to 64, 3x3 /1 pad 1`. */
export function shapeKey({ pass, n, h, w, ci, co, kernel, stride, padding }: ConvShape): string {
  return `${pass} ${n}x${h}x${w}x${ci} to ${co}, ${kernel}x${kernel} /${stride} pad ${padding}`;
}
