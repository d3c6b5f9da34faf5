// Owns: when to look at a run again. One heap and one timer; an entry that was replaced is skipped when it comes up.
import { Heap } from '../../core/dispatch/heap.ts';

const TIMER_MAX_MS = 1_000_000_000;
/** Replaced entries are swept when there are this many more than wanted ones. */
const sweepAbove = 1_024;

interface Entry {
  readonly key: string;
  readonly at: number;
}

export class Timers {
  readonly #now: () => number;
  readonly #fire: (key: string) => void;
  readonly #heap = new Heap<Entry>(({ at }) => at);
  readonly #wanted = new Map<string, Entry>();
  #timer: NodeJS.Timeout | undefined;
  #timerAt = Number.POSITIVE_INFINITY;

  constructor(now: () => number, fire: (key: string) => void) {
    this.#now = now;
    this.#fire = fire;
  }

  /** Replaces what was set for the key; undefined forgets it. */
  set(key: string, at: number | undefined): void {
    if (this.#wanted.get(key)?.at === at) return;
    if (at === undefined) {
      this.#wanted.delete(key);
      return;
    }
    const entry = { key, at };
    this.#wanted.set(key, entry);
    this.#heap.push(entry);
    if (this.#heap.size > 2 * this.#wanted.size + sweepAbove) {
      this.#heap.keep((known) => this.#wanted.get(known.key) === known);
    }
    this.#arm();
  }

  get size(): number {
    return this.#wanted.size;
  }

  stop(): void {
    clearTimeout(this.#timer);
    this.#wanted.clear();
    this.#heap.clear();
  }

  #arm(): void {
    const first = this.#heap.first;
    if (first === undefined || first.at >= this.#timerAt) return;
    clearTimeout(this.#timer);
    this.#timerAt = first.at;
    this.#timer = setTimeout(() => this.#due(), Math.min(TIMER_MAX_MS, Math.max(0, first.at - this.#now())));
  }

  #due(): void {
    this.#timerAt = Number.POSITIVE_INFINITY;
    const now = this.#now();
    for (let first = this.#heap.first; first !== undefined && first.at <= now; first = this.#heap.first) {
      this.#heap.pop();
      if (this.#wanted.get(first.key) !== first) continue;
      this.#wanted.delete(first.key);
      this.#fire(first.key);
    }
    this.#arm();
  }
}
