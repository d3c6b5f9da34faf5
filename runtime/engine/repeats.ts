// Owns: doing what follows from folded state until it is done: at once, then later and later.
//   L1: what is wanted anew is done at once, else again after 1 s, 2 s, 4 s … 10 min.
//   L2: at most `parallelMax` are under way, each thing at most once.
import type { Log } from '../../ports/system.ts';
import { Timers } from './timers.ts';

export interface RepeatsOptions {
  readonly now: () => number;
  readonly log: Log;
  /** What it is, for the log. */
  readonly about: string;
}

interface Wanted {
  what: string;
  act: () => Promise<boolean>;
  tries: number;
  acting: boolean;
}

const parallelMax = 64;
const againMs = 1_000;
const againMaxMs = 600_000;

export class Repeats {
  readonly #options: RepeatsOptions;
  readonly #wanted = new Map<string, Wanted>();
  readonly #due = new Set<string>();
  readonly #timers: Timers;
  #acting = 0;
  #stopped = false;

  constructor(options: RepeatsOptions) {
    this.#options = options;
    this.#timers = new Timers(options.now, (key) => this.#soon(key));
  }

  /** `act` resolves to true when it is done. `what` tells one wish from the next for the same key. */
  want(key: string, what: string, act: () => Promise<boolean>): void {
    const known = this.#wanted.get(key);
    if (known?.what === what) {
      known.act = act;
      return;
    }
    if (known === undefined) this.#wanted.set(key, { what, act, tries: 0, acting: false });
    else Object.assign(known, { what, act, tries: 0 });
    this.#soon(key);
  }

  forget(key: string): void {
    this.#wanted.delete(key);
    this.#due.delete(key);
    this.#timers.set(key, undefined);
  }

  /** There is a reason to do it now. */
  hint(key: string): void {
    if (this.#wanted.has(key)) this.#soon(key);
  }

  /** What is not done yet. */
  get open(): number {
    return this.#wanted.size;
  }

  stop(): void {
    this.#stopped = true;
    this.#timers.stop();
    this.#due.clear();
    this.#wanted.clear();
  }

  #soon(key: string): void {
    this.#due.add(key);
    this.#work();
  }

  #work(): void {
    for (const key of this.#due) {
      if (this.#stopped || this.#acting >= parallelMax) return;
      const wanted = this.#wanted.get(key);
      if (wanted?.acting === true) continue;
      this.#due.delete(key);
      if (wanted !== undefined) void this.#act(key, wanted);
    }
  }

  async #act(key: string, wanted: Wanted): Promise<void> {
    const { what } = wanted;
    wanted.acting = true;
    this.#acting += 1;
    let done = false;
    try {
      done = await wanted.act();
    } catch (error) {
      if (!this.#stopped) this.#options.log.debug(`${this.#options.about} failed; it is tried again`, { key, error });
    } finally {
      this.#acting -= 1;
      wanted.acting = false;
      this.#after(key, wanted, done && wanted.what === what);
      this.#work();
    }
  }

  #after(key: string, wanted: Wanted, done: boolean): void {
    if (this.#stopped || this.#wanted.get(key) !== wanted) return;
    if (done) {
      this.forget(key);
      return;
    }
    wanted.tries += 1;
    const pause = Math.min(againMaxMs, againMs * 2 ** Math.min(20, wanted.tries - 1));
    this.#timers.set(key, this.#options.now() + pause);
  }
}
