import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { readBounds, type TenantBounds } from './bounds.ts';
import { answerMs, type StartGrant, TenantBook } from './book.ts';
import { inHandMs, TenantPurse, tenantRefusal } from './purse.ts';

test('annotations are read, and what cannot be read is said', () => {
  expect(
    readBounds({ 'signalbox.dev/max-open-runs': '500', 'signalbox.dev/max-starts-per-minute': 'lots', other: 'x' }),
  ).toEqual({
    bounds: { openRuns: 500 },
    problems: ['signalbox.dev/max-starts-per-minute: found "lots"; allowed: a whole number from 1 to 10000000'],
  });
  expect(readBounds({ 'signalbox.dev/max-open-runs': '0' }).problems).toHaveLength(1);
});

/** Partitions with a journal each, and one book: whatever is lost, late or asked twice, the truth is counted here. */
class Played {
  now = 1_000_000;
  readonly open: number[];
  readonly starts: number[] = [];
  readonly bounds: TenantBounds;
  #purses: TenantPurse[];
  #book: TenantBook;
  #books = 0;

  constructor(bounds: TenantBounds, partitions = 3) {
    this.bounds = bounds;
    this.open = Array.from({ length: partitions }, () => 0);
    this.#purses = this.open.map(() => new TenantPurse(0, this.now));
    this.#book = this.#opened();
  }

  get total(): number {
    return this.open.reduce((sum, open) => sum + open, 0);
  }

  /** True when a run was started. */
  start(partition: number, wanted = 1, answer: 'comes' | 'is lost' | 'comes late' = 'comes'): boolean {
    const purse = this.#purse(partition);
    if (!purse.take(this.now)) {
      const { fetch } = purse;
      const grant = this.#ask(partition, wanted);
      if (answer === 'comes late') this.reopen();
      if (answer === 'is lost') return false;
      purse.fetched(fetch, grant, this.now);
      if (!purse.take(this.now)) return false;
    }
    this.open[partition] = (this.open[partition] ?? 0) + 1;
    this.starts.push(this.now);
    purse.done(true);
    return true;
  }

  #ask(partition: number, wanted: number): StartGrant {
    this.#book.tell(partition, this.#use(partition), this.now);
    const grant = this.#book.grant(partition, wanted, this);
    if (grant.refused?.bound !== 'openRuns') return grant;
    for (const other of this.open.keys()) this.#book.tell(other, this.#use(other), this.now);
    return this.#book.grant(partition, wanted, this);
  }

  end(partition: number): void {
    this.open[partition] = Math.max(0, (this.open[partition] ?? 0) - 1);
  }

  /** Another engine takes a partition; its purse is gone. */
  takeOver(partition: number): void {
    this.#purses[partition] = new TenantPurse(this.starts.length, this.now);
  }

  /** Another engine keeps the book. */
  reopen(): void {
    this.#book = this.#opened();
  }

  #opened(): TenantBook {
    const recent = this.starts.filter((at) => at > this.now - 61_000).length;
    const id = String((this.#books += 1));
    const book = new TenantBook(
      id,
      this.open.map(() => 0),
      { recent, now: this.now },
    );
    for (const partition of this.open.keys()) book.tell(partition, this.#counted(id, partition), this.now);
    return book;
  }

  #use(partition: number) {
    return this.#purse(partition).use(this.open[partition] ?? 0, this.now);
  }

  #counted(book: string, partition: number) {
    return this.#purse(partition).counted(book, this.open[partition] ?? 0, this.now);
  }

  #purse(partition: number): TenantPurse {
    const purse = this.#purses[partition];
    if (purse === undefined) throw new Error(`no partition ${partition}`);
    return purse;
  }
}

