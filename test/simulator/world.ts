// Owns: virtual time and the processes that live in it. One event at a time; each runs until nothing is left to do at that
// moment (promises included), so the same choices give the same world, to the last step.
import { Choices, Random } from './choices.ts';

export type Role = 'engine' | 'worker' | 'gateway' | 'client';

interface Event {
  at: number;
  readonly order: number;
  readonly owner: Process | undefined;
  readonly life: number;
  readonly what: string;
  readonly act: () => void;
  cancelled: boolean;
}

/** A repeated timer: it may fire late, up to `lateMaxMs`, so that a quiet world costs nothing. */
interface Ticker {
  readonly owner: Process | undefined;
  readonly life: number;
  readonly everyMs: number;
  readonly act: () => void;
  readonly lateMs: number;
  due: number;
}

const lateMaxMs = 4_000;
/** Events that bring something from somebody; requests are named by their subject. */
const messages: ReadonlySet<string> = new Set([
  'reply',
  'publish',
  'read',
  'answer',
  'task',
  'ack',
  'nak',
  'working',
  'tool acts',
  'tool answer',
  'model answers',
]);
const drain = (globalThis.process as unknown as { readonly _tickCallback: () => void })._tickCallback;

/** Something with its own clock that can die, sleep and come back as another. */
export class Process {
  readonly name: string;
  readonly role: Role;
  /** Counts its lives: what an earlier life began is never finished. */
  life = 0;
  alive = true;
  /** What comes for it waits until then. */
  pausedUntil = 0;
  skewMs = 0;

  constructor(name: string, role: Role) {
    this.name = name;
    this.role = role;
  }
}

/** Thrown in a process at the moment it dies. */
export class Died extends Error {}

export class World {
  readonly choices: Choices;
  /** Kind chance: delays that hurt nobody. Not recorded. */
  readonly jitter: Random;
  now = 1_000_000;
  steps = 0;
  current: Process | undefined;
  readonly #heap: Event[] = [];
  readonly #tickers = new Set<Ticker>();
  /** No ticker is due before the first, or must have fired before the second; looked for again when tickers change. */
  #firstDue = Number.POSITIVE_INFINITY;
  #lastCall = Number.POSITIVE_INFINITY;
  #order = 0;
  #hashA = 0x811c9dc5;
  #hashB = 0x1234567;
  readonly trace: string[] | undefined;

  constructor(seed: number, choices: Choices, traced: boolean) {
    this.choices = choices;
    this.jitter = new Random(seed, 2);
    this.trace = traced ? [] : undefined;
  }

