// Owns: getting tasks to workers: a timer and the publishing around `DispatchCore`, which decides. A task in the stream is only a
// hint.
import type { TaskHint } from '../../api/messages/asks.ts';
import {
  type Counts,
  countOf,
  type DispatchCommand,
  DispatchCore,
  type Lost,
  type Wanted,
} from '../../core/dispatch/dispatch.ts';
import type { Log } from '../../ports/system.ts';
import { failpoint } from '../../ports/failpoint.ts';

export interface DispatchOptions {
  readonly partition: number;
  readonly now: () => number;
  readonly publish: (subject: string, hint: TaskHint) => Promise<void>;
  /** A worker was lost in the middle of its work. */
  readonly lost: (lost: Lost) => void;
  readonly log: Log;
}

const tickMs = 250;

export class Dispatch {
  readonly #options: DispatchOptions;
  readonly #core = new DispatchCore();
  readonly #ticker: NodeJS.Timeout;
  #ticking = false;
  #stopped = false;

  constructor(options: DispatchOptions) {
    this.#options = options;
    this.#ticker = setInterval(() => this.#tick(), tickMs);
  }

  /** See `DispatchCore.want`. */
  want(wanted: Wanted, graceMs = 0): void {
    const now = this.#options.now();
    this.#core.want(wanted, now, graceMs);
    if (graceMs === 0 && wanted.notBefore <= now) this.#soon();
  }

  forget(run: string): void {
    this.#core.forget(run);
  }

  /** True when the worker may have it; the others are told that somebody is at it. */
  claim(run: string, worker: string): boolean {
    return this.#core.claim(run, worker, this.#options.now());
  }

  /** See `DispatchCore.hasFree`. */
  hasFree(run: string, worker: string, slots: number): void {
    this.#core.hasFree(run, worker, slots);
    this.#soon();
  }

  /** See `DispatchCore.take`. */
  take(subject: string, worker: string): Wanted | undefined {
    return this.#core.take(subject, worker, this.#options.now());
  }

  release(run: string, worker: string): void {
    this.#core.release(run, worker);
    this.#soon();
  }

  workers(): Iterable<string> {
    return this.#core.workers();
  }

  /** The worker's connection is gone. */
  workerLost(worker: string): void {
    for (const lost of this.#core.workerLost(worker)) this.#options.lost(lost);
    this.#soon();
  }

  /** Everything is published again: the streams may be new. */
  republish(): void {
    this.#core.republish();
    this.#soon();
  }

  /** For metrics: tasks by priority and phase. */
  get counts(): Counts {
    return this.#core.counts();
  }

  /** For metrics: activities without a worker. */
  get waiting(): number {
    return countOf(this.counts, 'Later', 'Ready', 'Published');
  }

  get claimed(): number {
    return countOf(this.counts, 'Claimed');
  }

  stop(): void {
    this.#stopped = true;
    clearInterval(this.#ticker);
  }

  /** Many wishes at once are one look. */
  #soon(): void {
    if (this.#ticking) return;
    this.#ticking = true;
    setImmediate(() => {
      this.#ticking = false;
      this.#tick();
    });
  }

  #tick(): void {
    if (this.#stopped) return;
    for (const command of this.#core.tick(this.#options.now())) this.#carryOut(command);
  }

  #carryOut(command: DispatchCommand): void {
    const { log, partition, publish, now } = this.#options;
    if (command.kind === 'Silent') {
      const { run, activity, worker } = command;
      log.info('a worker is silent; its task goes to another', { run, activity, worker });
      this.#options.lost(command);
      return;
    }
    const { subject, run, activity, attempt, publishes } = command;
    failpoint('engine.task.before');
    publish(subject, { run, activity, attempt, partition })
      .then(() => failpoint('engine.task.published'))
      .catch((error: unknown) => {
        log.warn('a task could not be published; it is tried again', { run, activity, error });
        this.#core.notPublished(run, publishes, now());
      });
  }
}
