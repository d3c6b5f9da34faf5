// Owns: the starts of a namespace that one partition has in hand.
//   N4: a start is spent, or given back when the run was there already; what is not spent within a second goes back.
//   N5: what one book has sent while another was opened is not taken: the new one does not know of it.
import type { TenantBounds } from './bounds.ts';
import type { Stamp, StartGrant, TenantUse } from './book.ts';

/** Starts in hand are counted for a minute from when they were fetched: kept longer they would be spent in another one. */
export const inHandMs = 1_000;

export type Refusal = NonNullable<StartGrant['refused']> & { readonly until: number };

export class TenantPurse {
  #inHand = 0;
  #fetchedAt = 0;
  #underWay = 0;
  #confirmed: TenantUse['confirmed'];
  #counts = 0;
  /** The last one that was opened. */
  #book: string | undefined;
  #returned = 0;
  #refusal: Refusal | undefined;
  #stamp: Stamp;

  /** `seq`: where the partition's journal stands. */
  constructor(seq: number, now: number) {
    this.#stamp = [seq, now, 0];
  }

  /** Why nothing is given out for the moment; asking again would get the same answer. */
  refusal(now: number): Refusal | undefined {
    return this.#refusal !== undefined && now < this.#refusal.until ? this.#refusal : undefined;
  }

  /** True: one start was taken, and `done` must be called. */
  take(now: number): boolean {
    this.#expire(now);
    if (this.#inHand === 0) return false;
    this.#inHand -= 1;
    this.#underWay += 1;
    return true;
  }

  /** The start has become a run, which counts for itself from now on, or has come to nothing. */
  done(started: boolean): void {
    this.#underWay -= 1;
    if (!started) this.#returned += 1;
  }

  /** What is told of this partition; `open`: its runs of the namespace that have not ended. */
  use(open: number, now: number): TenantUse {
    this.#expire(now);
    const confirmed = this.#confirmed === undefined ? {} : { confirmed: this.#confirmed };
    const [seq, at, times] = this.#stamp;
    this.#stamp = [seq, at, times + 1];
    const used = open + this.#inHand + this.#underWay;
    const told = { stamp: this.#stamp, used, returned: this.#returned, ...confirmed };
    this.#returned = 0;
    return told;
  }

  /** For a book that is being opened: see N5. */
  counted(book: string, open: number, now: number): TenantUse {
    this.#counts += 1;
    this.#book = book;
    return this.use(open, now);
  }

  /** Names a fetch that begins now. */
  get fetch(): number {
    return this.#counts;
  }

  /** The answer to a fetch. */
  fetched(fetch: number, { book, serial, granted, refused }: StartGrant, now: number): void {
    this.#confirmed = { book, serial };
    if (fetch !== this.#counts && book !== this.#book) return;
    this.#inHand += granted;
    this.#fetchedAt = now;
    this.#refusal = refused === undefined ? undefined : { ...refused, until: now + Math.min(refused.retryMs, lookMs) };
  }

  #expire(now: number): void {
    if (this.#inHand === 0 || now - this.#fetchedAt < inHandMs) return;
    this.#returned += this.#inHand;
    this.#inHand = 0;
  }
}

/** A refusal is believed for this long at most: runs may have ended, and the bound may have been raised. */
const lookMs = 200;

/** `used`: of this kind, when it was refused. */
export function tenantRefusal(namespace: string, { bound, retryMs }: Refusal, bounds: TenantBounds): string {
  const seconds = Math.ceil(retryMs / 1_000);
  if (bound === 'openRuns') {
    return `namespace ${namespace} has ${bounds.openRuns} runs that have not ended, as many as it may have; try again when some have ended, or raise the annotation signalbox.dev/max-open-runs of the Namespace`;
  }
  return `namespace ${namespace} has started ${bounds.startsPerMinute} runs within a minute, as many as it may; try again in ${seconds} s, or raise the annotation signalbox.dev/max-starts-per-minute of the Namespace`;
}
