// Owns: which places of a table are still to be given out for a checkpoint, and what was there before it changed.
import type { RunState } from '../workflow/state.ts';

export class Snapshot {
  /** 1: this place was taken when the snapshot began and is not given out yet. */
  readonly #pending: Uint8Array;
  readonly #before = new Map<number, RunState>();
  readonly givenBack: number[] = [];
  #next = 0;

  constructor(size: number, taken: Iterable<number>) {
    this.#pending = new Uint8Array(size);
    for (const slot of taken) this.#pending[slot] = 1;
  }

  /** True when what is at the place has to be kept before it changes. */
  needs(slot: number): boolean {
    return this.#pending[slot] === 1 && !this.#before.has(slot);
  }

  keep(slot: number, state: RunState): void {
    this.#before.set(slot, state);
  }

  /** The next place, with what was there if it has changed since; undefined at the end. */
  next(isTaken: (slot: number) => boolean): { readonly slot: number; readonly before?: RunState } | undefined {
    for (; this.#next < this.#pending.length; this.#next += 1) {
      const slot = this.#next;
      if (this.#pending[slot] !== 1 || !isTaken(slot)) continue;
      this.#pending[slot] = 0;
      const before = this.#before.get(slot);
      this.#before.delete(slot);
      return before === undefined ? { slot } : { slot, before };
    }
    return undefined;
  }
}
