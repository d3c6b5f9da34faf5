// Owns: how many more runs a namespace may start, for all its partitions. One partition's owner keeps the book of a namespace;
// the others fetch starts from it, a few at a time, and spend them.
//   N1: open runs, starts that were fetched and not spent, and fetched ones whose answer is on its way: together never more than
//       the bound, whatever is lost or asked twice.
//   N2: starts of a minute are counted when they are fetched, and given back when they are not spent.
//   N3: the book is a cache: whoever opens it anew asks every partition first.
import { grantCalls, type MinuteCount, slotMs } from '../limits/minute.ts';
import type { TenantBounds } from './bounds.ts';

/** In order: where the journal stood and what time it was when somebody began to count, and how often he has told since. */
export type Stamp = readonly [seq: number, at: number, told: number];

/** What a partition says of a namespace. */
export interface TenantUse {
  readonly stamp: Stamp;
  /** Open runs, starts in hand and starts under way. */
  readonly used: number;
  /** The last grant that came, and from which book. */
  readonly confirmed?: { readonly book: string; readonly serial: number };
  /** Starts in hand that it will not spend any more. */
  readonly returned: number;
}

export interface StartGrant {
  readonly book: string;
  readonly serial: number;
  readonly granted: number;
  /** With nothing granted: which bound is reached, and when it is worth asking again. */
  readonly refused?: { readonly bound: keyof TenantBounds; readonly retryMs: number };
}

const isAfter = ([seq, at, told]: Stamp, known: Stamp): boolean =>
  seq !== known[0] ? seq > known[0] : at !== known[1] ? at > known[1] : told > known[2];

interface Sent {
  readonly serial: number;
  readonly starts: number;
  readonly at: number;
}

/** An answer that took longer than this was given up by whoever asked. */
export const answerMs = 15_000;
/** When a run will end nobody knows. */
export const openRetryMs = 2_000;
/** Starts fetched at once. */
export const fetchMax = 64;
const shares = 4;
const fetchesPerMinute = 15;

export class TenantBook {
  readonly #uses: number[];
  readonly #sent: Sent[][];
  readonly #told: Stamp[] = [];
  #minute: MinuteCount | undefined;
  readonly #id: string;
  #serial = 0;

  /** `id`: of this book alone. `recent`: starts of the last minute. */
  constructor(id: string, uses: readonly number[], { recent, now }: { readonly recent: number; readonly now: number }) {
    this.#id = id;
    this.#uses = [...uses];
    this.#sent = uses.map(() => []);
    if (recent > 0) this.#minute = { slots: [{ slot: Math.floor(now / slotMs), calls: recent }] };
  }

  /** Open runs, and starts that may become some. */
  get used(): number {
    return this.#uses.reduce((sum, used) => sum + used, 0) + this.#onTheWay();
  }

  /** What was overtaken by something newer is not believed. */
  tell(partition: number, { stamp, used, confirmed, returned }: TenantUse, now: number): void {
    const known = this.#told[partition];
    if (known !== undefined && !isAfter(stamp, known)) return;
    this.#told[partition] = stamp;
    this.#uses[partition] = used;
    const last = confirmed?.book === this.#id ? confirmed.serial : 0;
    this.#sent[partition] = (this.#sent[partition] ?? []).filter(
      ({ serial, at }) => serial > last && at > now - answerMs,
    );
    if (returned > 0) this.#giveBack(returned);
  }

  grant(
    partition: number,
    wanted: number,
    { bounds, now }: { readonly bounds: TenantBounds; readonly now: number },
  ): StartGrant {
    const { openRuns = Number.POSITIVE_INFINITY, startsPerMinute } = bounds;
    const free = openRuns - this.used;
    const serial = (this.#serial += 1);
    const named = { book: this.#id, serial };
    if (free <= 0) return { ...named, granted: 0, refused: { bound: 'openRuns', retryMs: openRetryMs } };
    const counted = this.#count(Math.min(wanted, this.#few(free, bounds)), startsPerMinute, now);
    if (counted.granted === 0) {
      const retryMs = Math.max(1, (counted.retryAt ?? now) - now);
      return { ...named, granted: 0, refused: { bound: 'startsPerMinute', retryMs } };
    }
    this.#sent[partition]?.push({ serial, starts: counted.granted, at: now });
    return { ...named, granted: counted.granted };
  }

  /** The nearer the bound, the fewer: what one partition has in hand the others cannot start. */
  #few(free: number, { startsPerMinute = Number.POSITIVE_INFINITY }: TenantBounds): number {
    const share = Math.min(free, startsPerMinute / fetchesPerMinute) / (shares * this.#uses.length);
    return Math.max(1, Math.min(fetchMax, Math.floor(share)));
  }

  #onTheWay(): number {
    return this.#sent.reduce((sum, sent) => sum + sent.reduce((of, { starts }) => of + starts, 0), 0);
  }

  #count(wanted: number, perMinute: number | undefined, now: number): { granted: number; retryAt?: number } {
    if (perMinute === undefined) return { granted: wanted };
    const { granted, next, retryAt } = grantCalls(this.#minute, { wanted, perMinute, now });
    if (next !== undefined) this.#minute = next;
    return { granted, ...(retryAt === undefined ? {} : { retryAt }) };
  }

  /** The newest first: they are the ones that would hold others up the longest. */
  #giveBack(starts: number): void {
    let left = starts;
    const slots = (this.#minute?.slots ?? []).toReversed().map(({ slot, calls }) => {
      const back = Math.min(left, calls);
      left -= back;
      return { slot, calls: calls - back };
    });
    if (this.#minute !== undefined) this.#minute = { slots: slots.toReversed() };
  }
}
