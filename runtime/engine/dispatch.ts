// Owns: getting tasks to workers. A task in the stream is only a hint; which worker has what is kept here, and is lost with the
// engine without harm: workers say so again with their next heartbeat.
//   D1: an activity is claimed by one worker at a time, as long as that worker is heard of.
//   D2: the stream stays shallow: what cannot be taken soon waits here, where cancel is exact.
import { taskSubject } from '../../api/messages/subjects.ts';
import type { TaskHint } from '../../api/messages/asks.ts';
import type { Log } from '../../ports/system.ts';
import { failpoint } from '../../ports/failpoint.ts';

export interface Wanted {
  readonly run: string;
  readonly namespace: string;
  readonly activity: string;
  readonly attempt: number;
  readonly agent: string;
  readonly bundleDigest: string;
  readonly notBefore: number;
}

interface Job extends Wanted {
  readonly subject: string;
  phase: 'Later' | 'Ready' | 'Published' | 'Claimed';
  /** When the phase began, or when the worker was last heard of. */
  since: number;
  publishes: number;
  worker?: string;
}

export interface DispatchOptions {
  readonly partition: number;
  readonly now: () => number;
  readonly publish: (subject: string, hint: TaskHint) => Promise<void>;
  readonly log: Log;
}

/** A worker that was not heard of for this long is taken for dead; it says something every second. */
const silentMs = 3_000;
/** A task nobody took is published again, later and later: consumers and streams may have been made anew. */
const untakenMs = 4_000;
const untakenMaxMs = 60_000;
/** Tasks in the stream that nobody has taken: this, or twice as many as are at work. */
const shallow = 16;
const tickMs = 250;

export class Dispatch {
  readonly #options: DispatchOptions;
  readonly #jobs = new Map<string, Job>();
  readonly #ticker: NodeJS.Timeout;
  #ticking = false;

  constructor(options: DispatchOptions) {
    this.#options = options;
    this.#ticker = setInterval(() => this.#tick(), tickMs);
  }

  /**
   * What the run needs now; a task of another attempt or activity is forgotten. `graceMs`: a worker may be at it already, and
   * gets this long to say so.
   */
  want(wanted: Wanted, graceMs = 0): void {
    const known = this.#jobs.get(wanted.run);
    if (known?.activity === wanted.activity && known.attempt === wanted.attempt) return;
    const subject = taskSubject(wanted.namespace, wanted.agent, wanted.bundleDigest);
    const since = Math.max(wanted.notBefore, this.#options.now() + graceMs);
    this.#jobs.set(wanted.run, { ...wanted, subject, phase: 'Later', since, publishes: 0 });
    if (since <= this.#options.now()) this.#soon();
  }

  forget(run: string): void {
    this.#jobs.delete(run);
  }

  /** True when the worker may have it; the others are told that somebody is at it. */
  claim(run: string, worker: string): boolean {
    const job = this.#jobs.get(run);
    if (job === undefined) return true;
    if (job.phase === 'Claimed' && job.worker !== worker && this.#options.now() - job.since < silentMs) return false;
    job.phase = 'Claimed';
    job.worker = worker;
    job.since = this.#options.now();
    return true;
  }

  /** Everything is published again: the streams may be new. */
  republish(): void {
    for (const job of this.#jobs.values()) {
      if (job.phase === 'Published') this.#ready(job);
    }
    this.#soon();
  }

  /** For metrics: activities without a worker. */
  get waiting(): number {
    let count = 0;
    for (const job of this.#jobs.values()) if (job.phase !== 'Claimed') count += 1;
    return count;
  }

  get claimed(): number {
    return this.#jobs.size - this.waiting;
  }

  stop(): void {
    clearInterval(this.#ticker);
    this.#jobs.clear();
  }

  #ready(job: Job): void {
    job.phase = 'Ready';
    job.since = this.#options.now();
  }

  /** Many wishes at once are one look at the list. */
  #soon(): void {
    if (this.#ticking) return;
    this.#ticking = true;
    setImmediate(() => {
      this.#ticking = false;
      this.#tick();
    });
  }

  #tick(): void {
    const now = this.#options.now();
    const counts = new Map<string, { published: number; claimed: number }>();
    for (const job of this.#jobs.values()) {
      this.#age(job, now);
      const count = counts.get(job.subject) ?? { published: 0, claimed: 0 };
      if (job.phase === 'Published') count.published += 1;
      if (job.phase === 'Claimed') count.claimed += 1;
      counts.set(job.subject, count);
    }
    for (const job of this.#jobs.values()) {
      const count = counts.get(job.subject);
      if (job.phase !== 'Ready' || count === undefined) continue;
      if (count.published >= Math.max(shallow, 2 * count.claimed)) continue;
      count.published += 1;
      this.#publish(job);
    }
  }

  /** What time alone changes about a job. */
  #age(job: Job, now: number): void {
    const elapsed = now - job.since;
    if (job.phase === 'Later' && elapsed >= 0) this.#ready(job);
    else if (job.phase === 'Published' && elapsed > patience(job)) this.#ready(job);
    else if (job.phase === 'Claimed' && elapsed > silentMs) {
      const { run, activity, worker } = job;
      this.#options.log.info('a worker is silent; its task goes to another', { run, activity, worker });
      this.#ready(job);
    }
  }

  #publish(job: Job): void {
    job.phase = 'Published';
    job.since = this.#options.now();
    job.publishes += 1;
    const { run, activity, attempt } = job;
    failpoint('engine.task.before');
    this.#options
      .publish(job.subject, { run, activity, attempt, partition: this.#options.partition })
      .then(() => failpoint('engine.task.published'))
      .catch((error: unknown) => {
        this.#options.log.warn('a task could not be published; it is tried again', { run, activity, error });
        if (job.phase === 'Published') {
          job.phase = 'Later';
          job.since = this.#options.now();
        }
      });
  }
}

const patience = (job: Job): number => Math.min(untakenMaxMs, untakenMs * 2 ** Math.min(8, job.publishes - 1));