  /** Everything that happened, in 64 bits. */
  get hash(): string {
    return (this.#hashA >>> 0).toString(16).padStart(8, '0') + (this.#hashB >>> 0).toString(16).padStart(8, '0');
  }

  note(text: string): void {
    let [a, b] = [this.#hashA, this.#hashB];
    for (let at = 0; at < text.length; at += 1) {
      const code = text.charCodeAt(at);
      a = Math.imul(a ^ code, 0x01000193);
      b = Math.imul(b + code, 0x85ebca6b) ^ (b >>> 13);
    }
    this.#hashA = a ^ this.now;
    this.#hashB = b;
  }

  tell(text: () => string): void {
    this.trace?.push(`${(this.now - 1_000_000).toString().padStart(7)} ms  ${text()}`);
  }

  /** `owner`: nothing happens when it is dead by then, and it waits while it is paused. */
  after(ms: number, what: string, owner: Process | undefined, act: () => void): Event {
    this.#order += 1;
    const at = this.now + Math.max(0, Math.round(ms));
    const event = { at, order: this.#order, owner, life: owner?.life ?? 0, what, act, cancelled: false };
    push(this.#heap, event);
    return event;
  }

  every(ms: number, act: () => void): Ticker {
    const owner = this.current;
    return this.#addTicker({ owner, life: owner?.life ?? 0, everyMs: ms, act, due: this.now + ms, lateMs: lateMaxMs });
  }

  stopTicker(ticker: Ticker): void {
    this.#tickers.delete(ticker);
  }

  /** Like `after`, but up to `lateMs` later when nothing else happens meanwhile: for loops that only look. */
  soonish(ms: number, lateMs: number, act: () => void): Ticker {
    const owner = this.current;
    const due = this.now + ms + this.jitter.below(lateMs);
    return this.#addTicker({ owner, life: owner?.life ?? 0, everyMs: 0, act, due, lateMs: 0 });
  }

  #addTicker(ticker: Ticker): Ticker {
    this.#tickers.add(ticker);
    this.#expect(ticker);
    return ticker;
  }

  #expect({ due, lateMs }: Ticker): void {
    this.#firstDue = Math.min(this.#firstDue, due);
    this.#lastCall = Math.min(this.#lastCall, due + lateMs);
  }

  /** When the last message that is on its way arrives; now, when there is none. */
  get lastArrival(): number {
    let last = this.now;
    for (const { at, what, cancelled } of this.#heap) {
      if (!cancelled && (messages.has(what) || what.includes('.'))) last = Math.max(last, at);
    }
    return last;
  }

  /** A delay of the network when nothing is wrong: 1 … 3 ms. */
  hop(): number {
    return 1 + this.jitter.below(3);
  }

  /** Runs what is due, until `until` (virtual) or until nothing is left. */
  run(until: number, stop?: () => boolean): void {
    for (;;) {
      if (stop?.() === true) return;
      const next = this.#heap[0];
      const at = next === undefined ? Number.POSITIVE_INFINITY : next.at;
      const late = this.#lastCall;
      if (Math.min(at, late) > until) {
        this.now = Math.max(this.now, until);
        return;
      }
      if (late < at) this.now = Math.max(this.now, late);
      else this.#fire(next as Event);
      this.#tick();
    }
  }

  /** Acts as the process, at once. */
  as(owner: Process | undefined, act: () => void): void {
    const before = this.current;
    this.current = owner;
    try {
      act();
    } catch (error) {
      if (!(error instanceof Died)) throw error;
    }
    drain();
    this.current = before;
  }

  #fire(event: Event): void {
    pop(this.#heap);
    this.now = Math.max(this.now, event.at);
    if (event.cancelled) return;
    const { owner } = event;
    if (owner !== undefined) {
      if (!owner.alive || owner.life !== event.life) return;
      if (owner.pausedUntil > this.now) {
        event.at = owner.pausedUntil;
        push(this.#heap, event);
        return;
      }
    }
    this.steps += 1;
    this.note(event.what);
    this.as(owner, event.act);
  }

  #tick(): void {
    if (this.#firstDue > this.now) return;
    this.#fireTickers();
    this.#firstDue = Number.POSITIVE_INFINITY;
    this.#lastCall = Number.POSITIVE_INFINITY;
    for (const ticker of this.#tickers) this.#expect(ticker);
  }

  #fireTickers(): void {
    for (const ticker of this.#tickers) {
      if (ticker.due > this.now) continue;
      const { owner } = ticker;
      if (owner !== undefined && (!owner.alive || owner.life !== ticker.life)) {
        this.#tickers.delete(ticker);
        continue;
      }
      if ((owner?.pausedUntil ?? 0) > this.now) {
        ticker.due = owner?.pausedUntil ?? 0;
        continue;
      }
      if (ticker.everyMs === 0) this.#tickers.delete(ticker);
      else ticker.due = this.now + ticker.everyMs + this.jitter.below(3 * ticker.everyMs);
      this.steps += 1;
      this.as(owner, ticker.act);
    }
  }
}

export type { Event as Scheduled, Ticker };

const before = (left: Event, right: Event): boolean =>
  left.at < right.at || (left.at === right.at && left.order < right.order);

function push(heap: Event[], event: Event): void {
  let at = heap.length;
  heap.push(event);
  while (at > 0) {
    const parent = (at - 1) >> 1;
    const above = heap[parent] as Event;
    if (!before(event, above)) break;
    heap[at] = above;
    at = parent;
  }
  heap[at] = event;
}

function pop(heap: Event[]): void {
  const last = heap.pop() as Event;
  if (heap.length === 0) return;
  let at = 0;
  for (;;) {
    let child = 2 * at + 1;
    if (child >= heap.length) break;
    if (child + 1 < heap.length && before(heap[child + 1] as Event, heap[child] as Event)) child += 1;
    if (!before(heap[child] as Event, last)) break;
    heap[at] = heap[child] as Event;
    at = child;
  }
  heap[at] = last;
}
