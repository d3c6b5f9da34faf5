// Owns: chance. Every choice that may hurt is recorded, and 0 is always the kind one: a list of choices is a schedule, which can
// be replayed exactly and shrunk by turning choices into 0.

/** A fast generator with 128 bits of state (sfc32): equal seeds, equal numbers, on every machine. */
export class Random {
  #a: number;
  #b: number;
  #c: number;
  #d = 1;

  constructor(seed: number, stream: number) {
    this.#a = seed | 0;
    this.#b = Math.imul(seed ^ 0x9e3779b9, 0x85ebca6b) | 0;
    this.#c = Math.imul(stream + 1, 0xc2b2ae35) | 0;
    for (let round = 0; round < 12; round += 1) this.next();
  }

  /** 32 bits. */
  next(): number {
    const sum = (((this.#a + this.#b) | 0) + this.#d) | 0;
    this.#d = (this.#d + 1) | 0;
    this.#a = this.#b ^ (this.#b >>> 9);
    this.#b = (this.#c + (this.#c << 3)) | 0;
    this.#c = (this.#c << 21) | (this.#c >>> 11);
    this.#c = (this.#c + sum) | 0;
    return sum >>> 0;
  }

  /** 0 … n-1. */
  below(n: number): number {
    return this.next() % n;
  }
}

export interface Choice {
  readonly label: string;
  readonly value: number;
}

export class Choices {
  readonly #random: Random;
  readonly #given: readonly number[] | undefined;
  readonly #labels: string[] | undefined;
  readonly made: number[] = [];

  /** `given`: replays these, then only 0. `labelled`: remembers what each was about. */
  constructor(seed: number, given?: readonly number[], labelled = false) {
    this.#random = new Random(seed, 1);
    this.#given = given;
    this.#labels = labelled ? [] : undefined;
  }

  get labels(): readonly string[] {
    return this.#labels ?? [];
  }

  /** 0 … n-1, each as likely. */
  below(n: number, label: string): number {
    return this.#take(n, label, () => this.#random.below(n));
  }

  /** 0 in most cases; `i + 1` in `weights[i]` of 1,000. */
  rarely(weights: readonly number[], label: string): number {
    return this.#take(weights.length + 1, label, () => {
      let at = this.#random.below(1_000);
      for (const [index, weight] of weights.entries()) {
        if (at < weight) return index + 1;
        at -= weight;
      }
      return 0;
    });
  }

  /** True in `permille` of 1,000; false is the kind one. */
  chance(permille: number, label: string): boolean {
    return permille > 0 && this.#take(2, label, () => (this.#random.below(1_000) < permille ? 1 : 0)) === 1;
  }

  #take(n: number, label: string, draw: () => number): number {
    const value = this.#given === undefined ? draw() : (this.#given[this.made.length] ?? 0) % n;
    this.made.push(value);
    this.#labels?.push(label);
    return value;
  }
}
