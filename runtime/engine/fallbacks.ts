// Owns: starting the workflows that take over: each is asked for until it is known to have started.
import type { HistoryEvent } from '../../api/messages/history.ts';
import type { RunState } from '../../core/workflow/state.ts';
import { failpoint } from '../../ports/failpoint.ts';
import type { Clock, Log } from '../../ports/system.ts';

export interface Fallback {
  readonly state: RunState;
  readonly workflow: string;
  readonly run: string;
  readonly reason: string;
  readonly input: HistoryInput;
}
type HistoryInput = Extract<HistoryEvent, { readonly type: 'RunStarted' }>['input'];

export interface FallbackOptions {
  readonly clock: Clock;
  readonly log: Log;
  readonly start: (fallback: Fallback) => Promise<void>;
  /** The fallback run of this run has started. */
  readonly started: (run: string) => void;
}

const RETRY_MS = 1_000;
const RETRY_MAX_MS = 15_000;
/** Fallback runs that are remembered as started; one that is forgotten is asked for again once, and is the same run. */
const startedMax = 10_000;

export class Fallbacks {
  readonly #options: FallbackOptions;
  readonly #asked = new Set<string>();
  readonly #started = new Set<string>();
  #stopped = false;

  constructor(options: FallbackOptions) {
    this.#options = options;
  }

  /** True when the fallback run is known to have started. */
  has(run: string): boolean {
    return this.#started.has(run);
  }

  stop(): void {
    this.#stopped = true;
  }

  async want(fallback: Fallback): Promise<void> {
    const { run, workflow } = fallback;
    if (this.#asked.has(run)) return;
    this.#asked.add(run);
    for (let pause = RETRY_MS; !this.#stopped; pause = Math.min(RETRY_MAX_MS, 2 * pause)) {
      try {
        failpoint('engine.fallback.before');
        await this.#options.start(fallback);
        failpoint('engine.fallback.started');
        this.#started.add(run);
        this.#asked.delete(run);
        if (this.#started.size > startedMax) this.#started.delete(this.#started.values().next().value ?? '');
        this.#options.started(fallback.state.run);
        return;
      } catch (error) {
        this.#options.log.warn('a fallback run could not be started; it is tried again', { run, workflow, error });
        await this.#options.clock.sleep(pause);
      }
    }
  }
}
