// Owns: which keys wait for a worker, and when. Invariants: (Q1) a key is with at most one worker; (Q2) a key added
// while a worker has it is handed out again after `done`; (Q3) a key waits once, however often it is added, at the
// shortest delay and the highest priority asked for; (Q4) nothing added is lost until `shutDown`.
import type { Clock, Metrics } from '../../ports/system.ts';

/** `low`: what was there at the start or is looked at again without need; it never holds up news. */
export type Priority = 'normal' | 'low';

export interface QueueOptions {
  readonly name: string;
  readonly clock: Clock;
  readonly metrics?: Metrics;
  /** Milliseconds of a clock that never jumps; default the process's. */
  readonly monotonicMs?: () => number;
  /** Between 0 and 1, for jitter; default chance. */
  readonly chance?: () => number;
}

const RETRY_FIRST_MS = 5;
const RETRY_MAX_MS = 1_000_000;
const RETRY_JITTER = 0.2;
/** Retries of all keys together: so many at once, then so many a second. */
const RETRY_BURST = 100;
const RETRY_PER_SECOND = 10;
const TIMER_MAX_MS = 2_147_483_647;

interface Waiting {
  readonly key: string;
  readonly at: number;
  readonly priority: Priority;
}

export class WorkQueue {
  readonly #clock: Clock;
  readonly #now: () => number;
  readonly #chance: () => number;
  readonly #meter: QueueMeter;
  /** Ready keys in order of arrival, with the time of arrival. */
  readonly #ready: Readonly<Record<Priority, Map<string, number>>> = { normal: new Map(), low: new Map() };
  readonly #processing = new Map<string, number>();
  /** Keys added while a worker has them. */
  readonly #again = new Map<string, Priority>();
  readonly #delayed = new Map<string, Waiting>();
  readonly #heap: Waiting[] = [];
  readonly #failures = new Map<string, number>();
  readonly #takers: ((key: string | undefined) => void)[] = [];
  #timer: { readonly at: number; readonly cancel: AbortController } | undefined;
  #bucket = RETRY_BURST;
  #bucketAt = 0;
  #closed = false;

  constructor(options: QueueOptions) {
    this.#clock = options.clock;
    this.#now = options.monotonicMs ?? (() => performance.now());
    this.#chance = options.chance ?? Math.random;
    this.#meter = new QueueMeter(options.name, options.metrics);
    this.#bucketAt = this.#now();
  }

  /** Keys ready for a worker. */
  get depth(): number {
    return this.#ready.normal.size + this.#ready.low.size;
  }

  /** Keys with a worker, ready, or waiting for their time. */
  get size(): number {
    return this.depth + this.#processing.size + this.#delayed.size;
  }