describe('open runs', () => {
  test('as many as are allowed, wherever they are, and one more for each that ends', () => {
    const played = new Played({ openRuns: 5 });
    const taken = Array.from({ length: 30 }, (_, at) => played.start(at % 3));
    expect(taken.filter(Boolean)).toHaveLength(5);
    expect(played.total).toBe(5);
    played.end(0);
    expect(played.start(2)).toBe(true);
    expect(played.start(1)).toBe(false);
  });

  test('all of them in one partition', () => {
    const played = new Played({ openRuns: 100 });
    for (let at = 0; at < 300; at += 1) played.start(1, 64);
    expect(played.total).toBe(100);
  });

  test('a grant whose answer was lost is held back, and free again when nobody can have it any more', () => {
    const played = new Played({ openRuns: 1 });
    expect(played.start(0, 1, 'is lost')).toBe(false);
    expect(played.start(1)).toBe(false);
    played.now += answerMs;
    expect(played.start(1)).toBe(true);
  });

  test('what is in hand and not spent goes back after a second', () => {
    const played = new Played({ openRuns: 24 });
    expect(played.start(0, 2)).toBe(true);
    played.now += inHandMs;
    for (let at = 0; at < 40; at += 1) played.start(1, 1);
    expect(played.total).toBe(24);
  });
});

describe('starts of a minute', () => {
  test('as many as are allowed in any minute; what was given back may be started', () => {
    const played = new Played({ startsPerMinute: 10 });
    for (let at = 0; at < 40; at += 1) {
      played.start(at % 3);
      played.now += 1_000;
    }
    expect(played.starts).toHaveLength(10);
    played.now += 61_000;
    expect(played.start(0)).toBe(true);
  });
});

test('N1, N2: never more than the bounds, whatever is lost, late or taken over', () => {
  const partition = fc.nat({ max: 2 });
  const act = fc.oneof(
    {
      weight: 12,
      arbitrary: fc.record({ act: fc.constant('start' as const), partition, wanted: fc.integer({ min: 1, max: 64 }) }),
    },
    { weight: 2, arbitrary: fc.record({ act: fc.constant('lost' as const), partition, late: fc.boolean() }) },
    { weight: 3, arbitrary: fc.record({ act: fc.constant('end' as const), partition }) },
    { weight: 1, arbitrary: fc.record({ act: fc.constant('takeOver' as const), partition }) },
    { weight: 1, arbitrary: fc.record({ act: fc.constant('reopen' as const), partition }) },
    {
      weight: 3,
      arbitrary: fc.record({ act: fc.constant('wait' as const), partition, ms: fc.integer({ min: 1, max: 20_000 }) }),
    },
  );
  const bounds = fc.record({
    openRuns: fc.integer({ min: 1, max: 60 }),
    startsPerMinute: fc.integer({ min: 1, max: 80 }),
  });
  fc.assert(
    fc.property(bounds, fc.array(act, { maxLength: 200 }), (limits, acts) => {
      const played = new Played(limits);
      for (const one of acts) {
        if (one.act === 'start') played.start(one.partition, one.wanted);
        else if (one.act === 'lost') played.start(one.partition, 8, one.late ? 'comes late' : 'is lost');
        else if (one.act === 'end') played.end(one.partition);
        else if (one.act === 'takeOver') played.takeOver(one.partition);
        else if (one.act === 'reopen') played.reopen();
        else played.now += one.ms;
        if (played.total > limits.openRuns) return false;
      }
      return played.starts.every(
        (at) => played.starts.filter((other) => other >= at && other < at + 60_000).length <= limits.startsPerMinute,
      );
    }),
    { numRuns: 500 },
  );
});

test('a refusal says what is reached, how it ends and who can change it', () => {
  expect(tenantRefusal('clinic', { bound: 'openRuns', retryMs: 2_000, until: 0 }, { openRuns: 5 })).toBe(
    'namespace clinic has 5 runs that have not ended, as many as it may have; try again when some have ended, or raise the annotation signalbox.dev/max-open-runs of the Namespace',
  );
  expect(
    tenantRefusal('clinic', { bound: 'startsPerMinute', retryMs: 11_200, until: 0 }, { startsPerMinute: 9 }),
  ).toContain('has started 9 runs within a minute, as many as it may; try again in 12 s');
});
