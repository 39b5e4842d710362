/**
 * A seeded generator (sfc32 by Chris Doty-Humphrey, public domain), the same bits everywhere.
 * A stream is named, not continued: what one part draws never depends on what another drew before.
 */
export class Random {
  #a: number;
  #b: number;
  #c: number;
  #counter = 1;

  /** Starts a stream. @param stream Any numbers and strings, such as `(seed, "order", epoch)`. */
  constructor(...stream: (number | string)[]) {
    // FNV-1a over the stream's text, three times with different starts.
    const text = stream.join("/");
    const hash = (start: number) => {
      let h = start;
      for (let i = 0; i < text.length; i++) {
        h = Math.imul(h ^ text.charCodeAt(i), 0x01000193) >>> 0;
      }
      return h;
    };
    this.#a = hash(0x811c9dc5);
    this.#b = hash(0x9e3779b9);
    this.#c = hash(0x243f6a88);
    for (let i = 0; i < 16; i++) this.bits();
  }

  /** A whole number in [0, 2^32). */
  bits(): number {
    const sum = (this.#a + this.#b + this.#counter) >>> 0;
    this.#counter = (this.#counter + 1) >>> 0;
    this.#a = this.#b ^ (this.#b >>> 9);
    this.#b = (this.#c + (this.#c << 3)) >>> 0;
    this.#c = (((this.#c << 21) | (this.#c >>> 11)) + sum) >>> 0;
    return sum;
  }

  /** Uniform in [0, 1). */
  uniform(): number {
    return this.bits() / 0x1_0000_0000;
  }

  /** A whole number in [0, limit). */
  below(limit: number): number {
    return Math.floor(this.uniform() * limit);
  }

  /** The numbers 0 to length - 1 in a random order (Fisher and Yates). */
  permutation(length: number): Uint32Array {
    const order = Uint32Array.from({ length }, (_, i) => i);
    for (let i = length - 1; i > 0; i--) {
      const j = this.below(i + 1);
      [order[i], order[j]] = [order[j]!, order[i]!];
    }
    return order;
  }
}
