import fc from 'fast-check';
import { expect, test } from 'vitest';
import { grantCalls, type MinuteCount } from './minute.ts';

test('a minute’s worth at once, the next when the first is a minute old', () => {
  const first = grantCalls(undefined, { wanted: 70, perMinute: 60, now: 500 });
  expect(first).toEqual({ granted: 60, next: { slots: [{ slot: 0, calls: 60 }] } });
  const refused = grantCalls(first.next, { wanted: 1, perMinute: 60, now: 30_000 });
  expect(refused).toEqual({ granted: 0, retryAt: 61_000 });
  expect(grantCalls(first.next, { wanted: 1, perMinute: 60, now: 61_000 }).granted).toBe(1);
});

test('a lower limit counts what was granted under the higher one', () => {
  const first = grantCalls(undefined, { wanted: 5, perMinute: 10, now: 0 });
  expect(grantCalls(first.next, { wanted: 1, perMinute: 3, now: 1_000 }).granted).toBe(0);
});

const asks = fc.array(
  fc.record({
    passes: fc.nat(20_000),
    skew: fc.integer({ min: -3_000, max: 3_000 }),
    wanted: fc.integer({ min: 1, max: 9 }),
  }),
  { maxLength: 200 },
);

test('never more than the limit in any sixty seconds, and somebody who comes back when told gets a turn', () => {
  fc.assert(
    fc.property(asks, fc.integer({ min: 1, max: 20 }), (steps, perMinute) => {
      const granted: number[] = [];
      let count: MinuteCount | undefined;
      let now = 1_700_000_000_000;
      for (const { passes, wanted } of steps) {
        now += passes;
        const grant = grantCalls(count, { wanted, perMinute, now });
        for (let call = 0; call < grant.granted; call += 1) granted.push(now);
        if (grant.granted === 0) {
          expect(grantCalls(count, { wanted, perMinute, now: grant.retryAt ?? now }).granted).toBeGreaterThan(0);
        }
        count = grant.next ?? count;
        expect(count?.slots.length ?? 0).toBeLessThanOrEqual(61);
      }
      for (const from of granted) {
        expect(granted.filter((at) => at >= from && at < from + 60_000).length).toBeLessThanOrEqual(perMinute);
      }
    }),
  );
});

test('clocks that disagree by seconds never give more for a minute of the slowest count', () => {
  fc.assert(
    fc.property(asks, fc.integer({ min: 1, max: 20 }), (steps, perMinute) => {
      let count: MinuteCount | undefined;
      let now = 1_700_000_000_000;
      for (const { passes, skew, wanted } of steps) {
        now += passes;
        const grant = grantCalls(count, { wanted, perMinute, now: now + skew });
        count = grant.next ?? count;
        expect((count?.slots ?? []).reduce((sum, { calls }) => sum + calls, 0)).toBeLessThanOrEqual(perMinute);
        const slots = (count?.slots ?? []).map(({ slot }) => slot);
        expect(slots).toEqual(slots.toSorted((left, right) => left - right));
      }
    }),
  );
});
