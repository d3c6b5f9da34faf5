// Owns: those who wait for a run without asking again and again. They hear of what is committed, or that their time is over.
import { SignalboxError } from '../../api/errors.ts';
import type { RunState } from '../../core/workflow/state.ts';

/** How long one request may wait, in milliseconds: below the patience of proxies. */
export const waitMsMax = 25_000;
/** Requests that may wait in one partition. */
export const waitersMax = 20_000;

interface Waiter {
  readonly done: (state: RunState) => boolean;
  readonly resolve: () => void;
}

export class Endings {
  readonly #waiters = new Map<string, Set<Waiter>>();
  #count = 0;

  /** Resolves when `done` holds for a committed state of the run, at the latest after `waitMs`. */
  async wait(run: string, waitMs: number, done: (state: RunState) => boolean): Promise<void> {
    if (this.#count >= waitersMax) {
      throw new SignalboxError('TIMEOUT', `${waitersMax} requests wait for runs already; ask without waiting`);
    }
    const { promise, resolve } = Promise.withResolvers<void>();
    const waiter: Waiter = { done, resolve };
    const waiters = this.#waiters.get(run) ?? new Set();
    this.#waiters.set(run, waiters.add(waiter));
    this.#count += 1;
    const timer = setTimeout(resolve, Math.min(waitMs, waitMsMax));
    try {
      await promise;
    } finally {
      clearTimeout(timer);
      this.#count -= 1;
      waiters.delete(waiter);
      if (waiters.size === 0 && this.#waiters.get(run) === waiters) this.#waiters.delete(run);
    }
  }

  /** The run has new facts, and they are on disk. */
  committed(run: string, state: RunState): void {
    for (const waiter of this.#waiters.get(run) ?? []) if (waiter.done(state)) waiter.resolve();
  }

  /** Nothing more will be heard here: whoever waits looks again. */
  stop(): void {
    for (const waiters of this.#waiters.values()) for (const waiter of waiters) waiter.resolve();
  }
}
