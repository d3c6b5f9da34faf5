import { describe, expect, it } from 'vitest';
import type { Bucket, Bus, Entry } from '../../ports/bus.ts';
import type { Clock, Log } from '../../ports/system.ts';
import { schemaChecks } from '../json-schema.ts';
import { limitsOf } from './limits.ts';
import { sharedRate } from './shared-rate.ts';
import { redact } from './redact.ts';
import { dayAccount, runAccount, spendOf } from './spend.ts';

/** Time that passes only when somebody sleeps. */
function steppedClock(): Clock & { now: () => number } {
  let now = 0;
  return {
    now: () => now,
    sleep: (ms) => {
      now += ms;
      return Promise.resolve();
    },
  };
}

/** A bucket of one process. */
function bucketInMemory(): Pick<Bus, 'bucket'> & { broken: boolean } {
  const entries = new Map<string, Entry<unknown>>();
  const bucket = {
    get: (key: string) => (host.broken ? Promise.reject(new Error('away')) : Promise.resolve(entries.get(key))),
    update: (key: string, value: unknown, expected: number) => {
      if ((entries.get(key)?.revision ?? 0) !== expected) return Promise.resolve(undefined);
      entries.set(key, { key, value, revision: expected + 1 });
      return Promise.resolve(expected + 1);
    },
  };
  const host = { broken: false, bucket: <T>() => Promise.resolve(bucket as unknown as Bucket<T>) };
  return host;
}
const silent = { warn: () => undefined } as unknown as Log;
const oneNamespace = (bus: Pick<Bus, 'bucket'>, clock: Clock) =>
  limitsOf(clock, sharedRate({ bus, namespace: 'clinic', clock, log: silent }));

describe('limits', () => {
  it('let a minute’s worth through at once over all processes, the next when the first is a minute old', async () => {
    const [clock, bus] = [steppedClock(), bucketInMemory()];
    const [one, two] = [oneNamespace(bus, clock), oneNamespace(bus, clock)];
    const limit = { maxParallel: 100, perMinute: 60 };
    for (let count = 0; count < 30; count += 1) {
      (await one.enter('tool/m', limit, 1_000_000))?.();
      (await two.enter('tool/m', limit, 1_000_000))?.();
    }
    expect(clock.now()).toBe(0);
    (await two.enter('tool/other', limit, 1_000_000))?.();
    expect(clock.now()).toBe(0);
    (await two.enter('tool/m', limit, 1_000_000))?.();
    expect(clock.now()).toBeGreaterThanOrEqual(60_000);
  });

  it('give up when no place comes free in time, and leave the place to others', async () => {
    const clock = steppedClock();
    const limits = oneNamespace(bucketInMemory(), clock);
    const limit = { maxParallel: 1, perMinute: 1 };
    const release = await limits.enter('m', limit, 10);
    release?.();
    expect(await limits.enter('m', limit, 10)).toBeUndefined();
    expect(await limits.enter('m', limit, 120_000)).toBeDefined();
  });

  it('are refused, not waved through, while the shared count cannot be read; then all goes on', async () => {
    const [clock, bus] = [steppedClock(), bucketInMemory()];
    const limits = oneNamespace(bus, clock);
    bus.broken = true;
    expect(await limits.enter('m', { maxParallel: 1, perMinute: 5 }, 2_000)).toBeUndefined();
    bus.broken = false;
    expect(await limits.enter('m', { maxParallel: 1, perMinute: 5 }, 9_000)).toBeDefined();
  });

  it('let a waiting call in when another ends, in order', async () => {
    const clock: Clock = { now: () => Date.now(), sleep: (ms) => new Promise((resolve) => setTimeout(resolve, ms)) };
    const limits = oneNamespace(bucketInMemory(), clock);
    const first = await limits.enter('m', { maxParallel: 1 }, Date.now() + 5_000);
    const order: number[] = [];
    const waiting = [1, 2].map(async (number) => {
      const release = await limits.enter('m', { maxParallel: 1 }, Date.now() + 5_000);
      order.push(number);
      release?.();
    });
    first?.();
    await Promise.all(waiting);
    expect(order).toEqual([1, 2]);
  });
});