  add(key: string, priority: Priority = 'normal'): void {
    if (this.#closed) return;
    this.#delayed.delete(key);
    if (this.#processing.has(key)) {
      if (this.#again.get(key) !== 'normal') this.#again.set(key, priority);
      return;
    }
    if (this.#ready.normal.has(key)) return;
    if (this.#ready.low.has(key)) {
      if (priority === 'low') return;
      this.#ready.low.delete(key);
    } else {
      this.#meter.added();
    }
    this.#ready[priority].set(key, this.#now());
    this.#serve();
  }

  addAfter(key: string, delayMs: number, priority: Priority = 'normal'): void {
    if (this.#closed) return;
    if (delayMs <= 0) {
      this.add(key, priority);
      return;
    }
    if (this.#ready.normal.has(key) || this.#ready.low.has(key)) return;
    const at = this.#now() + delayMs;
    const waiting = this.#delayed.get(key);
    if (waiting !== undefined && waiting.at <= at) return;
    const entry: Waiting = { key, at, priority };
    this.#delayed.set(key, entry);
    push(this.#heap, entry);
    this.#arm();
  }

  /** Adds after the key's back-off: 5 ms doubling to 1,000 s, and a share of the common bucket. */
  addRateLimited(key: string): void {
    const failures = this.#failures.get(key) ?? 0;
    this.#failures.set(key, failures + 1);
    this.#meter.retried();
    const backoff = Math.min(RETRY_MAX_MS, RETRY_FIRST_MS * 2 ** Math.min(failures, 60));
    const jitter = 1 + RETRY_JITTER * (2 * this.#chance() - 1);
    this.addAfter(key, Math.max(backoff * jitter, this.#bucketDelayMs()));
  }

  /** How often the key failed in a row. */
  failures(key: string): number {
    return this.#failures.get(key) ?? 0;
  }

  /** The key succeeded: its next failure starts from the shortest delay. */
  forget(key: string): void {
    this.#failures.delete(key);
  }

  /** The next key, or undefined after `shutDown`. The caller owes a `done`. */
  take(): Promise<string | undefined> {
    if (this.#closed) return Promise.resolve(undefined);
    const key = this.#next();
    if (key !== undefined) return Promise.resolve(key);
    return new Promise((resolve) => this.#takers.push(resolve));
  }

  done(key: string): void {
    const startedAt = this.#processing.get(key);
    if (startedAt === undefined) return;
    this.#processing.delete(key);
    this.#meter.worked(this.#now() - startedAt);
    const again = this.#again.get(key);
    this.#again.delete(key);
    if (again !== undefined) this.add(key, again);
  }

  /** Hands out nothing more; waiting takers get undefined. */
  shutDown(): void {
    this.#closed = true;
    this.#timer?.cancel.abort();
    for (const taker of this.#takers.splice(0)) taker(undefined);
  }

  /** Refreshes the metrics that change with time alone. */
  measure(): void {
    const now = this.#now();
    this.#meter.level({ normal: this.#ready.normal.size, low: this.#ready.low.size });
    this.#meter.running([...this.#processing.values()].map((since) => now - since));
  }

  #next(): string | undefined {
    for (const lane of [this.#ready.normal, this.#ready.low]) {
      for (const [key, since] of lane) {
        lane.delete(key);
        const now = this.#now();
        this.#processing.set(key, now);
        this.#meter.waited(now - since);
        return key;
      }
    }
    return undefined;
  }

  #serve(): void {
    while (this.#takers.length > 0) {
      const key = this.#next();
      if (key === undefined) return;
      this.#takers.shift()?.(key);
    }
  }

  /** One timer for all delayed keys: it fires for the earliest. */
  #arm(): void {
    while (this.#heap[0] !== undefined && this.#delayed.get(this.#heap[0].key) !== this.#heap[0]) pop(this.#heap);
    const first = this.#heap[0];
    if (first === undefined || this.#closed) {
      this.#timer?.cancel.abort();
      this.#timer = undefined;
      return;
    }
    if (this.#timer !== undefined && this.#timer.at <= first.at) return;
    this.#timer?.cancel.abort();
    const timer = { at: first.at, cancel: new AbortController() };
    this.#timer = timer;
    const delay = Math.min(TIMER_MAX_MS, Math.max(0, first.at - this.#now()));
    this.#clock.sleep(delay, timer.cancel.signal).then(
      () => this.#fire(timer),
      () => undefined,
    );
  }

  #fire(timer: object): void {
    if (this.#timer !== timer) return;
    this.#timer = undefined;
    // Timers may fire a little early: half a millisecond counts as due.
    const now = this.#now() + 0.5;
    for (let first = this.#heap[0]; first !== undefined && first.at <= now; first = this.#heap[0]) {
      pop(this.#heap);
      if (this.#delayed.get(first.key) === first) this.add(first.key, first.priority);
    }
    this.#arm();
  }

  #bucketDelayMs(): number {
    const now = this.#now();
    this.#bucket = Math.min(RETRY_BURST, this.#bucket + ((now - this.#bucketAt) / 1_000) * RETRY_PER_SECOND);
    this.#bucketAt = now;
    this.#bucket -= 1;
    return this.#bucket >= 0 ? 0 : (-this.#bucket / RETRY_PER_SECOND) * 1_000;
  }
}

function push(heap: Waiting[], entry: Waiting): void {
  heap.push(entry);
  let at = heap.length - 1;
  while (at > 0) {
    const parent = (at - 1) >> 1;
    if (heap[parent]!.at <= heap[at]!.at) return;
    [heap[parent], heap[at]] = [heap[at]!, heap[parent]!];
    at = parent;
  }
}

function pop(heap: Waiting[]): void {
  const last = heap.pop();
  if (last === undefined || heap.length === 0) return;
  heap[0] = last;
  let at = 0;
  for (;;) {
    const left = 2 * at + 1;
    const right = left + 1;
    let least = at;
    if (left < heap.length && heap[left]!.at < heap[least]!.at) least = left;
    if (right < heap.length && heap[right]!.at < heap[least]!.at) least = right;
    if (least === at) return;
    [heap[least], heap[at]] = [heap[at]!, heap[least]!];
    at = least;
  }
}

const SECONDS_BUCKETS = [1e-8, 1e-7, 1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1, 10, 100, 1000];

/** Metrics under the names that dashboards for controller-runtime read. */
class QueueMeter {
  readonly #labels: Readonly<Record<string, string>>;
  readonly #depth;
  readonly #adds;
  readonly #queueSeconds;
  readonly #workSeconds;
  readonly #unfinished;
  readonly #longest;
  readonly #retries;

  constructor(name: string, metrics: Metrics | undefined) {
    this.#labels = { name, controller: name };
    const labels = ['name', 'controller'];
    this.#depth = metrics?.gauge('workqueue_depth', 'Keys ready for a worker.', [...labels, 'priority']);
    this.#adds = metrics?.counter('workqueue_adds_total', 'Keys added.', labels);
    this.#queueSeconds = metrics?.histogram(
      'workqueue_queue_duration_seconds',
      'How long a key waited for a worker.',
      SECONDS_BUCKETS,
      labels,
    );
    this.#workSeconds = metrics?.histogram(
      'workqueue_work_duration_seconds',
      'How long a worker had a key.',
      SECONDS_BUCKETS,
      labels,
    );
    this.#unfinished = metrics?.gauge(
      'workqueue_unfinished_work_seconds',
      'Time in work not yet done, summed.',
      labels,
    );
    this.#longest = metrics?.gauge(
      'workqueue_longest_running_processor_seconds',
      'Time of the work that runs longest.',
      labels,
    );
    this.#retries = metrics?.counter('workqueue_retries_total', 'Keys added again after a failure.', labels);
    this.#adds?.(this.#labels, 0);
    this.#retries?.(this.#labels, 0);
    this.level({ normal: 0, low: 0 });
    this.running([]);
  }

  added(): void {
    this.#adds?.(this.#labels);
  }

  retried(): void {
    this.#retries?.(this.#labels);
  }

  waited(ms: number): void {
    this.#queueSeconds?.(ms / 1_000, this.#labels);
  }

  worked(ms: number): void {
    this.#workSeconds?.(ms / 1_000, this.#labels);
  }

  level(ready: Readonly<Record<Priority, number>>): void {
    this.#depth?.(ready.normal, { ...this.#labels, priority: '0' });
    this.#depth?.(ready.low, { ...this.#labels, priority: '-100' });
  }

  running(ms: readonly number[]): void {
    this.#unfinished?.(ms.reduce((sum, each) => sum + each, 0) / 1_000, this.#labels);
    this.#longest?.(Math.max(0, ...ms) / 1_000, this.#labels);
  }
}
