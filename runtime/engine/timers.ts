// Owns: when to look at a run again. One heap and one timer; an entry that was replaced is skipped when it comes up.

const TIMER_MAX_MS = 1_000_000_000;

interface Entry {
  readonly key: string;
  readonly at: number;
}

export class Timers {
  readonly #now: () => number;
  readonly #fire: (key: string) => void;
  readonly #heap: Entry[] = [];
  readonly #wanted = new Map<string, number>();
  #timer: NodeJS.Timeout | undefined;
  #timerAt = Number.POSITIVE_INFINITY;

  constructor(now: () => number, fire: (key: string) => void) {
    this.#now = now;
    this.#fire = fire;
  }

  /** Replaces what was set for the key; undefined forgets it. */
  set(key: string, at: number | undefined): void {
    if (this.#wanted.get(key) === at) return;
    if (at === undefined) {
      this.#wanted.delete(key);
      return;
    }
    this.#wanted.set(key, at);
    this.#push({ key, at });
    this.#arm();
  }

  get size(): number {
    return this.#wanted.size;
  }

  stop(): void {
    clearTimeout(this.#timer);
    this.#wanted.clear();
    this.#heap.length = 0;
  }

  #arm(): void {
    const first = this.#heap[0];
    if (first === undefined || first.at >= this.#timerAt) return;
    clearTimeout(this.#timer);
    this.#timerAt = first.at;
    this.#timer = setTimeout(() => this.#due(), Math.min(TIMER_MAX_MS, Math.max(0, first.at - this.#now())));
  }

  #due(): void {
    this.#timerAt = Number.POSITIVE_INFINITY;
    const now = this.#now();
    for (let first = this.#heap[0]; first !== undefined && first.at <= now; first = this.#heap[0]) {
      this.#pop();
      if (this.#wanted.get(first.key) !== first.at) continue;
      this.#wanted.delete(first.key);
      this.#fire(first.key);
    }
    this.#arm();
  }

  #push(entry: Entry): void {
    const heap = this.#heap;
    heap.push(entry);
    for (let at = heap.length - 1; at > 0;) {
      const parent = (at - 1) >> 1;
      if (this.#at(parent) <= this.#at(at)) break;
      this.#swap(parent, at);
      at = parent;
    }
  }

  #pop(): void {
    const heap = this.#heap;
    const last = heap.pop();
    if (last === undefined || heap.length === 0) return;
    heap[0] = last;
    for (let at = 0; ;) {
      const left = 2 * at + 1;
      const smaller = this.#at(left + 1) < this.#at(left) ? left + 1 : left;
      if (this.#at(smaller) >= this.#at(at)) break;
      this.#swap(smaller, at);
      at = smaller;
    }
  }

  #at(index: number): number {
    return this.#heap[index]?.at ?? Number.POSITIVE_INFINITY;
  }

  #swap(left: number, right: number): void {
    const [a, b] = [this.#heap[left], this.#heap[right]];
    if (a === undefined || b === undefined) return;
    this.#heap[left] = b;
    this.#heap[right] = a;
  }
}