describe('spending', () => {
  const account = (reportedMicros: number, activity = { id: 'work.1', reportedMicros }) =>
    runAccount({ namespace: 'clinic', id: 'r1' }, { reportedMicros, activity });

  it('S1: what was reported is not counted twice, what was not counts for the run and for its activity', async () => {
    const spend = spendOf(bucketInMemory(), steppedClock());
    await spend.add([account(0)], 70);
    await spend.add([account(0)], 30);
    expect(await spend.unreported(account(0))).toEqual({ micros: 100, activityMicros: 100 });
    expect(await spend.unreported(account(70))).toEqual({ micros: 30, activityMicros: 30 });
    const next = account(70, { id: 'work.2', reportedMicros: 0 });
    expect(await spend.unreported(next)).toEqual({ micros: 30, activityMicros: 0 });
    await spend.add([next], 5);
    expect(await spend.unreported(next)).toEqual({ micros: 35, activityMicros: 5 });
  });

  it('an account that has expired begins with what the journal knows', async () => {
    const spend = spendOf(bucketInMemory(), steppedClock());
    await spend.add([account(1_000)], 50);
    expect(await spend.unreported(account(1_000))).toEqual({ micros: 50, activityMicros: 50 });
  });

  it('S2: nothing is lost while the bucket is away, and until it is written the account cannot be read', async () => {
    const bus = bucketInMemory();
    const spend = spendOf(bus, steppedClock());
    const day = dayAccount({ namespace: 'clinic', name: 'clerk' }, 0);
    bus.broken = true;
    await expect(spend.add([day], 10)).rejects.toThrow('away');
    await expect(spend.unreported(day)).rejects.toThrow('away');
    bus.broken = false;
    expect(await spend.unreported(day)).toMatchObject({ micros: 10 });
  });

  it('a hundred calls that end together, in two gateways, are all counted', async () => {
    const bus = bucketInMemory();
    const gateways = [spendOf(bus, steppedClock()), spendOf(bus, steppedClock())] as const;
    const day = dayAccount({ namespace: 'clinic', name: 'clerk' }, 0);
    await Promise.all(Array.from({ length: 100 }, (_, at) => gateways[at % 2 === 0 ? 0 : 1].add([day], 1)));
    expect(await gateways[0].unreported(day)).toMatchObject({ micros: 100 });
  });
});

it('a secret is taken out of values and names at any depth', () => {
  expect(redact({ a: ['x tok-123456 y'], 'tok-123456': { b: 1 } }, 'tok-123456')).toEqual({
    a: ['x [redacted] y'],
    '[redacted]': { b: 1 },
  });
  expect(redact('a', 'a')).toBe('a');
  expect(redact({ a: 'x' }, undefined)).toEqual({ a: 'x' });
});

describe('JSON Schema', () => {
  const checks = schemaChecks();
  it('names the member, what is wrong and what is allowed', () => {
    const schema = {
      $schema: 'http://json-schema.org/draft-07/schema#',
      type: 'object',
      required: ['id'],
      additionalProperties: false,
      properties: { id: { type: 'string' }, size: { enum: ['s', 'm'] } },
    };
    expect(checks.check('1', schema, { id: 'x' })).toEqual({ ok: true });
    expect(checks.check('1', schema, { size: 'l', more: 1 })).toEqual({
      ok: false,
      message:
        '(root) must have required property \'id\'; (root) must NOT have additional properties: "more"; /size must be equal to one of the allowed values: ["s","m"]',
    });
  });
  it('a broken schema is an answer, not a crash', () => {
    expect(checks.check('2', { type: 'nonsense' }, {})).toMatchObject({ ok: false });
    expect(checks.check('3', { $ref: '#/nowhere' }, {})).toMatchObject({ ok: false });
  });
});
